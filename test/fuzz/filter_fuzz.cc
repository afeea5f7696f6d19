// Reads filters and payloads that an enemy might write. The first line of an input is a filter, the
// rest a payload.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/filter.h"
#include "engine/payload_fields.h"

namespace vitrine {
namespace {

void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

// A field of each type, with a name of one letter, which mutations find.
Fields OneOfEach() {
  Fields fields;
  for (size_t i = 0; i < std::size(kFieldTypeNames); ++i) {
    fields.push_back({std::string(1, static_cast<char>('a' + i)), static_cast<FieldType>(i)});
  }
  return fields;
}

// Holds values to their types, and writes them down.
class Recorder final : public PayloadFields::Sink {
 public:
  void Present(const Field& field) override { lines.push_back("present " + field.name); }
  void Text(const Field& field, std::string_view text) override {
    Require(field.type == FieldType::kKeyword || field.type == FieldType::kKeywords ||
                (field.type == FieldType::kBoolean && (text == "true" || text == "false")),
            "a text is of a keyword or boolean");
    lines.push_back("text " + field.name + " " + std::string(text));
  }
  void Number(const Field& field, double number) override {
    Require(std::isfinite(number) && !(number == 0 && std::signbit(number)),
            "a number is ordinary");
    Require(field.type == FieldType::kNumber || std::trunc(number) == number,
            "integers and dates are whole");
    Require(field.type != FieldType::kDate || std::fabs(number) <= 8.64e15,
            "a date is one of Date");
    lines.push_back("number " + field.name + " " + std::to_string(number));
  }
  void Wrong(const Field& field, std::string_view found) override {
    Require(!found.empty(), "there is something wrong");
    lines.push_back("wrong " + field.name);
    any_wrong = true;
  }

  std::vector<std::string> lines;
  bool any_wrong = false;
};

void ReadFilter(std::string_view text) {
  const Result<Filter> filter = Filter::Parse(text, OneOfEach());
  if (!filter.ok()) {
    Require(filter.status().code() == ErrorCode::kFilter ||
                filter.status().code() == ErrorCode::kTooLarge,
            "a filter that is refused is so for itself");
    return;
  }
  Require(filter->text() == text, "a filter keeps its text");
  const Result<Filter> without = Filter::Parse(text, {});
  Require(without.ok() || without.status().code() == ErrorCode::kFilter,
          "fields are asked for by name");
}

void ReadPayload(std::string_view text) {
  const Fields fields = OneOfEach();
  const PointRecord::Payload payload = std::as_bytes(std::span(text));
  PayloadFields reader;
  Recorder first;
  Recorder second;
  const bool whole = reader.Read(fields, payload, first);
  Require(reader.Read(fields, payload, second) == whole && first.lines == second.lines,
          "what is removed is what was added");
  const Status status = reader.Check(fields, payload, PointKey::Number(1));
  Require(status.ok() == (whole && !first.any_wrong), "what is wrong is refused");
}

}  // namespace
}  // namespace vitrine

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\n'), input.size());
  vitrine::ReadFilter(input.substr(0, end));
  vitrine::ReadPayload(input.substr(std::min(end + 1, input.size())));
  return 0;
}
