#include "engine/filter.h"

#include <iterator>
#include <optional>

#include "base/iso_date.h"
#include "base/json_reader.h"

namespace vitrine {
namespace {

using JsonKind = JsonReader::Kind;

constexpr std::string_view kKindNames[] = {"and", "or", "not", "exists", "in", "range"};

Status Wrong(const std::string& what) { return {ErrorCode::kFilter, what}; }
Status NoTree() { return Wrong("the filter is not of the form that the engine takes"); }

bool IsNumeric(FieldType type) {
  return type == FieldType::kInteger || type == FieldType::kNumber || type == FieldType::kDate;
}

class Parser {
 public:
  Parser(std::string_view text, const Fields& fields) : in_(text), fields_(fields) {}

  Result<Filter::Node> Parse() {
    Result<Filter::Node> root = ParseNode(0);
    if (root.ok() && !in_.AtEnd()) return NoTree();
    return root;
  }

 private:
  Result<Filter::Node> ParseNode(size_t depth) {
    if (depth == kMaxFilterDepth) {
      return Wrong("the filter is nested deeper than " + std::to_string(kMaxFilterDepth) +
                   " levels");
    }
    Filter::Node node;
    in_.BeginArray();
    if (!in_.NextElement() || !ReadKind(node.kind)) return NoTree();
    Status status;
    switch (node.kind) {
      case Filter::Kind::kAnd:
      case Filter::Kind::kOr:
      case Filter::Kind::kNot:
        status = ReadParts(node, depth);
        break;
      case Filter::Kind::kExists:
        status = ReadField(node);
        if (status.ok() && in_.NextElement()) return NoTree();
        break;
      case Filter::Kind::kIn:
        status = ReadField(node);
        while (status.ok() && in_.NextElement()) status = ReadValue(node);
        break;
      case Filter::Kind::kRange:
        status = ReadRange(node);
        break;
    }
    if (!status.ok()) return status;
    if (in_.failed()) return NoTree();
    return node;
  }

  bool ReadKind(Filter::Kind& kind) {
    in_.String(text_);
    for (size_t i = 0; i < std::size(kKindNames); ++i) {
      if (text_ != kKindNames[i]) continue;
      kind = static_cast<Filter::Kind>(i);
      return true;
    }
    return false;
  }

  Status ReadParts(Filter::Node& node, size_t depth) {
    while (in_.NextElement()) {
      Result<Filter::Node> part = ParseNode(depth + 1);
      if (!part.ok()) return part.status();
      node.parts.push_back(std::move(*part));
    }
    return node.kind == Filter::Kind::kNot && node.parts.size() != 1 ? NoTree() : Status();
  }

  Status ReadField(Filter::Node& node) {
    if (!in_.NextElement()) return NoTree();
    in_.String(node.field);
    if (in_.failed()) return NoTree();
    const Field* const field = FindField(fields_, node.field);
    if (field == nullptr) {
      Status status = Wrong("there is no field '" + node.field +
                            "' to filter by; addField declares one, as 'fields' does when the "
                            "collection is created");
      status.AddDetail("field", node.field);
      return status;
    }
    type_ = field->type;
    return {};
  }

  Status WrongValue(const Filter::Node& node) const {
    Status status =
        Wrong("field '" + node.field + "' is declared as " +
              std::string(kFieldTypeNames[static_cast<size_t>(type_)]) + " and compared with " +
              std::string(type_ == FieldType::kKeywords ? "strings" : ValuesOf(type_)) +
              (type_ == FieldType::kInteger ? ", or another number" : ""));
    status.AddDetail("field", node.field);
    return status;
  }

  // A number, or the milliseconds of a date; nothing for other values.
  std::optional<double> ReadNumber() {
    if (type_ == FieldType::kDate) {
      if (in_.Peek() != JsonKind::kString) return {};
      in_.String(text_);
      const std::optional<int64_t> ms = ParseIsoDate(text_);
      if (!ms) return {};
      return static_cast<double>(*ms);
    }
    if (in_.Peek() != JsonKind::kNumber) return {};
    return in_.Number();
  }

  Status ReadValue(Filter::Node& node) {
    if (IsNumeric(type_)) {
      const std::optional<double> number = ReadNumber();
      if (!number) return WrongValue(node);
      node.numbers.push_back(NumberRange::Only(*number));
      return {};
    }
    const bool is_boolean = type_ == FieldType::kBoolean;
    if (in_.Peek() != (is_boolean ? JsonKind::kBoolean : JsonKind::kString)) {
      return WrongValue(node);
    }
    if (is_boolean) {
      text_ = in_.Boolean() ? "true" : "false";
    } else {
      in_.String(text_);
    }
    node.texts.push_back(text_);
    return {};
  }

  Status ReadRange(Filter::Node& node) {
    VITRINE_RETURN_IF_ERROR(ReadField(node));
    if (!IsNumeric(type_)) {
      Status status = Wrong("field '" + node.field + "' is declared as " +
                            std::string(kFieldTypeNames[static_cast<size_t>(type_)]) +
                            ": only integers, numbers and dates are more or less than another");
      status.AddDetail("field", node.field);
      return status;
    }
    NumberRange range;
    VITRINE_RETURN_IF_ERROR(ReadBound(node, range.low, range.low_is_in));
    VITRINE_RETURN_IF_ERROR(ReadBound(node, range.high, range.high_is_in));
    node.numbers.push_back(range);
    return in_.NextElement() ? NoTree() : Status();
  }

  Status ReadBound(const Filter::Node& node, double& bound, bool& is_in) {
    if (!in_.NextElement()) return NoTree();
    if (in_.Peek() == JsonKind::kNull) {
      in_.Null();
    } else {
      const std::optional<double> number = ReadNumber();
      if (!number) return WrongValue(node);
      bound = *number;
    }
    if (!in_.NextElement()) return NoTree();
    is_in = in_.Boolean();
    return in_.failed() ? NoTree() : Status();
  }

  JsonReader in_;
  const Fields& fields_;
  FieldType type_ = FieldType::kKeyword;  // of the field that was read last
  std::string text_;
};

}  // namespace

Result<Filter> Filter::Parse(std::string_view text, const Fields& fields) {
  if (text.size() > kMaxFilterBytes) {
    return Status(ErrorCode::kTooLarge, "a filter of " + std::to_string(text.size()) +
                                            " bytes, more than " + std::to_string(kMaxFilterBytes));
  }
  Result<Node> root = Parser(text, fields).Parse();
  if (!root.ok()) return root.status();
  return Filter(std::string(text), std::move(*root));
}

}  // namespace vitrine
