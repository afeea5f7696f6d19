// What tests need of Debian. Run by itself, it installs everything that any lane needs.

import { existsSync, realpathSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { run, which } from './run.mjs'

// Debian packages, and how to see that they are there.
const presence = {
  'clang-16': () => which('clang++-16'),
  'clang-format-16': () => which('clang-format-16'),
  'clang-tidy-16': () => which('clang-tidy-16'),
  cmake: () => which('cmake'),
  'g++-aarch64-linux-gnu': () => which('aarch64-linux-gnu-g++'),
  'libclang-rt-16-dev': () => existsSync('/usr/lib/llvm-16/lib/clang/16/lib/linux'),
  'libgtest-dev': () => ['/usr', '/usr/local', '/opt/homebrew'].some(hasGoogletest),
  'ninja-build': () => which('ninja'),
  prometheus: () => which('prometheus') && which('promtool'),
  'qemu-user': () => which('qemu-aarch64'),
}

const hasGoogletest = prefix => existsSync(`${prefix}/include/gtest/gtest.h`)
const missingOf = packages => packages.filter(name => !presence[name]())

/** The one line that installs packages on Debian. */
const installLine = packages =>
  `apt-get update && apt-get install -y --no-install-recommends ${packages.join(' ')}`

/**
 * Installs what is missing where this process may: as root on Debian.
 * @param {string[]} packages - Names of Debian packages, each a key of the table above.
 */
export async function installMissing(packages) {
  const missing = missingOf(packages)
  const allowed = process.getuid?.() === 0 && existsSync('/etc/debian_version') && which('apt-get')
  if (missing.length === 0 || !allowed) return
  console.log(`installing ${missing.join(', ')}`)
  await run(['sh', '-c', installLine(missing)], {
    env: { DEBIAN_FRONTEND: 'noninteractive' },
    quiet: true,
  })
}

/**
 * Runs a step if the packages that it needs are there, and notes it as skipped otherwise.
 * @returns {Promise<boolean>} Whether the step ran and nothing failed.
 */
export async function stepWith(report, packages, name, step) {
  const missing = missingOf(packages)
  if (missing.length === 0) return report.step(name, step)
  report.skip(name, `On Debian and Ubuntu: ${installLine(missing)}`)
  return false
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await installMissing(Object.keys(presence))
}
