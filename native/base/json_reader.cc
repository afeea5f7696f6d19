#include "base/json_reader.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <version>

namespace vitrine {
namespace {

constexpr uint32_t kHighSurrogate = 0xd800;
constexpr uint32_t kLowSurrogate = 0xdc00;

bool IsSurrogate(uint32_t unit, uint32_t first) { return unit >= first && unit < first + 0x400; }

void AppendUtf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
    return;
  }
  if (code < 0x800) {
    out.push_back(static_cast<char>(0xc0 | code >> 6));
  } else {
    if (code < 0x10000) {
      out.push_back(static_cast<char>(0xe0 | code >> 12));
    } else {
      out.push_back(static_cast<char>(0xf0 | code >> 18));
      out.push_back(static_cast<char>(0x80 | (code >> 12 & 0x3f)));
    }
    out.push_back(static_cast<char>(0x80 | (code >> 6 & 0x3f)));
  }
  out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
}

bool IsOfNumber(char c) {
  return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

// Whether all of `text` is a number; it begins with a digit or a minus.
bool ParseNumber(std::string_view text, double& number) {
#if defined(__cpp_lib_to_chars)
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
#else
  // Where the library reads no floating point: a copy with a zero at its end.
  const std::string copy(text);
  char* end = nullptr;
  number = std::strtod(copy.c_str(), &end);
  return end == copy.c_str() + copy.size();
#endif
}

}  // namespace

void JsonReader::SkipSpace() {
  while (at_ < text_.size() &&
         (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r')) {
    ++at_;
  }
}

bool JsonReader::Take(char expected) {
  SkipSpace();
  if (failed_ || at_ == text_.size() || text_[at_] != expected) return false;
  ++at_;
  return true;
}

bool JsonReader::AtEnd() {
  SkipSpace();
  return !failed_ && at_ == text_.size();
}

JsonReader::Kind JsonReader::Peek() {
  SkipSpace();
  if (failed_ || at_ == text_.size()) return Kind::kNothing;
  switch (text_[at_]) {
    case 'n':
      return Kind::kNull;
    case 't':
    case 'f':
      return Kind::kBoolean;
    case '"':
      return Kind::kString;
    case '[':
      return Kind::kArray;
    case '{':
      return Kind::kObject;
    default:
      return text_[at_] == '-' || (text_[at_] >= '0' && text_[at_] <= '9') ? Kind::kNumber
                                                                           : Kind::kNothing;
  }
}

void JsonReader::Word(std::string_view word) {
  first_ = false;
  SkipSpace();
  if (failed_ || !text_.substr(at_).starts_with(word)) {
    failed_ = true;
    return;
  }
  at_ += word.size();
}

void JsonReader::Null() { Word("null"); }

bool JsonReader::Boolean() {
  SkipSpace();
  const bool truth = at_ < text_.size() && text_[at_] == 't';
  Word(truth ? "true" : "false");
  return truth && !failed_;
}

double JsonReader::Number() {
  first_ = false;
  failed_ = failed_ || Peek() != Kind::kNumber;
  if (failed_) return 0;
  const size_t begin = at_;
  while (at_ < text_.size() && IsOfNumber(text_[at_])) ++at_;
  double number = 0;
  failed_ = !ParseNumber(text_.substr(begin, at_ - begin), number) || !std::isfinite(number);
  return failed_ ? 0 : number;
}

uint32_t JsonReader::FourHexDigits() {
  uint32_t unit = 0;
  const std::string_view digits = text_.substr(at_, 4);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), unit, 16);
  failed_ = failed_ || error != std::errc() || end != digits.data() + 4;
  at_ += digits.size();
  return unit;
}

// What follows a backslash.
void JsonReader::Escape(std::string& out) {
  constexpr std::string_view kNames = "\"\\/bfnrt";
  constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
  if (at_ == text_.size()) {
    failed_ = true;
    return;
  }
  const char name = text_[at_++];
  if (name == 'u') {
    uint32_t code = FourHexDigits();
    if (IsSurrogate(code, kHighSurrogate) && text_.substr(at_).starts_with("\\u")) {
      const size_t before = at_;
      at_ += 2;
      const uint32_t low = FourHexDigits();
      if (IsSurrogate(low, kLowSurrogate)) {
        code = 0x10000 + ((code - kHighSurrogate) << 10) + (low - kLowSurrogate);
      } else {
        at_ = before;  // a unit of its own
      }
    }
    if (!failed_) AppendUtf8(out, code);
    return;
  }
  const size_t found = kNames.find(name);
  if (found == std::string_view::npos) {
    failed_ = true;
    return;
  }
  out.push_back(kMeanings[found]);
}

void JsonReader::String(std::string& out) {
  first_ = false;
  out.clear();
  failed_ = failed_ || !Take('"');
  while (!failed_) {
    const size_t end = text_.find_first_of("\"\\", at_);
    if (end == std::string_view::npos) {
      failed_ = true;
      return;
    }
    out.append(text_, at_, end - at_);
    at_ = end + 1;
    if (text_[end] == '"') return;
    Escape(out);
  }
}

void JsonReader::SkipString() {
  failed_ = failed_ || !Take('"');
  while (!failed_) {
    const size_t end = text_.find_first_of("\"\\", at_);
    if (end == std::string_view::npos || end + 1 == text_.size()) {
      failed_ = end == std::string_view::npos || text_[end] == '\\';
      at_ = text_.size();
      return;
    }
    at_ = end + 1;
    if (text_[end] == '"') return;
    ++at_;  // what is escaped is no quote
  }
}

void JsonReader::Skip() {
  switch (Peek()) {
    case Kind::kNothing:
      failed_ = true;
      return;
    case Kind::kNull:
      return Null();
    case Kind::kBoolean:
      (void)Boolean();
      return;
    case Kind::kNumber:
      (void)Number();
      return;
    case Kind::kString:
      first_ = false;
      return SkipString();
    case Kind::kArray:
    case Kind::kObject:
      break;
  }
  first_ = false;
  size_t depth = 0;
  do {
    at_ = text_.find_first_of("\"[]{}", at_);
    if (at_ == std::string_view::npos) {
      at_ = text_.size();
      failed_ = true;
      return;
    }
    const char c = text_[at_];
    if (c == '"') {
      SkipString();
      if (failed_) return;
      continue;
    }
    ++at_;
    depth += c == '[' || c == '{' ? 1 : size_t(-1);
  } while (depth > 0);
}

void JsonReader::Begin(char bracket) {
  failed_ = failed_ || !Take(bracket);
  first_ = true;
}

bool JsonReader::Next(char bracket) {
  if (failed_) return false;
  const bool first = first_;
  first_ = false;
  if (Take(bracket)) return false;
  failed_ = !first && !Take(',');
  return !failed_;
}

bool JsonReader::NextMember(std::string& name) {
  if (!Next('}')) return false;
  String(name);
  failed_ = failed_ || !Take(':');
  return !failed_;
}

}  // namespace vitrine
