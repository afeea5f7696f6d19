#pragma once

namespace vitrine {

// Lets the calling thread run, and read and write files, only when nobody else wants to, as far as
// the operating system can tell them apart. Nothing happens where it cannot. The thread must hold
// no lock that others need for long: it may not run for a while.
void MakeThreadIdle();

// Lets the calling thread, and those that it starts, wait for their turn when there is work for
// them, instead of interrupting whoever runs, and have half of the share of the time that others
// have who want the same processor. Nothing happens where the operating system knows no such thing:
// it is for Linux.
void MakeThreadPatient();

}  // namespace vitrine
