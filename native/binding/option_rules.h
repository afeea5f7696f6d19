#pragma once

// What options may be that indexes, databases and searches have in common.

#include "binding/js_value.h"
#include "engine/table.h"

namespace vitrine {

inline constexpr IntegerRule kDimension{"dimension", 1, kMaxDimension};
inline constexpr IntegerRule kM{"m", 2, 128};
inline constexpr IntegerRule kEfConstruction{"efConstruction", 1, kMaxEf};
inline constexpr IntegerRule kThreads{"threads", 1, 1024};

inline constexpr IntegerRule kK{"k", 1, kMaxK};
inline constexpr IntegerRule kEf{"ef", 1, kMaxEf};
inline constexpr IntegerRule kTimeoutMs{"timeoutMs", 1, uint64_t{1} << 31};

}  // namespace vitrine
