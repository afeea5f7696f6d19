// Runs lanes of tests, one after the other, and closes with a count that CI reads.
//
//   node scripts/test.mjs [node] [native] [tidy] [arm64] [asan] [tsan] [fuzz] [servers] [package] [-- arguments]
//
//   node     what needs only Node, a C++20 compiler, make and python3: build, types, lint, vitest
//   native   googletest, clang-format, parity of the two builds; clang-tidy, and kernels for 64-bit ARM under qemu,
//            of what is not committed
//   tidy     clang-tidy over all of the engine and the binding
//   arm64    the binary for 64-bit ARM, native tests and the addon under qemu
//   asan     native tests, and the addon under Node, with AddressSanitizer and UBSan
//   tsan     native tests with ThreadSanitizer
//   fuzz     the fuzzers of test/fuzz, in VITRINE_FUZZ_SECONDS (60) for all
//   servers  other people's servers read what ours say: Prometheus
//   package  what is published, packed and installed as users do; the pages of its API
//
// Arguments that are no lane go to ctest (`-R table`), for fuzz to libFuzzer. Missing tools are
// installed where this is root on Debian; elsewhere their checks are skipped, and the command that
// installs them is printed. VITRINE_REQUIRE_ALL=1 makes a skip a failure.

import process from 'node:process'
import { addressLane } from './testing/address-lane.mjs'
import { arm64Lane } from './testing/arm64-lane.mjs'
import { fuzzLane } from './testing/fuzz-lane.mjs'
import { nativeLane } from './testing/native-lane.mjs'
import { nodeLane } from './testing/node-lane.mjs'
import { packageLane } from './testing/package-lane.mjs'
import { Report } from './testing/report.mjs'
import { serversLane } from './testing/servers-lane.mjs'
import { threadLane } from './testing/thread-lane.mjs'
import { tidyLane } from './testing/tidy-lane.mjs'

const lanes = {
  node: nodeLane,
  native: nativeLane,
  tidy: tidyLane,
  arm64: arm64Lane,
  asan: addressLane,
  tsan: threadLane,
  fuzz: fuzzLane,
  servers: serversLane,
  package: packageLane,
}

const args = process.argv.slice(2)
const names = []
while (args[0] in lanes) names.push(args.shift())
if (args[0] === '--') args.shift()

if (names.length === 0) {
  console.error(`name at least one lane: ${Object.keys(lanes).join(', ')}`)
  process.exitCode = 2
} else {
  const report = new Report({ skipFails: process.env.VITRINE_REQUIRE_ALL === '1' })
  for (const name of names) await report.lane(name, () => lanes[name](report, args))
  process.exitCode = report.close()
}
