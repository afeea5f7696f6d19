#include <gtest/gtest.h>

#include <bit>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "exposition/exporter.h"
#include "exposition/label_rules.h"
#include "random_data.h"
#include "stats/statistics.h"

namespace vitrine::exposition_exporter_test {
namespace {

constexpr ExportFormat kFormats[] = {ExportFormat::kText, ExportFormat::kOpenMetrics,
                                     ExportFormat::kProtobuf, ExportFormat::kJson,
                                     ExportFormat::kOtlp};

// Statistics of some operations that took random times.
std::shared_ptr<const StatsSnapshot> Counted(uint64_t seed, int operations) {
  const auto statistics = Statistics::Create();
  statistics->SetLevel(StatsLevel::kPhases);
  std::mt19937_64 random(seed);
  for (int i = 0; i < operations; ++i) {
    OperationRecord record{.operation = static_cast<CountedOperation>(random() % 4),
                           .level = StatsLevel::kPhases};
    if (random() % 5 == 0) record.error = ErrorCode::kDimension;
    record.duration_ns = random() % (uint64_t{1} << random() % 40);
    statistics->Count(record);
  }
  return std::make_shared<StatsSnapshot>(statistics->Snapshot());
}

ExporterOptions Options() { return {.version = "1", .node = "v20", .instruction_set = "avx2"}; }

std::string Exported(Exporter& exporter, ExportFormat format, const ExportInput& input) {
  const Result<OutputBuffer> out = exporter.Export(format, input);
  return out.ok() ? std::string(out->view()) : "failed: " + out.status().message();
}

const ExportedFamily& Find(const MetricSet& set, Family family) {
  return set.families[static_cast<size_t>(family)];
}

TEST(KeepLabels, AddsCellsUpBeforeTheyAreFolded) {
  const auto first = Counted(1, 500);
  const auto second = Counted(2, 700);
  const std::vector<StatsSource> sources{{.snapshot = first.get(), .labels = {{"db", "a"}}},
                                         {.snapshot = second.get(), .labels = {{"db", "b"}}}};
  MetricSet whole;
  AddStats(sources, whole);
  MetricSet kept;
  AddStats(sources, kept);
  KeepLabels({}, kept);

  std::vector<uint64_t> cells(HistogramLayout::Seconds().cells());
  uint64_t sum = 0;
  for (const Sample& sample : Find(whole, Family::kOperationDuration).samples) {
    for (size_t i = 0; i < cells.size(); ++i) cells[i] += sample.cells->cell(i);
    sum += sample.cells->sum;
  }
  const ExportedFamily& one = Find(kept, Family::kOperationDuration);
  ASSERT_EQ(one.samples.size(), 1u);
  for (size_t i = 0; i < cells.size(); ++i) ASSERT_EQ(one.samples[0].cells->cell(i), cells[i]);
  EXPECT_EQ(one.samples[0].cells->sum, sum);
  EXPECT_EQ(one.samples[0].label_count, 0u);
  // And what they were added up from is as it was.
  EXPECT_EQ(first->histogram(Family::kOperationDuration).count() +
                second->histogram(Family::kOperationDuration).count(),
            Find(whole, Family::kOperationDuration).samples[0].cells->count() +
                second->histogram(Family::kOperationDuration).count());

  double operations = 0;
  for (const Sample& sample : Find(whole, Family::kOperations).samples) operations += sample.value;
  ASSERT_EQ(Find(kept, Family::kOperations).samples.size(), 1u);
  EXPECT_EQ(Find(kept, Family::kOperations).samples[0].value, operations);
  EXPECT_EQ(operations, 1200);
}

TEST(LimitSeries, LeavesTotalsAsTheyAre) {
  const auto snapshot = Counted(3, 300);
  std::vector<StatsSource> sources;
  std::vector<std::string> names;
  names.reserve(50);
  for (int i = 0; i < 50; ++i) {
    names.push_back("db" + std::to_string(i));
    sources.push_back({.snapshot = snapshot.get(), .labels = {{"db", names.back()}}});
  }
  MetricSet set;
  AddStats(sources, set);
  const size_t series = Find(set, Family::kOperations).samples.size();
  ASSERT_GT(series, kMostSeries);
  const Overflow joined = LimitSeries(set);
  EXPECT_EQ(joined.at("vitrine_engine_operations_total"), series - (kMostSeries - 1));
  const ExportedFamily& operations = Find(set, Family::kOperations);
  ASSERT_EQ(operations.samples.size(), kMostSeries);
  double sum = 0;
  for (const Sample& sample : operations.samples) sum += sample.value;
  EXPECT_EQ(sum, 50 * 300);
  for (const LabelPair& label : set.LabelsOf(operations.samples.back())) {
    EXPECT_EQ(label.value, kOtherValue);
  }
}

TEST(Exporter, CountsWhatHadNoRoom) {
  const auto snapshot = Counted(4, 10);
  ExportInput input;
  for (int i = 0; i < 50; ++i) input.stats.push_back({snapshot, "db" + std::to_string(i), ""});
  Exporter exporter(Options());
  const std::string first = Exported(exporter, ExportFormat::kText, input);
  const std::string second = Exported(exporter, ExportFormat::kText, input);
  const auto overflow = [](const std::string& text) {
    const std::string name =
        "\nvitrine_metrics_series_overflow_total{family=\"vitrine_engine_operations_total\"} ";
    return std::stoul(text.substr(text.find(name) + name.size()));
  };
  EXPECT_GT(overflow(first), 1000u);
  EXPECT_EQ(overflow(second), 2 * overflow(first));
}

TEST(Exporter, TellsOfTheExportsBefore) {
  ExportInput input;
  input.stats.push_back({Counted(4, 10), "db", ""});
  Exporter exporter(Options());
  const std::string first = Exported(exporter, ExportFormat::kText, input);
  EXPECT_EQ(first.find("vitrine_metrics_render_duration_seconds"), std::string::npos);
  const std::string second = Exported(exporter, ExportFormat::kText, input);
  EXPECT_NE(second.find("\nvitrine_metrics_render_duration_seconds_count{format=\"text\"} 1\n"),
            std::string::npos);
  const auto series = [](const std::string& text) {
    const std::string name = "\nvitrine_metrics_series ";
    return std::stoul(text.substr(text.find(name) + name.size()));
  };
  EXPECT_GT(series(first), 10u);
  EXPECT_EQ(series(second), series(first));
}

// A layout as lib/ writes them.
class Layout {
 public:
  Layout& Byte(uint8_t byte) {
    bytes_.push_back(static_cast<char>(byte));
    return *this;
  }
  Layout& Whole(uint32_t number) {
    for (int i = 0; i < 4; ++i) Byte(static_cast<uint8_t>(number >> (8 * i)));
    return *this;
  }
  Layout& Double(double number) {
    const auto bits = std::bit_cast<uint64_t>(number);
    for (int i = 0; i < 8; ++i) Byte(static_cast<uint8_t>(bits >> (8 * i)));
    return *this;
  }
  Layout& Text(std::string_view text) {
    Whole(static_cast<uint32_t>(text.size()));
    bytes_.append(text);
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

UserMetrics Sample4() {
  Layout layout;
  layout.Whole(4);
  layout.Byte(0).Text("a_total").Text("A.").Text("").Whole(0).Whole(1);
  layout.Double(1.7e12).Whole(1).Text("x").Text("y\"\n");
  layout.Byte(1).Text("b").Text("").Text("").Whole(0).Whole(1).Double(0).Whole(0);
  layout.Byte(2).Text("c_seconds").Text("C.").Text("seconds").Whole(2).Double(1).Double(2);
  layout.Whole(1).Double(0).Whole(0);
  layout.Byte(3).Text("d").Text("").Text("").Whole(1).Double(0.5).Whole(1).Double(0).Whole(0);
  return {.layout = layout.bytes(), .values = {1, 2, 3, 4, 5, 6.5, 7, 8, 9}};
}

TEST(UserMetrics, ComeOutAsTheyWentIn) {
  Exporter exporter(Options());
  const std::string text = Exported(exporter, ExportFormat::kText, {.user = Sample4()});
  for (const std::string_view line :
       {"a_total{x=\"y\\\"\\n\"} 1", "b 2", "c_seconds_bucket{le=\"1\"} 3",
        "c_seconds_bucket{le=\"2\"} 7", "c_seconds_bucket{le=\"+Inf\"} 12", "c_seconds_sum 6.5",
        "c_seconds_count 12", "d{quantile=\"0.5\"} 7", "d_sum 8", "d_count 9"}) {
    EXPECT_NE(text.find("\n" + std::string(line) + "\n"), std::string::npos) << line;
  }
}

TEST(UserMetrics, AreRefusedWhereNamesAreTaken) {
  Exporter exporter(Options());
  for (const std::string_view name : {"vitrine_build_info", "vitrine_search_hops",
                                      "vitrine_search_hops_bucket", "vitrine_engine_operations"}) {
    Layout layout;
    layout.Whole(1).Byte(1).Text(name).Text("").Text("").Whole(0).Whole(0);
    const Result<OutputBuffer> out =
        exporter.Export(ExportFormat::kText, {.user = {.layout = layout.bytes(), .values = {}}});
    ASSERT_FALSE(out.ok()) << name;
    EXPECT_EQ(out.status().code(), ErrorCode::kExists) << name;
  }
}

TEST(UserMetrics, AreRefusedOrExportedWhateverTheirBytesAre) {
  Exporter exporter(Options());
  const UserMetrics whole = Sample4();
  const auto export_all = [&](const UserMetrics& metrics) {
    for (const ExportFormat format : kFormats) {
      const Result<OutputBuffer> out = exporter.Export(format, {.user = metrics});
      if (!out.ok()) {
        EXPECT_TRUE(out.status().code() == ErrorCode::kArgument ||
                    out.status().code() == ErrorCode::kExists);
      }
    }
  };
  for (size_t length = 1; length < whole.layout.size(); ++length) {
    const UserMetrics cut{.layout = whole.layout.substr(0, length), .values = whole.values};
    EXPECT_FALSE(exporter.Export(ExportFormat::kText, {.user = cut}).ok()) << length;
  }
  for (const size_t values : {size_t{0}, whole.values.size() - 1, whole.values.size() + 1}) {
    UserMetrics other = whole;
    other.values.resize(values);
    EXPECT_FALSE(exporter.Export(ExportFormat::kText, {.user = other}).ok()) << values;
  }
  std::mt19937_64 random(23);
  for (size_t i = 0; i < Scaled(2000, 200); ++i) {
    UserMetrics damaged = whole;
    for (uint64_t changes = 1 + random() % 3; changes > 0; --changes) {
      damaged.layout[random() % damaged.layout.size()] = static_cast<char>(random());
      damaged.values[random() % damaged.values.size()] = std::bit_cast<double>(random());
    }
    export_all(damaged);
  }
}

TEST(SourceNames, AreNamedOnceAndComputable) {
  std::set<std::string_view> names;
  for (const SourceName& row : SourceNames()) {
    SCOPED_TRACE(row.name);
    EXPECT_TRUE(names.insert(row.name).second);
    EXPECT_FALSE(row.name.starts_with("vitrine_"));
    EXPECT_EQ(row.name.ends_with("_total"), row.type == SeriesType::kCounter);
    const MetricFamily& family = RowOf(row.family);
    const bool is_histogram = family.type == MetricType::kHistogram;
    EXPECT_EQ(is_histogram, row.type == SeriesType::kHistogram || row.quantile != 0);
    const auto has_value = [&](std::string_view label, std::string_view value) {
      for (const Label& each : family.labels) {
        if (each.name != label) continue;
        for (const std::string_view known : each.values) {
          if (known == value) return true;
        }
      }
      return false;
    };
    for (const LabelChoice& choice : row.choices) {
      for (const std::string_view value : choice.values) {
        EXPECT_TRUE(value.empty() || has_value(choice.label, value)) << value;
      }
    }
    for (const LabelName& label : row.labels) {
      if (label.ours.empty() || label.ours == "db" || label.ours == "collection") continue;
      EXPECT_TRUE(label.ours == family.labels[0].name || label.ours == family.labels[1].name);
    }
  }
}

}  // namespace
}  // namespace vitrine::exposition_exporter_test
