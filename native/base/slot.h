#pragma once

#include <cstdint>

namespace vitrine {

// The number of a row: position of a vector, its links, its codes and its stamps. Slots are dense
// from 0 and are reused after a removal. The two upper bits are free for the search loop, which
// tags candidates with them; the 32-bit maximum ends a list of links.
using Slot = uint32_t;

inline constexpr Slot kNoSlot = 0xffffffffu;
inline constexpr Slot kMaxSlots = 1u << 30;

// A point's identity as the user gave it; `u32` ids are widened.
using PointId = uint64_t;

}  // namespace vitrine
