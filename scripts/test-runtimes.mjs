// Runs the prebuilt binaries under every runtime and processor that this machine can be or pretend to be: `npm run test:runtimes [-- NAME...]`.
//
//   node20 node22 node24 node26   the API tests of vitest and test/platform, under the Node that npm packages
//   scalar avx2                   test/platform, with the kernels that VITRINE_ISA names
//   valgrind nehalem              the same on an emulated processor that has no more than AVX2 (valgrind's), and none of them (qemu's)
//   arm64                         test/platform on emulated 64-bit ARM, with the arm64 Node that npm packages
//
// Run `npm run prebuild` before. Takes some hundred MB of downloads, kept in build-runtimes/, and some minutes: before a release, not for
// every change. Prints a table for the README's "Where it runs".
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { root, which } from './testing/run.mjs'

const folder = join(root, 'build-runtimes')
const packaged = { node20: '20', node22: '22', node24: '24', node26: '26', arm64: '20.20.2' }

const masks = {
  scalar: { env: { VITRINE_ISA: 'scalar', VITRINE_EXPECTED_ISA: 'scalar' } },
  avx2: { env: { VITRINE_ISA: 'avx2', VITRINE_EXPECTED_ISA: 'avx2' } },
  // Not qemu's Haswell: version 7.2 faults at a masked load whose masked half is not mapped.
  valgrind: {
    emulator: ['valgrind', '--tool=none', '--error-exitcode=0'],
    env: { VITRINE_EXPECTED_ISA: 'avx2' },
  },
  nehalem: {
    emulator: ['qemu-x86_64', '-cpu', 'Nehalem'],
    env: { VITRINE_EXPECTED_ISA: 'scalar' },
  },
}
const names = [...Object.keys(packaged), ...Object.keys(masks)]

/** The Node that npm packages for a processor, installed when it is first asked for. @returns {string} Path of the program. */
function packagedNode(name) {
  const arch = name === 'arm64' ? 'arm64' : 'x64'
  const place = join(folder, name)
  const node = join(place, 'node_modules', `node-linux-${arch}`, 'bin', 'node')
  if (existsSync(node)) return node
  mkdirSync(place, { recursive: true })
  writeFileSync(join(place, 'package.json'), '{ "private": true }\n')
  const cross = arch === process.arch ? [] : ['--force', `--cpu=${arch}`]
  const wanted = `node-linux-${arch}@${packaged[name]}`
  run(['npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', ...cross, wanted], place)
  return node
}

function run([command, ...args], cwd = root, env = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd,
    env: { ...process.env, PREBUILDS_ONLY: '1', ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  if (error) console.error(error.message)
  return status === 0
}

/** Tests of the API: all of vitest's but those of the repository, its documents and its benchmark. */
function apiTests() {
  const others =
    /^(bench|documents|golden|layering|packaging|readme|build-parity|links|workflows|errors)/
  return readdirSync(join(root, 'test')).filter(
    name => name.endsWith('.test.ts') && !others.test(name),
  )
}

const platformTest = join('test', 'platform', 'addon.mjs')
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')

/** @returns {{ platform: string, what: string, command: string[][], env?: Record<string, string> }} */
function plan(name) {
  if (name === 'arm64') {
    const sysroot = '/usr/aarch64-linux-gnu'
    const node = [which('qemu-aarch64') ?? 'qemu-aarch64', '-L', sysroot, packagedNode(name)]
    return {
      platform: 'linux-arm64, emulated',
      what: 'test/platform',
      commands: [[...node, platformTest]],
      env: { VITRINE_EXPECTED_ISA: 'neon' },
    }
  }
  if (name in masks) {
    const { emulator, env } = masks[name]
    return {
      platform: emulator ? `linux-x64, emulated ${name}` : `linux-x64, VITRINE_ISA=${name}`,
      what: 'test/platform',
      commands: [[...(emulator ?? []), process.execPath, platformTest]],
      env,
    }
  }
  const node = packagedNode(name)
  return {
    platform: 'linux-x64',
    what: 'API tests and test/platform',
    commands: [
      [node, platformTest],
      [node, vitest, 'run', '--project', 'engine', ...apiTests()],
    ],
  }
}

function versionOf(commands) {
  const node = commands[0].slice(0, -1)
  const [command, ...args] = [...node, '--version']
  return spawnSync(command, args, { encoding: 'utf8' }).stdout?.trim() || 'none'
}

const chosen = process.argv.slice(2)
for (const name of chosen.filter(each => !names.includes(each))) {
  console.error(`${name} is none of ${names.join(', ')}`)
  process.exit(2)
}
const lines = ['| platform | Node | what ran | result | seconds |', '|---|---|---|---|---|']
for (const name of chosen.length > 0 ? chosen : names) {
  console.log(`\n══ ${name}`)
  const { platform, what, commands, env } = plan(name)
  const start = performance.now()
  const passed = commands.map(command => run(command, root, env)).every(Boolean)
  if (!passed) process.exitCode = 1
  const seconds = ((performance.now() - start) / 1000).toFixed(0)
  lines.push(
    `| ${platform} | ${versionOf(commands)} | ${what} | ${passed ? 'passed' : 'FAILED'} | ${seconds} |`,
  )
}
console.log(`\n${lines.join('\n')}`)
