import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { jobs, root, run, which } from './run.mjs'

/** What building and running native tests needs. */
export const cmakePackages = ['cmake', 'ninja-build', 'libgtest-dev']

/**
 * The files of native tests that need not be compiled, as VITRINE_TESTS_LEFT takes them.
 * @param {(name: string, text: string) => boolean} isLeft - `name` is without `_test.cc`.
 */
export function testFiles(isLeft) {
  const folder = join(root, 'test', 'native')
  const files = readdirSync(folder).filter(file => file.endsWith('_test.cc'))
  const names = files.map(file => file.slice(0, -'_test.cc'.length))
  const textOf = name => readFileSync(join(folder, `${name}_test.cc`), 'utf8')
  return names.filter(name => isLeft(name, textOf(name))).join(';')
}

/**
 * Configures; the output shows only on failure.
 * @param {string} folder - Build folder inside the repository: `build-cmake…`.
 * @param {string[]} definitions - `NAME=value` of cmake.
 * @returns {Promise<boolean>} Whether it succeeded.
 */
export async function configure(folder, definitions) {
  const cached = which('ccache') ? ['CMAKE_CXX_COMPILER_LAUNCHER=ccache'] : []
  const all = [...definitions, ...cached].map(definition => `-D${definition}`)
  const command = ['cmake', '-S', '.', '-B', folder, '-G', 'Ninja', ...all]
  return (await run(command, { quiet: true })).ok
}

/**
 * Configures and builds, most sources several at a time unless `definitions` say otherwise.
 * @param {string[]} [targets] - What to build, everything if empty.
 * @returns {Promise<boolean>} Whether both succeeded.
 */
export async function build(folder, definitions, targets = []) {
  if (!(await configure(folder, ['VITRINE_JOINED=ON', ...definitions]))) return false
  const command = ['cmake', '--build', folder, '--parallel', `${jobs}`]
  const wanted = targets.length > 0 ? ['--target', ...targets] : []
  return (await run([...command, ...wanted], { quiet: true })).ok
}

/**
 * Runs the native tests of a build folder; shows failures only.
 * @param {string} folder - As built before.
 * @param {{ args?: string[], env?: Record<string, string>, wrapper?: string[] }} [options] -
 *   `args` go to ctest; `wrapper` is a command line that starts ctest.
 * @returns {Promise<{ passed: number, failed: number, skipped: number }>} Counts of tests.
 */
export async function ctest(folder, { args = [], env, wrapper = [] } = {}) {
  const results = join(root, folder, 'ctest.xml')
  rmSync(results, { force: true })
  const { ok, output } = await run(
    [
      ...wrapper,
      'ctest',
      ...['--test-dir', folder, '--output-on-failure', '--no-tests=error'],
      ...['--parallel', `${jobs}`, '--output-junit', results, ...args],
    ],
    { env, quiet: true },
  )
  if (ok) console.log(output.trimEnd().split('\n').slice(-3).join('\n'))
  const counts = countTests(results)
  if (!ok && counts.failed === 0) counts.failed = 1
  return counts
}

function countTests(file) {
  const attributes = {}
  try {
    const [, suite] = readFileSync(file, 'utf8').match(/<testsuite([^>]*)>/) ?? []
    for (const [, name, value] of suite.matchAll(/(\w+)="(\d+)"/g)) attributes[name] = Number(value)
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }
  }
  const { tests = 0, failures = 0, disabled = 0, skipped = 0 } = attributes
  return {
    passed: tests - failures - disabled - skipped,
    failed: failures,
    skipped: disabled + skipped,
  }
}
