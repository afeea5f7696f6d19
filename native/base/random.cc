#include "base/random.h"

#include <random>

namespace vitrine {

uint64_t RandomWord() {
  // Kept, since a new device asks the processor what it has, which takes a virtual machine a tenth
  // of a millisecond: half the time of opening a small database.
  thread_local std::random_device device;
  return uint64_t{device()} << 32 | device();
}

}  // namespace vitrine
