import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import process from 'node:process'
import { build } from './cmake.mjs'
import { installMissing, stepWith } from './packages.mjs'
import { holds, jobs, root } from './run.mjs'

const folder = 'build-cmake-fuzz'
const packages = ['cmake', 'ninja-build', 'clang-16', 'libclang-rt-16-dev']
/** How long all fuzzers take together, beside the build. */
const seconds = Number(process.env.VITRINE_FUZZ_SECONDS ?? 60)

/**
 * Lane `fuzz`: every fuzzer for a while, from the seeds in test/fuzz/corpus/<name> and from what
 * earlier runs found. They share the time, and run side by side.
 */
export async function fuzzLane(report, args) {
  await installMissing(packages)
  const built = await stepWith(report, packages, 'build', () =>
    build(folder, [
      'CMAKE_BUILD_TYPE=Debug',
      'CMAKE_CXX_COMPILER=clang++-16',
      'VITRINE_SANITIZE=address,undefined',
      'VITRINE_FUZZ=ON',
      'VITRINE_ADDON=OFF',
      'VITRINE_TESTS=OFF',
    ]),
  )
  if (!built) return
  const sources = readdirSync(join(root, 'test', 'fuzz')).filter(name => name.endsWith('_fuzz.cc'))
  const names = sources.map(source => basename(source, '.cc')).sort()
  const secondsEach = Math.max(1, Math.floor(seconds / Math.ceil(names.length / jobs)))
  const work = async () => {
    for (let name = names.shift(); name; name = names.shift()) {
      const fuzzer = name
      await report.step(fuzzer, () => fuzz(fuzzer, secondsEach, args))
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
}

function fuzz(name, secondsEach, args) {
  const found = join(root, folder, 'corpus', name)
  const seeds = join(root, 'test', 'fuzz', 'corpus', name)
  mkdirSync(found, { recursive: true })
  return holds([
    join(root, folder, name),
    `-max_total_time=${secondsEach}`,
    // An input that takes longer is a failure: nothing here is meant to take long.
    '-timeout=10',
    `-artifact_prefix=${join(root, folder)}/${name}-`,
    '-print_final_stats=1',
    '-verbosity=0',
    ...args,
    found,
    ...(existsSync(seeds) ? [seeds] : []),
  ])
}
