#include "kernels/code_kernels.h"
#include "kernels/code_tables.h"
#include "kernels/isa.h"

namespace vitrine {
namespace {

// The one place that says what is better than what.
constexpr const CodeKernelTable* kTables[] = {
#if defined(VITRINE_X86_64)
    &kAvx512VpopcntdqCodes, &kAvx512VnniCodes, &kAvx512Codes, &kAvx2Codes,
#elif defined(VITRINE_ARM64)
#if defined(VITRINE_HAS_DOTPROD)
    &kNeonDotprodCodes,
#endif
    &kNeonCodes,
#endif
    &kScalarCodes,
};

}  // namespace

std::span<const CodeKernelTable* const> CodeKernelTables() noexcept { return kTables; }

const CodeKernelTable& SelectCodeKernels(InstructionSet set) noexcept {
  return SelectCodeKernelsFrom(kTables, set);
}

const CodeKernelTable& SelectCodeKernelsFrom(std::span<const CodeKernelTable* const> tables,
                                             InstructionSet set) noexcept {
  for (const CodeKernelTable* table : tables) {
    if (table->set == set && table->supported()) return *table;
  }
  return *tables.back();
}

}  // namespace vitrine
