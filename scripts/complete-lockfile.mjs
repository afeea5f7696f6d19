// Adds to package-lock.json the binaries of other platforms that npm left out.
//
//   node scripts/complete-lockfile.mjs
//
// npm locks an optional package only if the registry at hand serves it. A registry that holds the
// packages of one platform makes a lockfile with which `npm ci` fails everywhere: it misses the rest.
// The entries added here have a version and a platform, which their names tell, and no integrity.

import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const systems = [
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'win32',
]
const processors = ['arm', 'arm64', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'x64']

/** The entry of a package called `…<system>-<processor>[-<abi>]`. */
function platformEntry(name, version, dev) {
  const words = name.split(/[/-]/)
  const os = words.filter(word => systems.includes(word))
  const cpu = words.filter(word => processors.includes(word))
  if (!/^\d+\.\d+\.\d+/.test(version)) throw new Error(`${name}: ${version} is no exact version`)
  if (os.length !== 1 || cpu.length !== 1) throw new Error(`${name}: its name tells no platform`)
  const abi = words.at(-1)
  const libc =
    os[0] !== 'linux' || abi === cpu[0] ? [] : [abi.startsWith('musl') ? 'musl' : 'glibc']
  return { version, cpu, ...(dev && { dev }), ...(libc.length && { libc }), optional: true, os }
}

const file = join(dirname(dirname(fileURLToPath(import.meta.url))), 'package-lock.json')
const lock = JSON.parse(readFileSync(file, 'utf8'))
for (const entry of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    lock.packages[`node_modules/${name}`] ??= platformEntry(name, version, entry.dev)
  }
}
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en')),
)
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
