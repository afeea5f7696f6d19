#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.h"
#include "binding/entry.h"
#include "engine/collection.h"

namespace vitrine {

// Points as lib/ takes them: parallel arrays, of which those that nobody asked for are missing, and
// that of payloads where no point has one.
class PointArrays {
 public:
  // `dimension` and `type` are those of the collection.
  PointArrays(napi_env env, Select select, size_t dimension, VectorType type)
      : env_(env), select_(select), elements_(ElementsOf(type, dimension)), type_(type) {}

  // Comes first: makes arrays with room for `count` points, all of them holes.
  Status Create(size_t count);
  //   vector  its bytes, or empty
  Status Set(uint32_t i, const PointRecord& record, std::span<const std::byte> vector);

  napi_value object() const { return object_; }

 private:
  Status SetPayload(uint32_t i, std::span<const std::byte> payload);

  napi_env env_;
  const Select select_;
  const size_t elements_;  // of a vector
  const VectorType type_;
  size_t count_ = 0;
  napi_value object_ = nullptr;
  napi_value keys_ = nullptr;
  napi_value payloads_ = nullptr;
  std::byte* vectors_ = nullptr;
};

// Arguments from `first` on: payload: boolean, vector: boolean
Result<Select> ReadSelect(Call& call, size_t first);

}  // namespace vitrine
