// Makes prebuilds/<platform>-<arch>/vitrine.<libc>.node with prebuildify: what npm packs.
//
//   node scripts/prebuild.mjs [prebuildify arguments]
//
// The binary links the system's libstdc++ (which Node itself needs): linking it statically would
// raise the glibc that it asks for. On Linux, symbols newer than the floor below fail the build.

import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import process from 'node:process'
import { compilerEnvironment, nodeHeadersRoot } from './build-native.mjs'

// Debian 12 and Ubuntu 22.04 have them all.
const floor = { GLIBC: [2, 34], GLIBCXX: [3, 4, 30], CXXABI: [1, 3, 13] }

/** Symbol versions that a binary needs and that the floor does not have. */
function aboveFloor(binary) {
  const symbols = execFileSync('objdump', ['-T', binary], { encoding: 'utf8' })
  const versions = new Set(symbols.match(/\b(GLIBC|GLIBCXX|CXXABI)_[0-9.]+/g))
  return [...versions].filter(version => {
    const [library, number] = version.split('_')
    const parts = number.split('.').map(Number)
    const differing = parts.findIndex((part, i) => part !== floor[library][i])
    return differing >= 0 && parts[differing] > (floor[library][differing] ?? -1)
  })
}

const headers = nodeHeadersRoot()
const prebuildify = createRequire(import.meta.url).resolve('prebuildify/bin.js')
const { status } = spawnSync(
  process.execPath,
  [prebuildify, '--napi', '--strip', '--tag-libc', ...process.argv.slice(2)],
  {
    stdio: 'inherit',
    // prebuildify asks for a Node version by number, which downloads headers unless told where.
    env: { ...compilerEnvironment(), ...(headers ? { npm_config_nodedir: headers } : {}) },
  },
)
process.exitCode = status ?? 1

const folder = join('prebuilds', `${process.platform}-${process.arch}`)
if (process.exitCode === 0 && process.platform === 'linux') {
  for (const name of readdirSync(folder).filter(entry => entry.endsWith('.node'))) {
    const newer = aboveFloor(join(folder, name))
    if (newer.length === 0) continue
    console.error(`${name} needs ${newer.join(', ')}, which supported systems lack`)
    process.exitCode = 1
  }
}
