#pragma once

#include <cstdint>

namespace vitrine {

// Nanoseconds that the calling thread has run on a processor since it began. A system call: some
// hundred nanoseconds.
uint64_t ThreadCpuNanoseconds();

}  // namespace vitrine
