#pragma once

#include <cstdint>

// Static probes for tracers of the system, such as bpftrace, perf and SystemTap: where one stands
// the code has a `nop`, and a note that nobody loads says where that is, what it is called and
// where its arguments lie. A tracer that looks puts a breakpoint there. docs/probes.md lists them.
//
//   VITRINE_PROBE(name); VITRINE_PROBE1(name, a); VITRINE_PROBE2(name, a, b);
//
// `name` is a word with `__` for what is read as `-`; arguments are whole numbers, handed over as
// 64 bits wherever the compiler happens to have them. On other systems they are nothing.
//
// The format is that of SystemTap, version 3: an ELF note of type 3 in .note.stapsdt, with the
// addresses of the nop, of .stapsdt.base, which says by how much a linker moved them, and of a
// counter of lookers, which these do not have; then provider, name and arguments
// (https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation).
#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__)) && defined(__GNUC__)

// "?": the note belongs to the group of the function, and goes when the linker drops that.
#define VITRINE_PROBE_ASM(name, arguments)                                \
  "990: nop\n"                                                            \
  ".pushsection .note.stapsdt,\"?\",\"note\"\n"                           \
  ".balign 4\n"                                                           \
  ".4byte 992f-991f, 994f-993f, 3\n"                                      \
  "991: .asciz \"stapsdt\"\n"                                             \
  "992: .balign 4\n"                                                      \
  "993: .8byte 990b\n"                                                    \
  ".8byte _.stapsdt.base\n"                                               \
  ".8byte 0\n"                                                            \
  ".asciz \"vitrine\"\n"                                                  \
  ".asciz \"" #name                                                       \
  "\"\n"                                                                  \
  ".asciz \"" arguments                                                   \
  "\"\n"                                                                  \
  "994: .balign 4\n"                                                      \
  ".popsection\n"                                                         \
  ".ifndef _.stapsdt.base\n"                                              \
  ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n" \
  ".weak _.stapsdt.base\n"                                                \
  ".hidden _.stapsdt.base\n"                                              \
  "_.stapsdt.base: .space 1\n"                                            \
  ".size _.stapsdt.base, 1\n"                                             \
  ".popsection\n"                                                         \
  ".endif\n"

#define VITRINE_PROBE(name) asm volatile(VITRINE_PROBE_ASM(name, ""))
#define VITRINE_PROBE1(name, a) \
  asm volatile(VITRINE_PROBE_ASM(name, "8@%0") : : "nor"(static_cast<uint64_t>(a)))
#define VITRINE_PROBE2(name, a, b)                  \
  asm volatile(VITRINE_PROBE_ASM(name, "8@%0 8@%1") \
               :                                    \
               : "nor"(static_cast<uint64_t>(a)), "nor"(static_cast<uint64_t>(b)))

#else

#define VITRINE_PROBE(name) static_cast<void>(0)
#define VITRINE_PROBE1(name, a) static_cast<void>(a)
#define VITRINE_PROBE2(name, a, b) (static_cast<void>(a), static_cast<void>(b))

#endif
