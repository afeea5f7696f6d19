#include "index/walk.h"

#include "kernels/isa.h"

namespace vitrine {

extern const WalkTable kWalksPortable;
#if VITRINE_X86_64
extern const WalkTable kWalksAvx2;
extern const WalkTable kWalksAvx512;
#endif

const WalkTable& WalksFor(InstructionSet set) {
#if VITRINE_X86_64
  if (set == InstructionSet::kAvx512) return kWalksAvx512;
  if (set == InstructionSet::kAvx2) return kWalksAvx2;
#endif
  (void)set;
  return kWalksPortable;
}

}  // namespace vitrine
