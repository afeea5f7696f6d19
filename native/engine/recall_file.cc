#include "engine/recall_file.h"

#include <bit>
#include <cmath>

#include "base/byte_order.h"
#include "base/slot.h"

namespace vitrine {
namespace {

// More than any curve has: its beams grow by a third from rung to rung.
constexpr uint32_t kMostRungs = 64;
constexpr uint32_t kWidestStoredBeam = 16'384;
constexpr uint32_t kMostSampled = 1 << 20;
constexpr double kMostMissed = 1e9;
// Of a curve, beside the one in its head. Files that were written before there were bands have
// none.
constexpr size_t kFurtherBands = LiveRecall::kBands - 1;

class ElementWriter {
 public:
  void Put32(uint32_t value) { Put(value); }
  void Put64(uint64_t value) { Put(value); }
  void PutReal(double value) { Put(std::bit_cast<uint64_t>(value)); }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  template <typename T>
  void Put(T value) {
    bytes_.resize(bytes_.size() + sizeof(value));
    StoreLittleEndian(bytes_.data() + bytes_.size() - sizeof(value), value);
  }
  std::vector<std::byte> bytes_;
};

class ElementReader {
 public:
  explicit ElementReader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  bool done() const { return bytes_.empty(); }
  // REQUIRES of all: as many bytes are left
  uint32_t Get32() { return Get<uint32_t>(); }
  uint64_t Get64() { return Get<uint64_t>(); }
  double GetReal() { return std::bit_cast<double>(Get<uint64_t>()); }

 private:
  template <typename T>
  T Get() {
    const T value = LoadLittleEndian<T>(bytes_.data());
    bytes_ = bytes_.subspan(sizeof(T));
    return value;
  }
  std::span<const std::byte> bytes_;
};

void PutBand(ElementWriter& out, const LiveRecall::Band& band) {
  out.PutReal(band.missed);
  out.PutReal(band.foretold);
}

bool IsShare(double value) { return value >= 0 && value <= 1; }
bool IsCount(double value) { return value >= 0 && value <= kMostMissed; }

// False when the next rung is out of range.
bool ReadRung(ElementReader& in, RecallCurve& curve) {
  RecallRung rung;
  rung.ef = in.Get32();
  const uint32_t reserved = in.Get32();
  rung.self = in.GetReal();
  rung.left_out = in.GetReal();
  rung.deviation = in.GetReal();
  const uint32_t before = curve.rungs.empty() ? 0 : curve.rungs.back().ef;
  if (reserved != 0 || rung.ef <= before || rung.ef > kWidestStoredBeam || !IsShare(rung.self) ||
      !IsShare(rung.left_out) || !IsShare(rung.deviation)) {
    return false;
  }
  curve.rungs.push_back(rung);
  return true;
}

// False when it is out of range.
bool ReadBand(ElementReader& in, LiveRecall::Band& band) {
  band.missed = in.GetReal();
  band.foretold = in.GetReal();
  return IsCount(band.missed) && IsCount(band.foretold);
}

// False when the elements are not those of curves with all their bands and rungs.
bool ReadCurves(ElementReader& in, uint64_t elements, size_t further_bands,
                RecallCalibration& calibration) {
  while (elements > 0) {
    RecallCurve curve;
    curve.k = in.Get32();
    const uint32_t rungs = in.Get32();
    const bool has_band = ReadBand(in, curve.live.bands[0]);
    curve.live.checks = in.Get64();
    --elements;
    const uint32_t before = calibration.empty() ? 0 : calibration.curves.back().k;
    if (!has_band || curve.k <= before || curve.k > kWidestStoredBeam || rungs < 1 ||
        rungs > kMostRungs || further_bands + rungs > elements) {
      return false;
    }
    for (size_t i = 1; i <= further_bands; ++i) {
      if (!ReadBand(in, curve.live.bands[i]) || in.Get64() != 0 || in.Get64() != 0) return false;
    }
    for (uint32_t i = 0; i < rungs; ++i) {
      if (!ReadRung(in, curve)) return false;
    }
    elements -= further_bands + rungs;
    calibration.curves.push_back(std::move(curve));
  }
  return true;
}

}  // namespace

Status WriteCalibration(ContainerWriter& writer, const RecallCalibration& calibration,
                        uint64_t ended_now) {
  if (calibration.empty()) return {};
  ElementWriter out;
  out.Put64(calibration.rows);
  out.Put64(ended_now - calibration.ended);
  out.Put32(calibration.sample);
  out.Put32(static_cast<uint32_t>(calibration.curves.size()));
  out.Put64(kFurtherBands);
  for (const RecallCurve& curve : calibration.curves) {
    out.Put32(curve.k);
    out.Put32(static_cast<uint32_t>(curve.rungs.size()));
    PutBand(out, curve.live.bands[0]);
    out.Put64(curve.live.checks);
    for (size_t i = 1; i <= kFurtherBands; ++i) {
      PutBand(out, curve.live.bands[i]);
      out.Put64(0);
      out.Put64(0);
    }
    for (const RecallRung& rung : curve.rungs) {
      out.Put32(rung.ef);
      out.Put32(0);
      out.PutReal(rung.self);
      out.PutReal(rung.left_out);
      out.PutReal(rung.deviation);
    }
  }
  writer.BeginSection(SectionType::kCalibration, kCalibrationElementBytes,
                      SectionEntry::kMayBeIgnored);
  VITRINE_RETURN_IF_ERROR(writer.Append(out.bytes()));
  return writer.EndSection();
}

Result<StoredCalibration> ReadCalibration(const ContainerReader& reader,
                                          const SectionEntry& section) {
  const auto corrupt = [&](std::string_view what) {
    return reader.Corrupt(SectionName(section.type), section.offset, what);
  };
  constexpr uint64_t kMostElements =
      1 + std::size(RecallCalibration::kNeighbours) * (1 + kFurtherBands + kMostRungs);
  if (section.element_bytes != kCalibrationElementBytes || section.count < 1 ||
      section.count > kMostElements) {
    return corrupt("it is of the wrong size");
  }
  std::vector<std::byte> buffer;
  const auto bytes = reader.Read(section, 0, section.count, buffer);
  if (!bytes.ok()) return bytes.status();
  ElementReader in(*bytes);
  StoredCalibration stored;
  stored.calibration.rows = in.Get64();
  stored.ended = in.Get64();
  stored.calibration.sample = in.Get32();
  const uint32_t curves = in.Get32();
  const uint64_t further_bands = in.Get64();
  if (further_bands > kFurtherBands || stored.calibration.rows > kMaxSlots ||
      stored.calibration.sample < 1 || stored.calibration.sample > kMostSampled || curves < 1 ||
      !ReadCurves(in, section.count - 1, further_bands, stored.calibration) ||
      stored.calibration.curves.size() != curves) {
    return corrupt("a value is out of range");
  }
  return stored;
}

}  // namespace vitrine
