// Makes prebuilds/<platform>-<arch>/vitrine.<libc>.node with prebuildify: what npm packs.
//
//   node scripts/prebuild.mjs [own | x64 | arm64]
//
// `own` is this machine's processor. Without a name: that, and on Linux x64 that of arm64 where its cross compiler is
// (apt-get install g++-aarch64-linux-gnu). The binary links the system's libstdc++, which Node
// itself needs: linking it statically would raise the glibc that it asks for.

import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { missingOnSupportedSystems } from './binary-floor.mjs'
import { compilerEnvironment, nodeHeadersRoot, writeBindingGyp } from './build-native.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const cross = { arm64: 'aarch64-linux-gnu-' }

const onPath = command =>
  (process.env.PATH ?? '').split(delimiter).some(folder => existsSync(join(folder, command)))

const canCross = process.platform === 'linux' && process.arch === 'x64'

/** This machine's processor, and those that it can compile for. */
function defaultTargets() {
  const others = Object.keys(cross).filter(arch => canCross && onPath(`${cross[arch]}g++`))
  return [process.arch, ...others]
}

/** Makes the binary for one processor. @returns {boolean} Whether it is there, and loads where it should. */
function prebuild(arch) {
  const own = arch === process.arch
  if (!own && !(arch in cross && canCross)) {
    console.error(`a binary for ${arch} cannot be made on ${process.platform}-${process.arch}`)
    return false
  }
  const folder = own ? root : crossFolder(arch)
  writeBindingGyp(folder)
  const headers = nodeHeadersRoot()
  const strip = own ? [] : ['--strip-bin', `${cross[arch]}strip`]
  const args = ['--napi', '--strip', ...strip, '--tag-libc', '--arch', arch, '--out', root]
  const { status } = spawnSync(
    process.execPath,
    [createRequire(import.meta.url).resolve('prebuildify/bin.js'), ...args],
    {
      cwd: folder,
      stdio: 'inherit',
      env: {
        ...compilerEnvironment({ ...process.env, ...(own ? {} : crossTools(cross[arch])) }),
        JOBS: String(availableParallelism()),
        // prebuildify asks for a Node version by number, which downloads headers unless told where.
        ...(headers ? { npm_config_nodedir: headers } : {}),
      },
    },
  )
  return status === 0 && loadsWhereItShould(join(root, 'prebuilds', `${process.platform}-${arch}`))
}

function crossTools(prefix) {
  const launcher = onPath('ccache') ? 'ccache ' : ''
  return {
    CC: `${launcher}${prefix}gcc`,
    CXX: `${launcher}${prefix}g++`,
    AR: `${prefix}ar`,
  }
}

/** A folder of the same sources, so that what is built for another processor stays out of build/. */
function crossFolder(arch) {
  const folder = join(root, `build-${arch}`)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, 'scripts'), { recursive: true })
  for (const name of ['native', 'package.json']) {
    symlinkSync(join(root, name), join(folder, name))
  }
  // A copy: it writes into the folder that it finds itself in.
  cpSync(join(root, 'scripts', 'joined-sources.mjs'), join(folder, 'scripts', 'joined-sources.mjs'))
  return folder
}

function loadsWhereItShould(folder) {
  const binaries = readdirSync(folder).filter(name => name.endsWith('.node'))
  if (process.platform !== 'linux') return binaries.length > 0
  const failed = binaries.filter(name => {
    // The floor is glibc's; musl keeps no versions.
    if (!name.includes('.glibc.')) return false
    const missing = missingOnSupportedSystems(join(folder, name))
    for (const line of missing) console.error(`${name} needs ${line}, which supported systems lack`)
    return missing.length > 0
  })
  return binaries.length > 0 && failed.length === 0
}

const targets = process.argv.slice(2)
for (const arch of targets.length > 0 ? targets : defaultTargets()) {
  if (!prebuild(arch === 'own' ? process.arch : arch)) process.exitCode = 1
}
