#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "kernels/code_kernels.h"
#include "kernels/kernels.h"

namespace vitrine {

constexpr size_t kMaxDim = 1100;

// Partial sums a row, as kernels.h states them.
inline size_t LanesOf(InstructionSet set) {
  switch (set) {
    case InstructionSet::kScalar:
    case InstructionSet::kNeon:
      return 8;
    case InstructionSet::kAvx2:
      return 16;
    case InstructionSet::kAvx512:
      return 32;
  }
  return 0;
}

// One test for each instruction set that this processor runs; there is always the scalar one.
class KernelsTest : public testing::TestWithParam<const KernelTable*> {
 protected:
  const F32Kernels& f32() const { return GetParam()->f32; }
  size_t lanes() const { return LanesOf(GetParam()->set); }
};

inline std::vector<const KernelTable*> SupportedKernels() {
  std::vector<const KernelTable*> supported;
  for (const KernelTable* table : KernelTables()) {
    if (table->supported()) supported.push_back(table);
  }
  return supported;
}

#define VITRINE_FOR_EACH_INSTRUCTION_SET(Suite)                               \
  INSTANTIATE_TEST_SUITE_P(Isa, Suite, testing::ValuesIn(SupportedKernels()), \
                           [](const auto& info) { return std::string(info.param->name); })

// The same of kernels on codes.
inline std::vector<const CodeKernelTable*> SupportedCodes() {
  std::vector<const CodeKernelTable*> supported;
  for (const CodeKernelTable* table : CodeKernelTables()) {
    if (table->supported()) supported.push_back(table);
  }
  return supported;
}

inline const CodeKernels& ScalarCodes() { return CodeKernelTables().back()->codes; }

inline std::string TestNameOf(const CodeKernelTable& table) {
  std::string name = table.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

#define VITRINE_FOR_EACH_CODE_SET(Suite)                                    \
  INSTANTIATE_TEST_SUITE_P(Isa, Suite, testing::ValuesIn(SupportedCodes()), \
                           [](const auto& info) { return TestNameOf(*info.param); })

// Bits of a result, for comparisons that tell -0 from +0. All NaNs are one value.
inline uint32_t Bits(float value) {
  return std::isnan(value) ? 0x7fc00000u : std::bit_cast<uint32_t>(value);
}

inline std::vector<float> NormalFloats(size_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> floats(count);
  for (float& x : floats) x = normal(generator);
  return floats;
}

// Floats with an unreadable page directly before the first and directly after the last one, so that
// a kernel that reads or writes one byte too many ends in a fault.
class GuardedFloats {
 public:
  explicit GuardedFloats(size_t capacity) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    bytes_ = (capacity * sizeof(float) + page - 1) / page * page;
    mapped_bytes_ = bytes_ + 2 * page;
    void* const mapped =
        mmap(nullptr, mapped_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mapped_ = static_cast<char*>(mapped);
    if (mapped == MAP_FAILED || mprotect(mapped_ + page, bytes_, PROT_READ | PROT_WRITE) != 0) {
      std::perror("guard pages");
      std::abort();
    }
    first_ = mapped_ + page;
  }
  ~GuardedFloats() { munmap(mapped_, mapped_bytes_); }
  GuardedFloats(const GuardedFloats&) = delete;
  GuardedFloats& operator=(const GuardedFloats&) = delete;

  // Floats whose first one lies against the guard page before.
  float* Front() { return reinterpret_cast<float*>(first_); }
  // `count` floats whose last one lies against the guard page behind.
  float* Back(size_t count) {
    return reinterpret_cast<float*>(first_ + bytes_ - count * sizeof(float));
  }

 private:
  char* mapped_;
  char* first_;
  size_t bytes_;
  size_t mapped_bytes_;
};

}  // namespace vitrine
