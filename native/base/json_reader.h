#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace vitrine {

// Reads JSON (RFC 8259) from front to back, without a tree and without memory of its own:
//
//   JsonReader in(text);
//   in.BeginArray();
//   while (in.NextElement()) sum += in.Number();
//   if (in.failed()) ...   // not JSON, or not what was asked for
//
// The text may be anything. After the first failure every function returns nothing, zero or false,
// so that a reader may look once, at the end. Nothing recurses.
class JsonReader {
 public:
  enum class Kind : uint8_t { kNothing, kNull, kBoolean, kNumber, kString, kArray, kObject };

  // The text outlives the reader.
  explicit JsonReader(std::string_view text) : text_(text) {}

  // What the next value is; kNothing where there is none.
  Kind Peek();

  void Null();
  bool Boolean();
  double Number();  // finite
  // Replaces `out`. What escapes spell as half of a surrogate pair becomes three bytes, as in
  // generalised UTF-8 (WTF-8), so that different texts stay different. Allocates nothing when `out`
  // has room for the rest of the text.
  void String(std::string& out);
  // Steps over a value, looking only for its end.
  void Skip();

  void BeginArray() { Begin('['); }
  void BeginObject() { Begin('{'); }
  // Whether there is another element, which is read or skipped next.
  bool NextElement() { return Next(']'); }
  // The same for a member; `name` as in String.
  bool NextMember(std::string& name);

  bool failed() const { return failed_; }
  // Whether nothing but space is left, and nothing failed.
  bool AtEnd();

 private:
  void SkipSpace();
  bool Take(char expected);
  void Begin(char bracket);
  bool Next(char bracket);
  void Word(std::string_view word);
  void SkipString();
  void Escape(std::string& out);
  uint32_t FourHexDigits();

  std::string_view text_;
  size_t at_ = 0;
  bool first_ = false;  // a container has just begun
  bool failed_ = false;
};

}  // namespace vitrine
