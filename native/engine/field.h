#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace vitrine {

// What a declared property of payloads holds.
enum class FieldType : uint8_t { kKeyword, kKeywords, kInteger, kNumber, kBoolean, kDate };

inline constexpr std::string_view kFieldTypeNames[] = {"keyword", "keyword[]", "integer",
                                                       "number",  "boolean",   "date"};

struct Field {
  std::string name;
  FieldType type = FieldType::kKeyword;

  friend bool operator==(const Field&, const Field&) = default;
};

// Ascending by name, none twice.
using Fields = std::vector<Field>;

inline constexpr size_t kMaxFields = 64;
inline constexpr size_t kMaxFieldName = 128;

// 1 to kMaxFieldName bytes; what begins with $ is an operator.
bool IsFieldName(std::string_view name);
// Null when there is none of that name.
const Field* FindField(const Fields& fields, std::string_view name);
// Sorts them. kOption when one has no good name or comes twice, or there are too many.
Status ArrangeFields(Fields& fields);

// What the type takes, for messages: "a string", "an integer of at most 2^53 - 1".
std::string_view ValuesOf(FieldType type);

}  // namespace vitrine
