#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "engine/field.h"
#include "engine/number_column.h"

namespace vitrine {

inline constexpr size_t kMaxFilterBytes = size_t{1} << 20;
inline constexpr size_t kMaxFilterDepth = 32;

// Which points are wanted, by what their fields hold.
//
// As text it is JSON, which lib/where.ts writes:
//
//   ["and", filter ...], ["or", filter ...], ["not", filter]
//   ["exists", field]
//   ["in", field, value ...]                            has one of the values
//   ["range", field, low, lowIsIn, high, highIsIn]      low and high may be null: no bound
//
// Values are texts for keywords, true or false, numbers, and for dates ISO texts.
class Filter {
 public:
  enum class Kind : uint8_t { kAnd, kOr, kNot, kExists, kIn, kRange };

  struct Node {
    Kind kind = Kind::kAnd;
    std::vector<Node> parts;           // of kAnd, kOr and kNot, which has one
    std::string field;                 // of the others
    std::vector<std::string> texts;    // of kIn, for keywords and booleans
    std::vector<NumberRange> numbers;  // of kIn, for numbers and dates; of kRange, one
  };

  // kFilter for what makes no sense, a field that is not declared, or values of another type;
  // kTooLarge.
  static Result<Filter> Parse(std::string_view text, const Fields& fields);

  const Node& root() const { return root_; }
  // As it was given: what two filters have in common that are the same.
  const std::string& text() const { return text_; }

 private:
  Filter(std::string text, Node root) : text_(std::move(text)), root_(std::move(root)) {}

  std::string text_;
  Node root_;
};

}  // namespace vitrine
