#include "exposition/output_buffer.h"

#include <charconv>
#include <cmath>
#include <utility>
#if !defined(__cpp_lib_to_chars)
#include <cstdio>
#include <cstdlib>
#endif

namespace vitrine {
namespace {

// Below it whole numbers are exact.
constexpr double kMostWhole = 9007199254740992;  // 2^53
constexpr size_t kLongestNumber = 400;           // the least one without an exponent

// The shortest decimal that reads back as the number, in the form that is asked for; returns its
// end.
#if defined(__cpp_lib_to_chars)
char* WriteShortest(char* begin, double number, std::chars_format form) {
  return std::to_chars(begin, begin + kLongestNumber, number, form).ptr;
}
#else
// Where the library writes no floating point.
char* WriteShortest(char* begin, double number, std::chars_format form) {
  int digits = 0;
  int length = 0;
  do {
    length = std::snprintf(begin, kLongestNumber, "%.*e", digits, number);
  } while (std::strtod(begin, nullptr) != number && ++digits < 17);
  if (form == std::chars_format::fixed) {
    const int exponent = std::atoi(std::strchr(begin, 'e') + 1);
    const int decimals = std::max(0, digits - exponent);
    length = std::snprintf(begin, kLongestNumber, "%.*f", decimals, number);
  }
  std::replace(begin, begin + length, ',', '.');  // of a locale
  return begin + length;
}
#endif

}  // namespace

void OutputBuffer::AddWhole(uint64_t number) {
  char* const begin = Room(kLongestNumber);
  size_ += static_cast<size_t>(std::to_chars(begin, begin + kLongestNumber, number).ptr - begin);
}

void OutputBuffer::AddNumber(double number) {
  if (std::isnan(number)) return Add("NaN");
  if (std::isinf(number)) return Add(number > 0 ? "+Inf" : "-Inf");
  const double size = std::abs(number);
  if (size <= kMostWhole && std::trunc(number) == number) {
    if (number < 0) Add('-');
    return AddWhole(static_cast<uint64_t>(size));
  }
  char* const begin = Room(kLongestNumber);
  const bool is_plain = size >= 1e-6 && size < kMostWhole;
  const auto form = is_plain ? std::chars_format::fixed : std::chars_format::scientific;
  size_ += static_cast<size_t>(WriteShortest(begin, number, form) - begin);
}

void OutputBuffer::AddEdge(double number) {
  const double size = std::abs(number);
  if (std::isinf(number) || number == 0 || (size >= 1e-4 && size < 1e6)) return AddNumber(number);
  char* const begin = Room(kLongestNumber);
  size_ += static_cast<size_t>(WriteShortest(begin, number, std::chars_format::scientific) - begin);
}

void OutputBuffer::Grow(size_t more) {
  const size_t capacity = std::max(size_ + more, std::max<size_t>(1024, capacity_ * 2));
  auto bytes = std::make_unique_for_overwrite<char[]>(capacity);
  if (size_ > 0) std::memcpy(bytes.get(), bytes_.get(), size_);
  bytes_ = std::move(bytes);
  capacity_ = capacity;
}

}  // namespace vitrine
