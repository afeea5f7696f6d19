#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "engine/field.h"

namespace vitrine {

// A payload of the fields below as a plain structure, and filters as plain functions of it.
struct ModelPayload {
  std::optional<std::string> lang;               // keyword
  std::optional<std::vector<std::string>> tags;  // keyword[]
  std::optional<int64_t> year;                   // integer
  std::optional<double> price;                   // number
  std::optional<bool> done;                      // boolean
  std::optional<int> day;                        // date, days since 2024-01-01, 0 to 27

  std::string Json() const;
};

Fields ModelFields();
ModelPayload RandomPayload(std::mt19937_64& random);

struct ModelFilter {
  std::string text;  // as Filter::Parse takes it
  std::function<bool(const ModelPayload&)> admits;
};
//   depth  how deep it may be nested
ModelFilter RandomFilter(std::mt19937_64& random, int depth);

}  // namespace vitrine
