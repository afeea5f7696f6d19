#pragma once

// What options may be that indexes, databases and searches have in common.

#include <string>
#include <string_view>

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

// The number of the word that an option is.
template <size_t count>
Result<size_t> ReadWord(napi_env env, napi_value value, const char* name,
                        const std::string_view (&words)[count]) {
  const Result<std::string> word = ReadString(env, value, name);
  if (!word.ok()) return word.status();
  for (size_t i = 0; i < count; ++i) {
    if (words[i] == *word) return i;
  }
  return Status(ErrorCode::kOption, std::string(name) + " must not be '" + *word + "'");
}

}  // namespace vitrine
