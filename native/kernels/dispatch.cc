#include "kernels/isa.h"
#include "kernels/kernels.h"
#include "kernels/tables.h"

namespace vitrine {
namespace {

// The one place that says what is better than what.
constexpr const KernelTable* kTables[] = {
#if defined(VITRINE_X86_64)
    &kAvx512Kernels,
    &kAvx2Kernels,
#elif defined(VITRINE_ARM64)
    &kNeonKernels,
#endif
    &kScalarKernels,
};

}  // namespace

std::span<const KernelTable* const> KernelTables() noexcept { return kTables; }

const KernelTable* SelectKernels(std::string_view forced) noexcept {
  return SelectKernelsFrom(kTables, forced);
}

const KernelTable* SelectKernelsFrom(std::span<const KernelTable* const> tables,
                                     std::string_view forced) noexcept {
  for (const KernelTable* table : tables) {
    if ((forced.empty() || forced == table->name) && table->supported()) return table;
  }
  return nullptr;
}

}  // namespace vitrine
