#include "engine/payload_fields.h"

#include <cmath>

#include "base/iso_date.h"
#include "base/json_reader.h"

namespace vitrine {
namespace {

using Kind = JsonReader::Kind;

constexpr double kMaxInteger = 9007199254740991;  // 2^53 - 1
constexpr std::string_view kDateMember = "$date";

std::string_view NameOf(Kind kind) {
  switch (kind) {
    case Kind::kNothing:
      return "nothing";
    case Kind::kNull:
      return "null";
    case Kind::kBoolean:
      return "a boolean";
    case Kind::kNumber:
      return "a number";
    case Kind::kString:
      return "a string";
    case Kind::kArray:
      return "an array";
    case Kind::kObject:
      return "an object";
  }
  return "";
}

// Reads the value of one field after the other.
class ValueReader {
 public:
  ValueReader(JsonReader& in, std::string& name, std::string& text, PayloadFields::Sink& sink)
      : in_(in), name_(name), text_(text), sink_(sink) {}

  void Read(const Field& field) {
    if (in_.Peek() == Kind::kNull) return in_.Null();
    switch (field.type) {
      case FieldType::kKeyword:
        return ReadKeyword(field);
      case FieldType::kKeywords:
        return ReadKeywords(field);
      case FieldType::kInteger:
      case FieldType::kNumber:
        return ReadNumber(field);
      case FieldType::kBoolean:
        return ReadBoolean(field);
      case FieldType::kDate:
        return ReadDate(field);
    }
  }

 private:
  bool Is(const Field& field, Kind kind) {
    const Kind found = in_.Peek();
    if (found == kind) return true;
    in_.Skip();
    sink_.Wrong(field, NameOf(found));
    return false;
  }

  void ReadKeyword(const Field& field) {
    if (!Is(field, Kind::kString)) return;
    in_.String(text_);
    if (in_.failed()) return;
    sink_.Present(field);
    sink_.Text(field, text_);
  }

  void ReadKeywords(const Field& field) {
    if (!Is(field, Kind::kArray)) return;
    bool wrong = false;
    in_.BeginArray();
    while (in_.NextElement()) {
      const Kind kind = in_.Peek();
      if (kind != Kind::kString) {
        in_.Skip();
        if (!wrong) sink_.Wrong(field, "an array with something else");
        wrong = true;
        continue;
      }
      in_.String(text_);
      if (!in_.failed()) sink_.Text(field, text_);
    }
    if (!wrong && !in_.failed()) sink_.Present(field);
  }

  void ReadNumber(const Field& field) {
    if (!Is(field, Kind::kNumber)) return;
    const double number = in_.Number();
    if (in_.failed()) return;
    if (field.type == FieldType::kInteger &&
        (std::trunc(number) != number || std::fabs(number) > kMaxInteger)) {
      return sink_.Wrong(field, "another number");
    }
    sink_.Present(field);
    sink_.Number(field, number + 0.0);  // of -0 it makes 0
  }

  void ReadBoolean(const Field& field) {
    if (!Is(field, Kind::kBoolean)) return;
    const bool truth = in_.Boolean();
    if (in_.failed()) return;
    sink_.Present(field);
    sink_.Text(field, truth ? "true" : "false");
  }

  void ReadDate(const Field& field) {
    std::string_view found = "text that is no date";
    if (in_.Peek() == Kind::kObject) {
      found = "an object";
      size_t members = 0;
      bool has_text = false;
      in_.BeginObject();
      while (in_.NextMember(name_)) {
        ++members;
        has_text = name_ == kDateMember && in_.Peek() == Kind::kString;
        if (has_text) {
          in_.String(text_);
        } else {
          in_.Skip();
        }
      }
      if (members != 1 || !has_text) return sink_.Wrong(field, found);
    } else {
      if (!Is(field, Kind::kString)) return;
      in_.String(text_);
    }
    if (in_.failed()) return;
    const std::optional<int64_t> ms = ParseIsoDate(text_);
    if (!ms) return sink_.Wrong(field, found);
    sink_.Present(field);
    sink_.Number(field, static_cast<double>(*ms));
  }

  JsonReader& in_;
  std::string& name_;
  std::string& text_;
  PayloadFields::Sink& sink_;
};

// Remembers the first thing that is wrong.
class Checker final : public PayloadFields::Sink {
 public:
  void Present(const Field&) override {}
  void Text(const Field&, std::string_view) override {}
  void Number(const Field&, double) override {}
  void Wrong(const Field& field, std::string_view found) override {
    if (field_ != nullptr) return;
    field_ = &field;
    found_ = found;
  }

  const Field* field() const { return field_; }
  std::string_view found() const { return found_; }

 private:
  const Field* field_ = nullptr;
  std::string_view found_;
};

}  // namespace

bool PayloadFields::Read(const Fields& fields, const PointRecord::Payload& payload, Sink& sink) {
  if (fields.empty() || !payload) return true;
  const std::string_view json(reinterpret_cast<const char*>(payload->data()),  // NOLINT
                              payload->size());
  name_.reserve(json.size());
  text_.reserve(json.size());
  JsonReader in(json);
  ValueReader values(in, name_, text_, sink);
  in.BeginObject();
  while (in.NextMember(name_)) {
    const Field* const field = FindField(fields, name_);
    if (field != nullptr) {
      values.Read(*field);
    } else {
      in.Skip();
    }
  }
  return in.AtEnd();
}

Status PayloadFields::Check(const Fields& fields, const PointRecord::Payload& payload,
                            const PointKey& of) {
  Checker checker;
  if (!Read(fields, payload, checker)) {
    return {ErrorCode::kPayload, "the payload of " + vitrine::NameOf(of) + " is no JSON object"};
  }
  if (checker.field() == nullptr) return {};
  const Field& field = *checker.field();
  Status status(ErrorCode::kPayload,
                "field '" + field.name + "' of " + vitrine::NameOf(of) + " has " +
                    std::string(checker.found()) + ", but is declared as " +
                    std::string(kFieldTypeNames[static_cast<size_t>(field.type)]) +
                    ", which takes " + std::string(ValuesOf(field.type)));
  status.AddDetail("field", field.name);
  return status;
}

}  // namespace vitrine
