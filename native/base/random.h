#pragma once

#include <cstdint>

namespace vitrine {

// 64 bits that nobody can guess, from the operating system or the processor; on every thread.
uint64_t RandomWord();

}  // namespace vitrine
