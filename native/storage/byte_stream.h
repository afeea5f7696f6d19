#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/byte_order.h"

namespace vitrine {

// Appends what records are made of: little-endian integers, bytes and padding. Growing may throw
// std::bad_alloc.
class ByteWriter {
 public:
  // `out` outlives the writer.
  explicit ByteWriter(std::vector<std::byte>& out) : out_(out) {}

  template <std::unsigned_integral T>
  void Put(T value) {
    out_.resize(out_.size() + sizeof(T));
    StoreLittleEndian(out_.data() + out_.size() - sizeof(T), value);
  }
  void Append(std::span<const std::byte> bytes) {
    out_.insert(out_.end(), bytes.begin(), bytes.end());
  }
  void Append(std::string_view text) { Append(std::as_bytes(std::span(text))); }
  // Zeros up to the next multiple.
  void Pad(size_t multiple) { out_.resize((out_.size() + multiple - 1) / multiple * multiple); }
  size_t size() const { return out_.size(); }

 private:
  std::vector<std::byte>& out_;
};

// Takes a record apart of which every byte may be wrong. What is not there reads as zero or empty,
// and `failed` says so from then on: a reader may look once, at the end.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <std::unsigned_integral T>
  T Get() {
    const std::span<const std::byte> bytes = Take(sizeof(T));
    return bytes.empty() ? T{0} : LoadLittleEndian<T>(bytes.data());
  }
  // The next `count` bytes.
  std::span<const std::byte> Take(uint64_t count) {
    if (failed_ || count > bytes_.size() - at_) {
      failed_ = true;
      return {};
    }
    const std::span<const std::byte> taken = bytes_.subspan(at_, static_cast<size_t>(count));
    at_ += taken.size();
    return taken;
  }
  std::string_view Text(uint64_t count) {
    const std::span<const std::byte> bytes = Take(count);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};  // NOLINT
  }
  // Steps over padding up to the next multiple, which must be zero.
  void SkipPadding(size_t multiple) {
    const std::span<const std::byte> padding = Take((multiple - at_ % multiple) % multiple);
    failed_ = failed_ || std::any_of(padding.begin(), padding.end(),
                                     [](std::byte byte) { return byte != std::byte{}; });
  }

  size_t at() const { return at_; }
  size_t left() const { return bytes_.size() - at_; }
  bool failed() const { return failed_; }
  // Notes what the caller found.
  void Fail() { failed_ = true; }

 private:
  std::span<const std::byte> bytes_;
  size_t at_ = 0;
  bool failed_ = false;
};

}  // namespace vitrine
