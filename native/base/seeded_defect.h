#pragma once

#include <string_view>

#ifdef VITRINE_SEEDED_DEFECTS
#include <cstdlib>
#endif

namespace vitrine {

// Marks a place where a rule of durability can be broken on purpose, to see that a test notices:
// `npm run test:defects` builds with VITRINE_SEEDED_DEFECTS and runs the tests once for each name
// with the rule broken that VITRINE_SEEDED_DEFECT names. In every other build it is false, and the
// compiler leaves nothing of it behind.
#ifdef VITRINE_SEEDED_DEFECTS
inline bool SeededDefect(std::string_view name) {
  static const char* const broken = std::getenv("VITRINE_SEEDED_DEFECT");
  return broken != nullptr && name == broken;
}
#else
constexpr bool SeededDefect(std::string_view /*name*/) { return false; }
#endif

}  // namespace vitrine
