#include "kernels/isa.h"

#if defined(VITRINE_X86_64)

#include <cfloat>
#include <cstring>
#include <utility>

#include "base/prefetch.h"
#include "kernels/code_tables.h"
#include "kernels/cpu_features.h"
#include "kernels/intrinsics.h"

VITRINE_TARGET_BEGIN_AVX512_VPOPCNTDQ

#include "kernels/codes_impl.h"

namespace vitrine {
namespace {

#include "kernels/codes_avx512_impl.h"
#include "kernels/codes_avx512_vnni_impl.h"

struct Avx512VpopcntdqCodes : Avx512VnniCodes {
  static VITRINE_ALWAYS_INLINE Sum32 AddBits(Sum32 sum, Bytes x) {
    return Add(sum, _mm512_popcnt_epi32(x));
  }
};

}  // namespace
}  // namespace vitrine

VITRINE_TARGET_END

namespace vitrine {

constinit const CodeKernelTable kAvx512VpopcntdqCodes = {
    .set = InstructionSet::kAvx512,
    .name = "avx512-vpopcntdq",
    .supported = Avx512VpopcntdqSupported,
    .codes = CodeForms<Avx512VpopcntdqCodes>::kTable,
};

}  // namespace vitrine

#endif  // VITRINE_X86_64
