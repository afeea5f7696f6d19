#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
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
inline constexpr ExporterFamily kOverflow{
    "vitrine_metrics_overflow_total",
    SeriesType::kCounter,
    {},
    "Samples that went into __other__, because their metric had too many series."};
inline constexpr ExporterFamily kExporterFamilies[] = {kBuildInfo, kOverflow};

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
  Result<OutputBuffer> Export(ExportFormat format, const ExportInput& input) const;

 private:
  void AddOwn(const ExportInput& input, MetricSet& set) const;

  const ExporterOptions options_;
  const int64_t started_ns_;
  // Relaxed: a number for display.
  mutable std::atomic<uint64_t> overflow_{0};
  mutable std::atomic<size_t> last_size_{0};
};

}  // namespace vitrine
