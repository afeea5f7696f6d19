#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>

#include "exposition/output_buffer.h"

namespace vitrine {

// Writes JSON without spaces, and knows where commas belong.
class JsonWriter {
 public:
  explicit JsonWriter(OutputBuffer& out) : out_(out) {}

  void Open(char bracket) {  // { or [
    Separate();
    out_.Add(bracket);
    first_ = true;
  }
  void Close(char bracket) {
    out_.Add(bracket);
    first_ = false;
  }
  void Key(std::string_view name) {
    Text(name);
    out_.Add(':');
    first_ = true;
  }
  void Text(std::string_view text) {
    Separate();
    out_.Add('"');
    AddEscaped(text);
    out_.Add('"');
  }
  void Number(double number) {
    Separate();
    if (std::isfinite(number)) {
      out_.AddNumber(number);
    } else {
      out_.Add("null");
    }
  }
  // An integer of 64 bits, which JSON of protobuf has as text.
  void WholeText(uint64_t number) {
    Separate();
    out_.Add('"');
    out_.AddWhole(number);
    out_.Add('"');
  }
  void Truth() {
    Separate();
    out_.Add("true");
  }

 private:
  void Separate() {
    if (!first_) out_.Add(',');
    first_ = false;
  }
  void AddEscaped(std::string_view text) {
    static constexpr char kHex[] = "0123456789abcdef";
    size_t plain = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      const auto c = static_cast<unsigned char>(text[i]);
      if (c >= 0x20 && c != '"' && c != '\\') continue;
      out_.Add(text.substr(plain, i - plain));
      plain = i + 1;
      out_.Add('\\');
      if (c >= 0x20) {
        out_.Add(static_cast<char>(c));
        continue;
      }
      out_.Add("u00");
      out_.Add(kHex[c >> 4]);
      out_.Add(kHex[c & 15]);
    }
    out_.Add(text.substr(plain));
  }

  OutputBuffer& out_;
  bool first_ = true;
};

}  // namespace vitrine
