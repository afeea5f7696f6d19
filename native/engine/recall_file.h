#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/status.h"
#include "engine/recall_curve.h"
#include "storage/container_reader.h"
#include "storage/container_writer.h"

namespace vitrine {

// A calibration as a section of a file: docs/formats/index-file.md, "Calibration".

inline constexpr size_t kCalibrationElementBytes = 32;

// Writes the section; nothing for an empty calibration.
//   ended_now  the table's count of points that ended, which begins anew when it is loaded
Status WriteCalibration(ContainerWriter& writer, const RecallCalibration& calibration,
                        uint64_t ended_now);

struct StoredCalibration {
  RecallCalibration calibration;  // its `ended` is 0
  uint64_t ended = 0;             // points that have ended since then
};
// kCorrupt for a section that makes no sense, and what Read fails with.
Result<StoredCalibration> ReadCalibration(const ContainerReader& reader,
                                          const SectionEntry& section);

}  // namespace vitrine
