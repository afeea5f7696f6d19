#include "binding/stats_object.h"

#include <chrono>
#include <span>

#include "binding/js_value.h"
#include "exposition/metric_set.h"
#include "stats/histogram_formats.h"
#include "stats/wilson_interval.h"

namespace vitrine {
namespace {

double Milliseconds(StatsSnapshot::Clock::time_point moment) {
  return std::chrono::duration<double, std::milli>(moment.time_since_epoch()).count();
}

// An array of what `make` gives for each number below `count`.
template <typename Make>
Result<napi_value> MakeArray(napi_env env, size_t count, Make make) {
  napi_value array;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_array_with_length(env, count, &array));
  for (size_t i = 0; i < count; ++i) {
    const Result<napi_value> element = make(i);
    if (!element.ok()) return element.status();
    VITRINE_RETURN_IF_JS_ERROR(napi_set_element(env, array, static_cast<uint32_t>(i), *element));
  }
  return array;
}

Result<napi_value> MakeNumbers(napi_env env, std::span<const uint64_t> numbers) {
  return MakeArray(env, numbers.size(),
                   [&](size_t i) { return MakeNumber(env, static_cast<double>(numbers[i])); });
}

Result<napi_value> MakeNames(napi_env env, std::span<const std::string_view> names) {
  return MakeArray(env, names.size(), [&](size_t i) { return MakeString(env, names[i]); });
}

Result<napi_value> MakeUndefined(napi_env env) {
  napi_value none;
  VITRINE_RETURN_IF_JS_ERROR(napi_get_undefined(env, &none));
  return none;
}

// RecallSummary of lib/engine-stats.ts.
Result<napi_value> MakeRecall(napi_env env, const StatsSnapshot& since) {
  const uint64_t expected = since.expected_neighbors();
  const uint64_t found = since.found_neighbors();
  const WilsonInterval interval = IntervalOfShare(found, expected);
  const auto probes = since.value(Family::kRecallProbes, SeriesOf(ProbeOutcome::kOk));
  napi_value recall;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_object(env, &recall));
  VITRINE_RETURN_IF_ERROR(
      SetNumbers(env, recall,
                 {{"ratio", static_cast<double>(found) / static_cast<double>(expected)},
                  {"low", interval.low},
                  {"high", interval.high},
                  {"probes", static_cast<double>(probes)}}));
  return recall;
}

// LatencySummary of lib/engine-stats.ts, whatever is observed.
Result<napi_value> MakeSummary(napi_env env, const HistogramTotals& totals) {
  napi_value summary;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_object(env, &summary));
  const auto count = static_cast<double>(totals.count());
  const double sum = count == 0 ? 0 : totals.layout->InUnits(totals.sum);
  VITRINE_RETURN_IF_ERROR(SetNumbers(env, summary,
                                     {{"count", count},
                                      {"sum", sum},
                                      {"max", count == 0 ? 0 : totals.layout->InUnits(totals.max)},
                                      {"mean", count == 0 ? 0 : sum / count},
                                      {"p50", Quantile(totals, 0.5)},
                                      {"p95", Quantile(totals, 0.95)},
                                      {"p99", Quantile(totals, 0.99)},
                                      {"p999", Quantile(totals, 0.999)}}));
  return summary;
}

// NativeHistogram of lib/native-stats.ts; undefined when nothing was observed.
Result<napi_value> MakeHistogram(napi_env env, const HistogramTotals& totals) {
  if (totals.layout == nullptr) return MakeUndefined(env);
  Result<napi_value> histogram = MakeSummary(env, totals);
  if (!histogram.ok()) return histogram;
  const ClassicHistogram classic = FoldClassic(totals);
  VITRINE_RETURN_IF_ERROR(
      SetProperty(env, *histogram, "edges", MakeArray(env, classic.edges.size(), [&](size_t i) {
                    return MakeNumber(env, classic.edges[i]);
                  })));
  VITRINE_RETURN_IF_ERROR(SetProperty(env, *histogram, "cumulativeCounts",
                                      MakeNumbers(env, classic.cumulative_counts)));
  const ExponentialHistogram exponential = FoldExponential(totals);
  VITRINE_RETURN_IF_ERROR(SetNumbers(env, *histogram,
                                     {{"scale", static_cast<double>(exponential.scale)},
                                      {"zeroThreshold", exponential.zero_threshold},
                                      {"zeroCount", static_cast<double>(exponential.zero_count)},
                                      {"offset", static_cast<double>(exponential.offset)}}));
  VITRINE_RETURN_IF_ERROR(
      SetProperty(env, *histogram, "counts", MakeNumbers(env, exponential.counts)));
  return histogram;
}

Result<napi_value> MakeFamily(napi_env env, const MetricFamily& family) {
  napi_value object;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_object(env, &object));
  const std::pair<const char*, std::string_view> texts[] = {
      {"name", family.name},
      {"type", kMetricTypeNames[static_cast<size_t>(family.type)]},
      {"unit", kUnitNames[static_cast<size_t>(family.unit)]},
      {"level", kStatsLevelNames[static_cast<size_t>(family.level)]},
      {"scope", kScopeNames[static_cast<size_t>(family.scope)]},
      {"help", family.help}};
  for (const auto& [name, text] : texts) {
    VITRINE_RETURN_IF_ERROR(SetProperty(env, object, name, MakeString(env, text)));
  }
  napi_value labels;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_object(env, &labels));
  for (const Label& label : family.labels) {
    if (label.name.empty()) continue;
    const std::string name(label.name);
    VITRINE_RETURN_IF_ERROR(SetProperty(env, labels, name.c_str(), MakeNames(env, label.values)));
  }
  VITRINE_RETURN_IF_ERROR(SetProperty(env, object, "labels", labels));
  return object;
}

}  // namespace

Result<napi_value> MakeFamilies(napi_env env) {
  return MakeArray(env, kFamilyCount, [&](size_t i) { return MakeFamily(env, kFamilies[i]); });
}

Result<napi_value> MakeStatsSnapshot(napi_env env, const StatsSnapshot& snapshot) {
  napi_value object;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_object(env, &object));
  VITRINE_RETURN_IF_ERROR(SetNumbers(
      env, object,
      {{"since", Milliseconds(snapshot.start)}, {"taken", Milliseconds(snapshot.taken)}}));
  VITRINE_RETURN_IF_ERROR(
      SetProperty(env, object, "level",
                  MakeString(env, kStatsLevelNames[static_cast<size_t>(snapshot.level)])));
  const Result<napi_value> values = MakeArray(env, kFamilyCount, [&](size_t i) {
    const auto family = static_cast<Family>(i);
    const MetricFamily& row = kFamilies[i];
    return MakeArray(env, snapshot.has(family) ? row.series() : 0, [&](size_t series) {
      if (row.type == MetricType::kHistogram) {
        return MakeHistogram(env, snapshot.histogram(family, series));
      }
      if (row.sparse && !snapshot.has_something(family, series)) return MakeUndefined(env);
      return MakeNumber(env, ExportedValue(snapshot, family, series));
    });
  });
  VITRINE_RETURN_IF_ERROR(SetProperty(env, object, "values", values));
  return object;
}

Result<napi_value> MakeStats(napi_env env, const StatsSnapshot& since) {
  napi_value object;
  VITRINE_RETURN_IF_JS_ERROR(napi_create_object(env, &object));
  const auto finished = [&](CountedOperation operation) {
    return static_cast<double>(since.finished(operation));
  };
  const auto state = [&](Family family) { return static_cast<double>(since.value(family)); };
  VITRINE_RETURN_IF_ERROR(SetNumbers(
      env, object,
      {{"totalVectors", state(Family::kVectors)},
       {"totalSearches", finished(CountedOperation::kSearch) + finished(CountedOperation::kBatch)},
       {"totalInserts", finished(CountedOperation::kInsert)},
       {"totalUpserts", finished(CountedOperation::kUpsert)},
       {"totalDeletes", finished(CountedOperation::kDelete)},
       {"totalErrors", static_cast<double>(since.failed())},
       {"memoryBytes", static_cast<double>(since.memory())},
       {"indexMemoryBytes", state(Family::kIndexSize)},
       {"peakMemoryBytes", state(Family::kMemoryPeak)},
       {"since", Milliseconds(since.start)}}));
  const std::pair<const char*, CountedOperation> latencies[] = {
      {"searchLatency", CountedOperation::kSearch}, {"insertLatency", CountedOperation::kInsert}};
  for (const auto& [name, operation] : latencies) {
    const HistogramTotals& totals =
        since.histogram(Family::kOperationDuration, SeriesOf(operation));
    if (since.level < StatsLevel::kHistograms && totals.count() == 0) continue;
    VITRINE_RETURN_IF_ERROR(SetProperty(env, object, name, MakeSummary(env, totals)));
  }
  if (since.expected_neighbors() > 0) {
    VITRINE_RETURN_IF_ERROR(SetProperty(env, object, "recall", MakeRecall(env, since)));
  }
  return object;
}

}  // namespace vitrine
