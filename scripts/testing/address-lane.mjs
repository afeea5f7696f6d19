import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import process from 'node:process'
import { build, cmakePackages, ctest } from './cmake.mjs'
import { allBut, gtest } from './gtest.mjs'
import { installMissing, stepWith } from './packages.mjs'
import { holds, root } from './run.mjs'
import { vitest } from './vitest.mjs'

const folder = 'build-cmake-asan'
// A small quarantine of freed blocks: by default a process takes a quarter of a gigabyte of new pages before
// it uses any again, which takes a fifth of the time, and more than what tests say of memory allows.
const quarantine = 'quarantine_size_mb=16'
const left = [
  // Judge how near an estimate comes and what is found, by computing much. The same code runs over the same
  // memory in tests of codes, types and dimensions.
  ...['CodeErrors', 'TableHardData', 'TableRecall'],
  // The same code over the same memory as under another metric.
  ...['MappedCollection.*/cosine', 'UnsettledDatabase.*/cosine'],
]
// Of who asked for a block eight calls tell enough; walking up thirty for every block, Node's among them,
// takes a tenth of the time.
const addressOptions = `${quarantine}:malloc_context_size=8`
const sanitizerOptions = { ASAN_OPTIONS: addressOptions, UBSAN_OPTIONS: 'print_stacktrace=1' }

/** Lane `asan`: native tests and the addon under Node with AddressSanitizer and UBSan. */
export async function addressLane(report, args) {
  await installMissing(cmakePackages)
  const built = await stepWith(report, cmakePackages, 'build', () =>
    build(folder, ['CMAKE_BUILD_TYPE=Debug', 'VITRINE_SANITIZE=address,undefined']),
  )
  if (!built) return
  await report.step('native tests', () =>
    args.length > 0
      ? ctest(folder, { args, env: sanitizerOptions })
      : gtest(folder, { filter: allBut(left), env: sanitizerOptions }),
  )
  // Arguments pick native tests: the addon is then not what is asked about.
  if (args.length > 0) return

  // Workers of the tests run compiled modules.
  const script = join(root, 'scripts', 'build-lib.mjs')
  if (!(await report.step('build library', () => holds([process.execPath, script])))) return
  await report.step('addon under Node', () => vitest(['engine'], { env: addonEnvironment() }))
}

/** Node itself is not instrumented: the runtime must be loaded first, and Node's own leaks ignored. */
function addonEnvironment() {
  const runtime = name =>
    execFileSync('c++', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim()
  return {
    ...sanitizerOptions,
    // libstdc++ too: the runtime looks for the real __cxa_throw when it starts, and Node's own copy
    // is not loaded by then.
    LD_PRELOAD: `${runtime('libasan.so')} ${runtime('libstdc++.so')}`,
    ASAN_OPTIONS: `detect_leaks=0:${addressOptions}`,
    VITRINE_PREBUILD: join(root, folder),
    VITRINE_SANITIZER: 'address',
  }
}
