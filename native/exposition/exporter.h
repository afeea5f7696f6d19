#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "exposition/metric_set.h"
#include "exposition/output_buffer.h"
#include "exposition/source_names.h"
#include "exposition/user_metrics.h"
#include "stats/histogram.h"

namespace vitrine {

enum class ExportFormat : uint8_t { kText, kOpenMetrics, kProtobuf, kJson, kOtlp };
inline constexpr std::string_view kExportFormatNames[] = {"text", "openmetrics", "protobuf", "json",
                                                          "otlp"};

// What an exporter says of itself, besides what the catalog has; its name is nowhere else.
struct ExporterFamily {
  std::string_view name;
  SeriesType type;
  std::span<const std::string_view> labels;
  std::string_view help;
};
inline constexpr std::string_view kBuildLabels[] = {"version", "engine", "isa", "node"};
inline constexpr ExporterFamily kBuildInfo{"vitrine_build_info", SeriesType::kInfo, kBuildLabels,
                                           "What runs in this process."};
inline constexpr std::string_view kFormatLabels[] = {"format"};
inline constexpr ExporterFamily kRenderDuration{
    "vitrine_metrics_render_duration_seconds", SeriesType::kHistogram, kFormatLabels,
    "Time that it took to render the exports before this one."};
inline constexpr ExporterFamily kSeries{
    "vitrine_metrics_series", SeriesType::kGauge, {}, "Series in this export, without these."};
inline constexpr std::string_view kFamilyLabels[] = {"family"};
inline constexpr ExporterFamily kOverflow{
    "vitrine_metrics_series_overflow_total", SeriesType::kCounter, kFamilyLabels,
    "Samples that went into __other__, because their metric had too many series."};
inline constexpr ExporterFamily kExporterFamilies[] = {kBuildInfo, kRenderDuration, kSeries,
                                                       kOverflow};

struct ExporterOptions {
  std::string version;  // of the package
  std::string node;
  std::string instruction_set;
  // The labels that are exported; nothing: all.
  std::optional<std::vector<std::string>> labels;
  std::vector<CompatSet> compat;
};

// A stats snapshot, and the labels of what it is of.
struct ExportedStats {
  std::shared_ptr<const StatsSnapshot> snapshot;
  std::string database;
  std::string collection;  // empty: none
  // How many of those behind it are collections of this database, and whether it is one of them.
  size_t parts = 0;
  bool is_part = false;
};

// What is exported at once.
struct ExportInput {
  std::vector<ExportedStats> stats;
  UserMetrics user;
};

// Renders metrics, and counts what had no room.
//
// Thread safety: all functions may be called from any thread.
class Exporter {
 public:
  explicit Exporter(ExporterOptions options);
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;

  // kArgument when a family of the user's makes no sense, kExists when one has a name that is
  // taken. May throw std::bad_alloc.
  Result<OutputBuffer> Export(ExportFormat format, const ExportInput& input);

 private:
  void AddOwn(const ExportInput& input, MetricSet& set) const;
  // What is known of the exports themselves: in the three families from `first` on.
  void TellOfExports(const Overflow& joined, const Overflow& recorded, size_t first,
                     MetricSet& set);
  void Took(ExportFormat format, uint64_t nanoseconds);

  const ExporterOptions options_;
  const int64_t started_ns_;
  // Relaxed: a number for display.
  std::atomic<size_t> last_size_{0};
  std::mutex mutex_;
  // Guarded by it. Without cells: there was none in this format, or no memory to note it.
  std::array<Histogram, std::size(kExportFormatNames)> took_;
  Overflow joined_;
};

}  // namespace vitrine
