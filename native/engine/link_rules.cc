#include "engine/link_rules.h"

#include <algorithm>

namespace vitrine {

std::string_view LinkRules::Check(uint32_t first, std::span<const uint32_t> words) const {
  for (size_t i = 0; i * width_ < words.size(); ++i) {
    const uint32_t point = first + static_cast<uint32_t>(i);
    const std::span<const uint32_t> row = words.subspan(i * width_, width_);
    if (IsNode(point)) {
      const std::string_view wrong =
          CheckLinkWords(row, degree_, [&](Slot target) -> std::string_view {
            return target == point || !IsNode(target) ? "a link leads nowhere" : "";
          });
      if (!wrong.empty()) return wrong;
    } else if (std::any_of(row.begin(), row.end(), [](uint32_t word) { return word != kNoSlot; })) {
      return "a point that is no node has links";
    }
  }
  return {};
}

}  // namespace vitrine
