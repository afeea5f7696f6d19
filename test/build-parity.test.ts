import { execFileSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nodeHeadersRoot, writeBindingGyp } from '../scripts/build-native.mjs'

// Both builds are asked for the commands that they would run: node-gyp through a dry run of its
// makefile, CMake through compile_commands.json. A unit that scripts/joined-sources.mjs made counts as
// the sources that it includes. What Node itself adds to every addon is found by
// configuring an addon that asks for nothing.

interface Compilation {
  readonly defines: ReadonlySet<string>
  readonly flags: ReadonlySet<string>
}
type Build = ReadonlyMap<string, Compilation>

const root = dirname(import.meta.dirname)
const scratch = mkdtempSync(join(tmpdir(), 'vitrine-parity-'))
let gyp: Build
let cmake: Build
let node: Compilation

beforeAll(() => {
  const project = join(scratch, 'project')
  mkdirSync(project)
  for (const file of ['package.json', 'scripts/joined-sources.mjs']) {
    cpSync(join(root, file), join(project, file))
  }
  symlinkSync(join(root, 'native'), join(project, 'native'))
  writeBindingGyp(project)
  gyp = gypBuild(project)

  const bare = join(scratch, 'bare')
  mkdirSync(bare)
  writeFileSync(join(bare, 'bare.cc'), '')
  writeFileSync(
    join(bare, 'binding.gyp'),
    "{'targets': [{'target_name': 'vitrine', 'sources': ['bare.cc']}]}",
  )
  node = only(gypBuild(bare))

  cmake = cmakeBuild()
}, 120_000)

afterAll(() => rmSync(scratch, { recursive: true, force: true }))

describe('node-gyp and CMake', () => {
  it('compile the same sources', () => {
    expect(gyp.size).toBeGreaterThan(0)
    expect([...gyp.keys()].sort()).toEqual([...cmake.keys()].sort())
  })

  it('give every source the same defines, beyond those that Node gives every addon', () => {
    for (const [source, { defines }] of gyp) {
      const own = [...defines].filter(define => !node.defines.has(define)).sort()
      expect(own, source).toEqual([...(cmake.get(source)?.defines ?? [])].sort())
      expect(own, source).toEqual(['NAPI_VERSION=9', 'NDEBUG'])
    }
  })

  it('compile optimised C++20 with exceptions, and contradict no flag', () => {
    for (const [source, { flags }] of [...gyp, ...cmake]) {
      expect(
        [...flags].filter(flag => /^-std=/.test(flag)),
        source,
      ).toEqual(['-std=c++20'])
      expect([...flags], source).toContain('-fexceptions')
      const denied = [...flags].filter(flag => flags.has(flag.replace(/^-fno-/, '-f')))
      expect(
        denied.filter(flag => flag.startsWith('-fno-')),
        source,
      ).toEqual([])
      expect(
        [...flags].filter(flag => /^-O/.test(flag)),
        source,
      ).toEqual(['-O3'])
    }
  })

  it('agree on every flag that changes code, beyond those that Node gives every addon', () => {
    for (const [source, { flags }] of gyp) {
      const other = cmake.get(source)?.flags ?? new Set()
      expect(
        [...flags].filter(flag => !other.has(flag) && !node.flags.has(flag)),
        source,
      ).toEqual([])
      expect(
        [...other].filter(flag => !flags.has(flag)),
        source,
      ).toEqual([])
    }
  })

  it('select no instruction set for a file', () => {
    for (const [source, { flags }] of [...gyp, ...cmake]) {
      expect(
        [...flags].filter(flag => /^-m(?!64$)/.test(flag)),
        source,
      ).toEqual([])
    }
  })
})

function gypBuild(folder: string): Build {
  const nodeGyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js')
  const headers = nodeHeadersRoot()
  const nodedir = headers === undefined ? [] : [`--nodedir=${headers}`]
  run(process.execPath, [nodeGyp, 'configure', '--release', ...nodedir], folder)
  const build = join(folder, 'build')
  const commands = run('make', ['--dry-run', 'V=1', 'BUILDTYPE=Release'], build)
  return compilations(
    commands.split('\n').map(command => ({ command, directory: build })),
    folder,
  )
}

function cmakeBuild(): Build {
  const build = join(scratch, 'cmake')
  run('cmake', ['-S', root, '-B', build, '-G', 'Ninja', '-DVITRINE_TESTS=OFF'], root)
  const commands = readFileSync(join(build, 'compile_commands.json'), 'utf8')
  return compilations(JSON.parse(commands), root)
}

function compilations(
  commands: readonly { command: string; directory: string }[],
  folder: string,
): Build {
  const build = new Map<string, Compilation>()
  for (const { command, directory } of commands) {
    const words = command.split(/\s+/).map(word => word.replace(/^'(.*)'$/, '$1'))
    const source = words.find(word => word.endsWith('.cc'))
    if (source === undefined || !words.includes('-c')) continue
    const starting = (pattern: RegExp) => new Set(words.filter(word => pattern.test(word)))
    const compilation = {
      defines: new Set([...starting(/^-D/)].map(word => word.slice(2))),
      flags: starting(/^-(f|m|O|std=)/),
    }
    for (const path of sourcesOf(relative(folder, resolve(directory, source)), folder)) {
      if (build.has(path)) throw new Error(`${path} is compiled twice`)
      build.set(path, compilation)
    }
  }
  return build
}

function sourcesOf(unit: string, folder: string): string[] {
  if (!unit.startsWith('build/joined/')) return [unit]
  const text = readFileSync(join(folder, unit), 'utf8')
  return [...text.matchAll(/^#include "(.*)"$/gm)].map(([, path]) => `native/${path}`)
}

function only(build: Build): Compilation {
  const [first] = build.values()
  if (first === undefined) throw new Error('the build compiles nothing')
  return first
}

function run(command: string, args: readonly string[], cwd: string): string {
  const { CC: _cc, CXX: _cxx, ...env } = process.env
  return execFileSync(command, args, { cwd, env, encoding: 'utf8', stdio: 'pipe' })
}
