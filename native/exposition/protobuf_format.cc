#include "exposition/protobuf_format.h"

#include <bit>
#include <cmath>

#include "base/byte_order.h"
#include "stats/histogram_formats.h"

namespace vitrine {
namespace {

// https://protobuf.dev/programming-guides/encoding/
enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kDelimited = 2 };

// The numbers of fields and values, as metrics.proto has them.
namespace field {
constexpr uint32_t kFamilyName = 1, kFamilyHelp = 2, kFamilyType = 3, kFamilyMetric = 4,
                   kFamilyUnit = 5;
constexpr uint32_t kLabelName = 1, kLabelValue = 2;
constexpr uint32_t kMetricLabel = 1, kMetricGauge = 2, kMetricCounter = 3, kMetricSummary = 4,
                   kMetricHistogram = 7;
constexpr uint32_t kNumberValue = 1, kCounterCreated = 3;
constexpr uint32_t kSummaryCount = 1, kSummarySum = 2, kSummaryQuantile = 3, kSummaryCreated = 4;
constexpr uint32_t kQuantileQuantile = 1, kQuantileValue = 2;
constexpr uint32_t kHistogramCount = 1, kHistogramSum = 2, kHistogramBucket = 3,
                   kHistogramSchema = 5, kHistogramZeroThreshold = 6, kHistogramZeroCount = 7,
                   kHistogramSpan = 12, kHistogramDelta = 13, kHistogramCreated = 15;
constexpr uint32_t kBucketCount = 1, kBucketEdge = 2;
constexpr uint32_t kSpanOffset = 1, kSpanLength = 2;
constexpr uint32_t kTimestampSeconds = 1, kTimestampNanos = 2;
}  // namespace field

uint64_t TypeNumber(SeriesType type) {
  switch (type) {
    case SeriesType::kCounter:
      return 0;
    case SeriesType::kGauge:
    case SeriesType::kInfo:
    case SeriesType::kStateSet:
      return 1;
    case SeriesType::kSummary:
      return 2;
    case SeriesType::kHistogram:
      break;
  }
  return 4;
}

uint64_t ZigZag(int64_t number) {
  return (static_cast<uint64_t>(number) << 1) ^ static_cast<uint64_t>(number >> 63);
}

void AddVarint(uint64_t number, OutputBuffer& out) {
  for (; number >= 0x80; number >>= 7) out.Add(static_cast<char>(number | 0x80));
  out.Add(static_cast<char>(number));
}
void AddTag(uint32_t number, WireType type, OutputBuffer& out) {
  AddVarint(uint64_t{number} << 3 | static_cast<uint64_t>(type), out);
}
void AddInteger(uint32_t number, uint64_t value, OutputBuffer& out) {
  AddTag(number, WireType::kVarint, out);
  AddVarint(value, out);
}
void AddDouble(uint32_t number, double value, OutputBuffer& out) {
  AddTag(number, WireType::kFixed64, out);
  std::byte bytes[sizeof(uint64_t)];
  StoreLittleEndian(bytes, std::bit_cast<uint64_t>(value));
  out.Add({reinterpret_cast<const char*>(bytes), sizeof(bytes)});
}
void AddBytes(uint32_t number, std::string_view bytes, OutputBuffer& out) {
  AddTag(number, WireType::kDelimited, out);
  AddVarint(bytes.size(), out);
  out.Add(bytes);
}

// A message before its length is known is rendered into a buffer for its depth, which is kept.
class ProtobufRenderer {
 public:
  ProtobufRenderer(const MetricSet& set, OutputBuffer& out) : set_(set), out_(out) {}

  void Render(const ExportedFamily& family) {
    if (family.samples.empty()) return;
    family_.Clear();
    AddBytes(field::kFamilyName, family.name, family_);
    AddBytes(field::kFamilyHelp, family.help, family_);
    AddInteger(field::kFamilyType, TypeNumber(family.type), family_);
    for (const Sample& sample : family.samples) {
      metric_.Clear();
      for (const LabelPair& label : set_.LabelsOf(sample)) {
        small_.Clear();
        AddBytes(field::kLabelName, label.name, small_);
        AddBytes(field::kLabelValue, label.value, small_);
        AddBytes(field::kMetricLabel, small_.view(), metric_);
      }
      const uint32_t value = AddValue(family.type, sample);
      AddBytes(value, value_.view(), metric_);
      AddBytes(field::kFamilyMetric, metric_.view(), family_);
    }
    if (!family.unit.empty()) AddBytes(field::kFamilyUnit, family.unit, family_);
    AddVarint(family_.size(), out_);
    out_.Add(family_.view());
  }

 private:
  // Renders what a sample holds to value_; returns the field of it.
  uint32_t AddValue(SeriesType type, const Sample& sample) {
    value_.Clear();
    switch (type) {
      case SeriesType::kCounter:
        AddDouble(field::kNumberValue, sample.value, value_);
        AddTimestamp(field::kCounterCreated, sample.started_ns);
        return field::kMetricCounter;
      case SeriesType::kGauge:
      case SeriesType::kInfo:
      case SeriesType::kStateSet:
        AddDouble(field::kNumberValue, sample.value, value_);
        return field::kMetricGauge;
      case SeriesType::kSummary:
        AddSummary(*sample.distribution);
        AddTimestamp(field::kSummaryCreated, sample.started_ns);
        return field::kMetricSummary;
      case SeriesType::kHistogram:
        break;
    }
    if (sample.cells != nullptr) {
      AddCells(*sample.cells);
    } else {
      AddHistogram(*sample.distribution);
    }
    AddTimestamp(field::kHistogramCreated, sample.started_ns);
    return field::kMetricHistogram;
  }

  void AddTimestamp(uint32_t number, int64_t nanoseconds) {
    if (nanoseconds == 0) return;
    small_.Clear();
    AddInteger(field::kTimestampSeconds, static_cast<uint64_t>(nanoseconds / 1'000'000'000),
               small_);
    AddInteger(field::kTimestampNanos, static_cast<uint64_t>(nanoseconds % 1'000'000'000), small_);
    AddBytes(number, small_.view(), value_);
  }

  void AddBucket(double edge, uint64_t cumulative_count) {
    small_.Clear();
    AddInteger(field::kBucketCount, cumulative_count, small_);
    AddDouble(field::kBucketEdge, edge, small_);
    AddBytes(field::kHistogramBucket, small_.view(), value_);
  }

  void AddCells(const HistogramTotals& cells) {
    const ClassicHistogram classic = FoldClassic(cells);
    AddInteger(field::kHistogramCount, classic.cumulative_counts.back(), value_);
    AddDouble(field::kHistogramSum, cells.layout->InUnits(cells.sum), value_);
    for (size_t i = 0; i < classic.edges.size(); ++i) {
      AddBucket(classic.edges[i], classic.cumulative_counts[i]);
    }
    const NativeHistogram native = FoldNative(cells);
    AddInteger(field::kHistogramSchema, ZigZag(native.schema), value_);
    AddDouble(field::kHistogramZeroThreshold, native.zero_threshold, value_);
    AddInteger(field::kHistogramZeroCount, native.zero_count, value_);
    for (const NativeHistogram::Span& span : native.spans) AddSpan(span);
    // Without one a histogram in which only zeros are would not be known to be native.
    if (native.spans.empty()) AddSpan({});
    small_.Clear();
    for (const int64_t delta : native.deltas) AddVarint(ZigZag(delta), small_);
    if (small_.size() > 0) AddBytes(field::kHistogramDelta, small_.view(), value_);
  }
  void AddSpan(const NativeHistogram::Span& span) {
    small_.Clear();
    AddInteger(field::kSpanOffset, ZigZag(span.offset), small_);
    AddInteger(field::kSpanLength, span.length, small_);
    AddBytes(field::kHistogramSpan, small_.view(), value_);
  }

  void AddHistogram(const Distribution& distribution) {
    AddInteger(field::kHistogramCount, static_cast<uint64_t>(distribution.count), value_);
    AddDouble(field::kHistogramSum, distribution.sum, value_);
    double count = 0;
    for (size_t i = 0; i < distribution.values.size(); ++i) {
      count += distribution.values[i];
      AddBucket(i < distribution.bounds.size() ? distribution.bounds[i] : HUGE_VAL,
                static_cast<uint64_t>(count));
    }
  }

  void AddSummary(const Distribution& distribution) {
    AddInteger(field::kSummaryCount, static_cast<uint64_t>(distribution.count), value_);
    AddDouble(field::kSummarySum, distribution.sum, value_);
    for (size_t i = 0; i < distribution.bounds.size(); ++i) {
      small_.Clear();
      AddDouble(field::kQuantileQuantile, distribution.bounds[i], small_);
      AddDouble(field::kQuantileValue, distribution.values[i], small_);
      AddBytes(field::kSummaryQuantile, small_.view(), value_);
    }
  }

  const MetricSet& set_;
  OutputBuffer& out_;
  OutputBuffer family_;
  OutputBuffer metric_;
  OutputBuffer value_;
  OutputBuffer small_;
};

}  // namespace

void RenderProtobuf(const MetricSet& set, OutputBuffer& out) {
  ProtobufRenderer renderer(set, out);
  for (const ExportedFamily& family : set.families) renderer.Render(family);
}

}  // namespace vitrine
