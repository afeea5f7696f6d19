#include "engine/field.h"

#include <algorithm>

namespace vitrine {

bool IsFieldName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxFieldName && name[0] != '$';
}

const Field* FindField(const Fields& fields, std::string_view name) {
  const auto found = std::lower_bound(
      fields.begin(), fields.end(), name,
      [](const Field& field, std::string_view wanted) { return field.name < wanted; });
  return found != fields.end() && found->name == name ? &*found : nullptr;
}

Status ArrangeFields(Fields& fields) {
  if (fields.size() > kMaxFields) {
    return {ErrorCode::kOption, "a collection has at most " + std::to_string(kMaxFields) +
                                    " fields, not " + std::to_string(fields.size())};
  }
  std::sort(fields.begin(), fields.end(),
            [](const Field& a, const Field& b) { return a.name < b.name; });
  for (size_t i = 0; i < fields.size(); ++i) {
    if (!IsFieldName(fields[i].name)) {
      return {ErrorCode::kOption, "the name of a field has 1 to " + std::to_string(kMaxFieldName) +
                                      " bytes and does not begin with $"};
    }
    if (i > 0 && fields[i].name == fields[i - 1].name) {
      return {ErrorCode::kOption, "field '" + fields[i].name + "' comes twice"};
    }
  }
  return {};
}

std::string_view ValuesOf(FieldType type) {
  switch (type) {
    case FieldType::kKeyword:
      return "a string";
    case FieldType::kKeywords:
      return "an array of strings";
    case FieldType::kInteger:
      return "an integer of at most 2^53 - 1";
    case FieldType::kNumber:
      return "a number";
    case FieldType::kBoolean:
      return "true or false";
    case FieldType::kDate:
      return "a Date, or ISO 8601 text of a day, or of a time with Z or an offset";
  }
  return "";
}

}  // namespace vitrine
