// What a Linux binary asks of the system that loads it.
//
//   node scripts/binary-floor.mjs FILE...
//
// A shared object links without complaint when a symbol of it is nowhere, or is in a library newer
// than users have, and then fails where it is loaded. So all that it leaves open is looked at here.
// Reads the binaries of any processor; needs readelf, which comes with every Linux compiler.

import { execFileSync } from 'node:child_process'
import { realpathSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

/** The newest versions that a binary may ask for: those of RHEL 9; Debian 12 and Ubuntu 22.04 have newer ones. */
const floor = { GLIBC: '2.34', GLIBCXX: '3.4.29', CXXABI: '1.3.13', GCC: '12.0.0' }

/** What every system with glibc and C++ has, and Node itself needs; the last is the loader. */
const libraries =
  /^(libc\.so\.6|libm\.so\.6|libstdc\+\+\.so\.6|libgcc_s\.so\.1|ld-linux.*\.so\.\d)$/

/** Node gives these to every addon. */
const nodeSymbol = /^(napi|node_api)_/

/**
 * @param {string} binary - Path of an ELF file.
 * @param {Record<string, string>} [newest] - The newest version of each library that is allowed.
 * @returns {string[]} Each thing that supported systems lack, as words for people; empty if none.
 */
export function missingOnSupportedSystems(binary, newest = floor) {
  const options = { encoding: 'utf8', maxBuffer: 1 << 28 }
  const needed = [
    ...execFileSync('readelf', ['--dynamic', '--wide', binary], options).matchAll(
      /\(NEEDED\).*\[(.+)\]/g,
    ),
  ].map(([, library]) => library)
  const symbols = execFileSync('readelf', ['--dyn-syms', '--wide', binary], options)
  const open = [...symbols.matchAll(/ (GLOBAL|WEAK) +DEFAULT +UND ([^\s@]+)(?:@+(\S+))?/g)]
  if (open.length === 0) throw new Error(`${binary} leaves no symbol open: is it an addon?`)
  return [
    ...needed.filter(library => !libraries.test(library)).map(library => `library ${library}`),
    ...open.flatMap(([, binding, name, version]) => complaint(newest, binding, name, version)),
  ]
}

function complaint(newest, binding, name, version) {
  if (version === undefined) {
    // A weak symbol may stay open: it is null then.
    return binding === 'WEAK' || nodeSymbol.test(name) ? [] : [`${name}, of no known library`]
  }
  const [library, number] = version.split('_')
  const known = newest[library]
  if (known !== undefined && compare(number, known) <= 0) return []
  return [`${name} of ${version}${known === undefined ? '' : `, above ${known}`}`]
}

function compare(a, b) {
  const [left, right] = [a, b].map(version => version.split('.').map(Number))
  const at = left.findIndex((part, i) => part !== (right[i] ?? 0))
  return at < 0 ? 0 : left[at] - (right[at] ?? 0)
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  for (const binary of process.argv.slice(2)) {
    const missing = missingOnSupportedSystems(binary)
    console.log(`${binary}: ${missing.length === 0 ? 'loads on every supported system' : 'needs'}`)
    for (const line of missing) console.log(`  ${line}`)
    if (missing.length > 0) process.exitCode = 1
  }
}
