#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace vitrine {

// The moment that a text of ISO 8601 names, as of RFC 3339 and Date.prototype.toISOString:
// "2024-02-29" (midnight UTC), "2024-02-29T12:30Z", "2024-02-29T12:30:59.123+01:00", and years of
// six digits with a sign. A time needs its offset from UTC: without one it would depend on where it
// is read. Nothing for any other text.
//   returns  milliseconds since 1970, what is smaller cut off; at most 8.64e15 from it, as of Date
std::optional<int64_t> ParseIsoDate(std::string_view text);

}  // namespace vitrine
