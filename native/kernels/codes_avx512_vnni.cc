#include "kernels/isa.h"

#if defined(VITRINE_X86_64)

#include <cfloat>
#include <cstring>
#include <utility>

#include "base/prefetch.h"
#include "kernels/code_tables.h"
#include "kernels/cpu_features.h"
#include "kernels/intrinsics.h"

VITRINE_TARGET_BEGIN_AVX512_VNNI

#include "kernels/codes_impl.h"

namespace vitrine {
namespace {

#include "kernels/codes_avx512_impl.h"
#include "kernels/codes_avx512_vnni_impl.h"

}  // namespace
}  // namespace vitrine

VITRINE_TARGET_END

namespace vitrine {

constinit const CodeKernelTable kAvx512VnniCodes = {
    .set = InstructionSet::kAvx512,
    .name = "avx512-vnni",
    .supported = Avx512VnniSupported,
    .codes = CodeForms<Avx512VnniCodes>::kTable,
};

}  // namespace vitrine

#endif  // VITRINE_X86_64
