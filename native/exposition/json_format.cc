#include "exposition/json_format.h"

#include <algorithm>
#include <string>

#include "exposition/json_writer.h"
#include "stats/histogram_formats.h"

namespace vitrine {
namespace {

void WriteLabels(const MetricSet& set, const Sample& sample, JsonWriter& json) {
  json.Key("labels");
  json.Open('{');
  for (const LabelPair& label : set.LabelsOf(sample)) {
    json.Key(label.name);
    json.Text(label.value);
  }
  json.Close('}');
}

void WriteBucket(double edge, double cumulative_count, JsonWriter& json) {
  json.Open('{');
  json.Key("le");
  if (std::isinf(edge)) {
    json.Text("+Inf");
  } else {
    json.Number(edge);
  }
  json.Key("count");
  json.Number(cumulative_count);
  json.Close('}');
}

void WriteEnd(double sum, double count, JsonWriter& json) {
  json.Key("sum");
  json.Number(sum);
  json.Key("count");
  json.Number(count);
}

void WriteHistogram(const Sample& sample, JsonWriter& json) {
  json.Key("histogram");
  json.Open('{');
  json.Key("buckets");
  json.Open('[');
  if (sample.cells != nullptr) {
    const ClassicHistogram classic = FoldClassic(*sample.cells);
    for (size_t i = 0; i < classic.edges.size(); ++i) {
      WriteBucket(classic.edges[i], static_cast<double>(classic.cumulative_counts[i]), json);
    }
    json.Close(']');
    WriteEnd(sample.cells->layout->InUnits(sample.cells->sum),
             static_cast<double>(classic.cumulative_counts.back()), json);
    constexpr std::pair<std::string_view, double> kQuantiles[] = {
        {"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}};
    for (const auto& [name, share] : kQuantiles) {
      json.Key(name);
      json.Number(Quantile(*sample.cells, share));
    }
  } else {
    const Distribution& distribution = *sample.distribution;
    double count = 0;
    for (size_t i = 0; i < distribution.values.size(); ++i) {
      count += distribution.values[i];
      WriteBucket(i < distribution.bounds.size() ? distribution.bounds[i] : HUGE_VAL, count, json);
    }
    json.Close(']');
    WriteEnd(distribution.sum, count, json);
  }
  json.Close('}');
}

void WriteSummary(const Distribution& distribution, JsonWriter& json) {
  json.Key("summary");
  json.Open('{');
  json.Key("quantiles");
  json.Open('[');
  for (size_t i = 0; i < distribution.bounds.size(); ++i) {
    json.Open('{');
    json.Key("quantile");
    json.Number(distribution.bounds[i]);
    json.Key("value");
    json.Number(distribution.values[i]);
    json.Close('}');
  }
  json.Close(']');
  WriteEnd(distribution.sum, distribution.count, json);
  json.Close('}');
}

// The same names as OpenTelemetry gives: the unit is said elsewhere.
std::string DottedName(const ExportedFamily& family) {
  std::string_view stem = family.name;
  if (!family.ours) return std::string(stem);
  stem.remove_suffix(SuffixOf(family.type).size());
  if (!family.unit.empty()) stem.remove_suffix(family.unit.size() + 1);
  std::string name(stem);
  std::replace(name.begin(), name.end(), '_', '.');
  return name;
}

// Units of UCUM.
std::string_view OtlpUnit(std::string_view unit) {
  if (unit == "seconds") return "s";
  return unit == "bytes" ? "By" : unit;
}

class OtlpRenderer {
 public:
  OtlpRenderer(const MetricSet& set, JsonWriter& json) : set_(set), json_(json) {}

  void Render(const ExportedFamily& family) {
    if (family.samples.empty()) return;
    json_.Open('{');
    json_.Key("name");
    json_.Text(DottedName(family));
    json_.Key("description");
    json_.Text(family.help);
    json_.Key("unit");
    json_.Text(OtlpUnit(family.unit));
    json_.Key(KindOf(family));
    json_.Open('{');
    if (family.type == SeriesType::kCounter || family.type == SeriesType::kHistogram) {
      constexpr double kCumulative = 2;
      json_.Key("aggregationTemporality");
      json_.Number(kCumulative);
    }
    if (family.type == SeriesType::kCounter) {
      json_.Key("isMonotonic");
      json_.Truth();
    }
    json_.Key("dataPoints");
    json_.Open('[');
    for (const Sample& sample : family.samples) WritePoint(family, sample);
    json_.Close(']');
    json_.Close('}');
    json_.Close('}');
  }

 private:
  static std::string_view KindOf(const ExportedFamily& family) {
    switch (family.type) {
      case SeriesType::kCounter:
        return "sum";
      case SeriesType::kSummary:
        return "summary";
      case SeriesType::kHistogram:
        return family.samples[0].cells != nullptr ? "exponentialHistogram" : "histogram";
      case SeriesType::kGauge:
      case SeriesType::kInfo:
      case SeriesType::kStateSet:
        break;
    }
    return "gauge";
  }

  void WritePoint(const ExportedFamily& family, const Sample& sample) {
    json_.Open('{');
    json_.Key("attributes");
    json_.Open('[');
    for (const LabelPair& label : set_.LabelsOf(sample)) {
      json_.Open('{');
      json_.Key("key");
      json_.Text(label.name);
      json_.Key("value");
      json_.Open('{');
      json_.Key("stringValue");
      json_.Text(label.value);
      json_.Close('}');
      json_.Close('}');
    }
    json_.Close(']');
    if (sample.started_ns != 0) WriteWhole("startTimeUnixNano", sample.started_ns);
    WriteWhole("timeUnixNano", set_.taken_ns);
    if (sample.cells != nullptr) {
      WriteExponential(*sample.cells);
    } else if (sample.distribution != nullptr) {
      WriteDistribution(family.type, *sample.distribution);
    } else if (family.ours && family.unit != "seconds" && !family.name.ends_with("_ratio")) {
      // A series has one kind of number, whatever its value.
      WriteWhole("asInt", static_cast<int64_t>(sample.value));
    } else {
      WriteDouble("asDouble", sample.value);
    }
    json_.Close('}');
  }

  void WriteExponential(const HistogramTotals& cells) {
    const ExponentialHistogram folded = FoldExponential(cells);
    WriteWhole("count", static_cast<int64_t>(cells.count()));
    WriteDouble("sum", cells.layout->InUnits(cells.sum));
    WriteDouble("scale", folded.scale);
    WriteWhole("zeroCount", static_cast<int64_t>(folded.zero_count));
    WriteDouble("zeroThreshold", folded.zero_threshold);
    json_.Key("positive");
    json_.Open('{');
    WriteDouble("offset", folded.offset);
    json_.Key("bucketCounts");
    json_.Open('[');
    for (const uint64_t count : folded.counts) json_.WholeText(count);
    json_.Close(']');
    json_.Close('}');
  }

  void WriteDistribution(SeriesType type, const Distribution& distribution) {
    WriteWhole("count", static_cast<int64_t>(distribution.count));
    WriteDouble("sum", distribution.sum);
    if (type == SeriesType::kHistogram) {
      json_.Key("bucketCounts");
      json_.Open('[');
      for (const double count : distribution.values) {
        json_.WholeText(static_cast<uint64_t>(count));
      }
      json_.Close(']');
      json_.Key("explicitBounds");
      json_.Open('[');
      for (const double edge : distribution.bounds) json_.Number(edge);
      json_.Close(']');
      return;
    }
    json_.Key("quantileValues");
    json_.Open('[');
    for (size_t i = 0; i < distribution.bounds.size(); ++i) {
      json_.Open('{');
      WriteDouble("quantile", distribution.bounds[i]);
      WriteDouble("value", distribution.values[i]);
      json_.Close('}');
    }
    json_.Close(']');
  }

  void WriteWhole(std::string_view name, int64_t number) {
    json_.Key(name);
    json_.WholeText(static_cast<uint64_t>(std::max<int64_t>(number, 0)));
  }
  // What JSON has no number for is text in that of protobuf.
  void WriteDouble(std::string_view name, double number) {
    json_.Key(name);
    if (std::isfinite(number)) {
      json_.Number(number);
    } else {
      json_.Text(std::isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity");
    }
  }

  const MetricSet& set_;
  JsonWriter& json_;
};

}  // namespace

void RenderJson(const MetricSet& set, OutputBuffer& out) {
  JsonWriter json(out);
  json.Open('{');
  json.Key("metrics");
  json.Open('[');
  const int64_t taken_ms = set.taken_ns / 1'000'000;
  const auto timestamp = static_cast<double>(taken_ms);
  for (const ExportedFamily& family : set.families) {
    for (const Sample& sample : family.samples) {
      json.Open('{');
      json.Key("name");
      json.Text(family.name);
      json.Key("type");
      json.Text(kSeriesTypeNames[static_cast<size_t>(family.type)]);
      json.Key("help");
      json.Text(family.help);
      json.Key("unit");
      json.Text(family.unit);
      WriteLabels(set, sample, json);
      if (family.type == SeriesType::kHistogram) {
        WriteHistogram(sample, json);
      } else if (family.type == SeriesType::kSummary) {
        WriteSummary(*sample.distribution, json);
      } else {
        json.Key("value");
        json.Number(sample.value);
      }
      json.Key("timestamp");
      json.Number(timestamp);
      json.Close('}');
    }
  }
  json.Close(']');
  json.Close('}');
}

void RenderOtlp(const MetricSet& set, std::string_view version, OutputBuffer& out) {
  JsonWriter json(out);
  json.Open('{');
  json.Key("resourceMetrics");
  json.Open('[');
  json.Open('{');
  json.Key("resource");
  json.Open('{');
  json.Key("attributes");
  json.Open('[');
  json.Close(']');
  json.Close('}');
  json.Key("scopeMetrics");
  json.Open('[');
  json.Open('{');
  json.Key("scope");
  json.Open('{');
  json.Key("name");
  json.Text("vitrine");
  json.Key("version");
  json.Text(version);
  json.Close('}');
  json.Key("metrics");
  json.Open('[');
  OtlpRenderer renderer(set, json);
  for (const ExportedFamily& family : set.families) renderer.Render(family);
  json.Close(']');
  json.Close('}');
  json.Close(']');
  json.Close('}');
  json.Close(']');
  json.Close('}');
}

}  // namespace vitrine
