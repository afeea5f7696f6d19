#pragma once

namespace vitrine {

// Lets the calling thread run, and read and write files, only when nobody else wants to, as far as
// the operating system can tell them apart. Nothing happens where it cannot. The thread must hold
// no lock that others need for long: it may not run for a while.
void MakeThreadIdle();

}  // namespace vitrine
