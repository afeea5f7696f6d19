#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

namespace vitrine {

// Text or bytes that grow at their end. Most of what is rendered are pieces of a few bytes, which
// std::string appends by a call each.
class OutputBuffer {
 public:
  OutputBuffer() = default;
  // May throw std::bad_alloc, as everything that adds.
  explicit OutputBuffer(size_t capacity)
      : bytes_(std::make_unique_for_overwrite<char[]>(capacity)), capacity_(capacity) {}

  // Hands over the bytes, of which there are size(); it is empty afterwards.
  std::unique_ptr<char[]> Release() {
    size_ = capacity_ = 0;
    return std::move(bytes_);
  }

  std::string_view view() const { return {bytes_.get(), size_}; }
  size_t size() const { return size_; }
  void Clear() { size_ = 0; }

  void Add(std::string_view text) {
    char* const to = Room(text.size());
    if (!text.empty()) std::memcpy(to, text.data(), text.size());
    size_ += text.size();
  }
  void Add(char c) {
    *Room(1) = c;
    ++size_;
  }
  // As programs of every language read it: the shortest decimal that is this very number, and
  // whole numbers without a point or an exponent. NaN, +Inf and -Inf as Prometheus has them.
  void AddNumber(double number);
  void AddWhole(uint64_t number);
  // As the label of a bucket: Prometheus tells "0.0001" from "1e-04", and Go, in which it names the
  // buckets that it reads as numbers, writes an exponent below 1e-4 and from 1e6 on.
  void AddEdge(double number);

  // For what is many pieces: where so many bytes may be written, of which Filled says where they
  // end. Nothing else may be added meanwhile.
  char* Room(size_t more) {
    if (capacity_ - size_ < more) Grow(more);
    return bytes_.get() + size_;
  }
  void Filled(const char* end) { size_ = static_cast<size_t>(end - bytes_.get()); }

 private:
  void Grow(size_t more);

  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace vitrine
