#include "exposition/user_metrics.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <span>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/byte_order.h"

namespace vitrine {
namespace {

// Bytes that one takes in the layout at least.
constexpr size_t kLeastFamily = 21;
constexpr size_t kLeastSample = 12;
constexpr size_t kLeastLabel = 8;

bool IsName(std::string_view text, bool colons) {
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (!letter && !(c >= '0' && c <= '9') && !(colons && c == ':')) return false;
  }
  return true;
}

// What a double may be that becomes a whole number.
constexpr double kMostCount = 9007199254740992;  // 2^53
bool IsCount(double number) { return number >= 0 && number <= kMostCount; }

// Reads what the layout is made of; what is not there is nothing, and `failed` from then on.
class LayoutReader {
 public:
  explicit LayoutReader(std::string_view layout) : rest_(layout) {}

  bool failed() const { return failed_; }
  bool at_end() const { return rest_.empty(); }

  uint8_t ReadByte() {
    const std::string_view bytes = Take(1);
    return bytes.empty() ? uint8_t{0} : static_cast<uint8_t>(bytes[0]);
  }
  uint32_t ReadU32() { return Read<uint32_t>(); }
  double ReadF64() { return std::bit_cast<double>(Read<uint64_t>()); }
  std::string_view ReadText() { return Take(ReadU32()); }
  // How many follow, each of which takes so many bytes at least.
  size_t ReadCount(size_t bytes_each) {
    const size_t count = ReadU32();
    if (count <= rest_.size() / bytes_each) return count;
    failed_ = true;
    return 0;
  }

 private:
  std::string_view Take(size_t bytes) {
    if (failed_ || rest_.size() < bytes) {
      failed_ = true;
      return {};
    }
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return taken;
  }
  template <typename T>
  T Read() {
    const std::string_view bytes = Take(sizeof(T));
    return bytes.empty() ? T{0}
                         : LoadLittleEndian<T>(reinterpret_cast<const std::byte*>(bytes.data()));
  }

  std::string_view rest_;
  bool failed_ = false;
};

// The values, in their order; missing ones are noticed at the end.
class ValueReader {
 public:
  explicit ValueReader(std::span<const double> values) : values_(values) {}
  double Next() { return at_ < values_.size() ? values_[at_++] : (++at_, 0); }
  bool fits() const { return at_ == values_.size(); }

 private:
  std::span<const double> values_;
  size_t at_ = 0;
};

Distribution ReadDistribution(SeriesType type, std::span<const double> bounds,
                              ValueReader& values) {
  Distribution distribution{.bounds = bounds};
  const size_t count = bounds.size() + (type == SeriesType::kHistogram ? 1 : 0);
  distribution.values.reserve(count);
  for (size_t i = 0; i < count; ++i) distribution.values.push_back(values.Next());
  distribution.sum = values.Next();
  if (type == SeriesType::kSummary) {
    distribution.count = values.Next();
  } else {
    for (const double each : distribution.values) distribution.count += each;
  }
  return distribution;
}

bool CountsThings(SeriesType type, const Distribution& distribution) {
  if (!IsCount(distribution.count)) return false;
  if (type == SeriesType::kSummary) return true;
  return std::all_of(distribution.values.begin(), distribution.values.end(), IsCount);
}

bool IsValueOf(SeriesType type, double value) {
  if (type == SeriesType::kInfo) return value == 1;
  return type != SeriesType::kStateSet || value == 0 || value == 1;
}

Status Broken() { return {ErrorCode::kArgument, "the layout of the user's metrics is broken"}; }

// The names that belong to a family: its own, its samples' and, of OpenMetrics, its stem.
std::vector<std::string> NamesOf(const ExportedFamily& family) {
  std::vector<std::string> names{std::string(family.name)};
  const std::string_view end = SuffixOf(family.type);
  if (!end.empty()) names.emplace_back(family.name.substr(0, family.name.size() - end.size()));
  const std::string stem = names.back();
  if (family.type == SeriesType::kGauge || family.type == SeriesType::kInfo ||
      family.type == SeriesType::kStateSet) {
    return names;
  }
  names.push_back(stem + "_created");
  if (family.type == SeriesType::kCounter) return names;
  for (const std::string_view suffix : {"_bucket", "_sum", "_count"}) {
    names.push_back(stem + std::string(suffix));
  }
  return names;
}

bool AreEdges(std::span<const double> bounds) {
  for (size_t i = 0; i < bounds.size(); ++i) {
    if (!std::isfinite(bounds[i]) || (i > 0 && bounds[i] <= bounds[i - 1])) return false;
  }
  return true;
}

}  // namespace

Status AddUserMetrics(const UserMetrics& metrics, MetricSet& set) {
  if (metrics.layout.empty()) return {};
  std::unordered_set<std::string> taken;
  for (const ExportedFamily& family : set.families) {
    for (std::string& name : NamesOf(family)) taken.insert(std::move(name));
  }
  LayoutReader layout(metrics.layout);
  ValueReader values(metrics.values);
  for (size_t families = layout.ReadCount(kLeastFamily); families > 0; --families) {
    const uint8_t type = layout.ReadByte();
    ExportedFamily family{.name = layout.ReadText(), .help = layout.ReadText(), .ours = false};
    family.unit = layout.ReadText();
    if (type >= std::size(kSeriesTypeNames)) return Broken();
    family.type = static_cast<SeriesType>(type);
    const bool is_distribution =
        family.type == SeriesType::kHistogram || family.type == SeriesType::kSummary;
    const std::span<const double> bounds = set.Keep([&] {
      std::vector<double> read(layout.ReadCount(sizeof(double)));
      for (double& bound : read) bound = layout.ReadF64();
      return read;
    }());
    if (layout.failed() || !IsName(family.name, true) || !AreEdges(bounds) ||
        !family.name.ends_with(SuffixOf(family.type))) {
      return Broken();
    }
    for (std::string& name : NamesOf(family)) {
      if (taken.insert(std::move(name)).second) continue;
      return {ErrorCode::kExists,
              "there is another metric of the name '" + std::string(family.name) + "'"};
    }
    const size_t samples = layout.ReadCount(kLeastSample);
    family.samples.reserve(samples);
    for (size_t i = 0; i < samples; ++i) {
      Sample sample{.first_label = set.labels.size()};
      const double started_ms = layout.ReadF64();
      if (!IsCount(started_ms * 1000)) return Broken();
      sample.started_ns = static_cast<int64_t>(started_ms * 1e6);
      sample.label_count = layout.ReadCount(kLeastLabel);
      for (size_t j = 0; j < sample.label_count; ++j) {
        const std::string_view name = layout.ReadText();
        set.labels.push_back({name, layout.ReadText()});
        if (!IsName(name, false)) return Broken();
      }
      if (is_distribution) {
        sample.distribution = &set.Keep(ReadDistribution(family.type, bounds, values));
        if (!CountsThings(family.type, *sample.distribution)) return Broken();
      } else {
        sample.value = values.Next();
        if (!IsValueOf(family.type, sample.value)) return Broken();
      }
      family.samples.push_back(sample);
    }
    set.families.push_back(std::move(family));
  }
  if (layout.failed() || !layout.at_end() || !values.fits()) return Broken();
  return {};
}

}  // namespace vitrine
