#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/cpu_features.h"
#include "kernels/isa.h"
#include "kernels/kernels.h"
#include "kernels/tables.h"

namespace vitrine::kernels_dispatch_test {
namespace {

TEST(KernelTables, ListsTheSetsOfThisArchitectureBestFirst) {
  std::vector<std::string> names;
  for (const KernelTable* table : KernelTables()) names.push_back(table->name);
#if defined(VITRINE_X86_64)
  EXPECT_EQ(names, (std::vector<std::string>{"avx512", "avx2", "scalar"}));
#elif defined(VITRINE_ARM64)
  EXPECT_EQ(names, (std::vector<std::string>{"neon", "scalar"}));
#else
  EXPECT_EQ(names, (std::vector<std::string>{"scalar"}));
#endif
}

TEST(KernelTables, GivesEverySetAllKernels) {
  std::set<InstructionSet> sets;
  for (const KernelTable* table : KernelTables()) {
    EXPECT_TRUE(sets.insert(table->set).second) << table->name;
    const F32Kernels& f32 = table->f32;
    EXPECT_TRUE(f32.l2 && f32.l2_rows && f32.l2_block) << table->name;
    EXPECT_TRUE(f32.dot && f32.dot_rows && f32.dot_block) << table->name;
    EXPECT_TRUE(f32.cosine && f32.cosine_rows && f32.cosine_block) << table->name;
  }
}

TEST(SelectKernels, TakesTheBestSupportedSet) {
  const KernelTable* const selected = SelectKernels("");
  ASSERT_NE(selected, nullptr);
  for (const KernelTable* table : KernelTables()) {
    if (table->supported()) {
      EXPECT_EQ(selected, table);
      break;
    }
  }
}

TEST(SelectKernels, ObeysANameOnlyWhereTheProcessorSupportsIt) {
  for (const KernelTable* table : KernelTables()) {
    EXPECT_EQ(SelectKernels(table->name), table->supported() ? table : nullptr) << table->name;
  }
  ASSERT_NE(SelectKernels("scalar"), nullptr);
  EXPECT_EQ(SelectKernels("scalar")->set, InstructionSet::kScalar);
}

// Processors that this machine is not.
TEST(SelectKernels, NeverTakesWhatTheProcessorLacks) {
  const auto yes = []() noexcept { return true; };
  const auto no = []() noexcept { return false; };
  const KernelTable best{InstructionSet::kAvx512, "best", no, {}};
  const KernelTable good{InstructionSet::kAvx2, "good", yes, {}};
  const KernelTable plain{InstructionSet::kScalar, "plain", yes, {}};
  const KernelTable* const tables[] = {&best, &good, &plain};
  EXPECT_EQ(SelectKernelsFrom(tables, ""), &good);
  EXPECT_EQ(SelectKernelsFrom(tables, "best"), nullptr);
  EXPECT_EQ(SelectKernelsFrom(tables, "good"), &good);
  EXPECT_EQ(SelectKernelsFrom(tables, "plain"), &plain);
}

TEST(SelectKernels, ReadsNoFurtherThanTheName) {
  EXPECT_EQ(SelectKernels(std::string_view("scalarly", 6)), SelectKernels("scalar"));
}

TEST(SelectKernels, RefusesUnknownNames) {
  for (const std::string_view name : {"SCALAR", "scalar ", " scalar", "scala", "sse2", "avx",
                                      "avx5122", "auto", "best", "0", "nullptr"}) {
    EXPECT_EQ(SelectKernels(name), nullptr) << name;
  }
  EXPECT_EQ(SelectKernels(std::string_view("\0", 1)), nullptr);
#if !defined(VITRINE_ARM64)
  EXPECT_EQ(SelectKernels("neon"), nullptr);
#endif
#if !defined(VITRINE_X86_64)
  EXPECT_EQ(SelectKernels("avx2"), nullptr);
  EXPECT_EQ(SelectKernels("avx512"), nullptr);
#endif
}

#if defined(VITRINE_X86_64) && defined(__GNUC__)
// An independent opinion: the compiler's own runtime. It cannot be asked for f16c and lzcnt
// everywhere, but no processor has AVX2 without them.
TEST(CpuFeatures, AgreeWithTheCompilersRuntime) {
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
                    __builtin_cpu_supports("bmi") != 0 && __builtin_cpu_supports("bmi2") != 0 &&
                    __builtin_cpu_supports("popcnt") != 0;
  const bool avx512 =
      __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
      __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512dq") != 0;
  EXPECT_EQ(Avx2Supported(), avx2);
  EXPECT_EQ(Avx512Supported(), avx2 && avx512);
}
#endif

}  // namespace
}  // namespace vitrine::kernels_dispatch_test
