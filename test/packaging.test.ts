import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { missingOnSupportedSystems } from '../scripts/binary-floor.mjs'
import { sourcesBelow } from './layers.ts'

// The package as a user gets it: made from a copy of the sources, with a prebuilt addon, and
// installed into an empty folder by an npm that sees neither a compiler nor the network.

const root = dirname(import.meta.dirname)
const scratch = mkdtempSync(join(tmpdir(), 'vitrine-packaging-'))
const stage = join(scratch, 'stage')
const consumer = join(scratch, 'consumer')
const installed = join(consumer, 'node_modules', 'vitrine')
const prebuildFolder = `prebuilds/${process.platform}-${process.arch}`
let tarball: string
let loader: string
let packed: string[]
let packedBytes: number

beforeAll(() => {
  mkdirSync(stage)
  // Some of it is not meant to be packed.
  const documents = ['README.md', 'CHANGELOG.md', 'LICENSE', 'tsconfig.json']
  const folders = ['dist', 'lib', 'native', 'scripts', 'test']
  for (const name of ['package.json', ...documents, ...folders]) {
    if (!existsSync(join(root, name))) continue
    const filter = (path: string) => !path.endsWith('node_modules')
    const options = { recursive: true, preserveTimestamps: true, filter }
    cpSync(join(root, name), join(stage, name), options)
  }
  symlinkSync(join(root, 'node_modules'), join(stage, 'node_modules'))
  // The objects that the last build left are taken over: prebuildify would begin by deleting them.
  if (existsSync(join(root, 'build'))) {
    cpSync(join(root, 'build'), join(stage, 'build'), { recursive: true, preserveTimestamps: true })
  }
  const build = join(scratch, 'build')
  writeFileSync(build, '#!/bin/sh\nexec node scripts/build-native.mjs\n', { mode: 0o755 })
  const env = { ...process.env, PREBUILD_NODE_GYP: build }
  run(process.execPath, ['scripts/prebuild.mjs', 'own'], stage, env)
  const { name, files, size } = pack(stage)
  tarball = name
  packed = files
  packedBytes = size

  mkdirSync(consumer)
  writeFileSync(join(consumer, 'package.json'), '{ "name": "consumer", "private": true }')
  loader = pack(join(root, 'node_modules', 'node-gyp-build')).name
  run(
    'npm',
    ['install', '--ignore-scripts', '--offline', '--no-audit', '--no-fund', tarball, loader],
    consumer,
    bareEnvironment(),
  )
}, 240_000)

afterAll(() => rmSync(scratch, { recursive: true, force: true }))

describe('the package', () => {
  it('holds the library, the prebuilt addon, what building it takes, and nothing else', () => {
    const lib = sourcesBelow(['lib'], /\.ts$/).map(({ path }) =>
      path.replace(/^lib/, 'dist').replace(/\.ts$/, ''),
    )
    const native = sourcesBelow(['native'], /\.(h|cc)$/).map(({ path }) => path)
    const expected = [
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'native/binding.gypi',
      'native/sources.gypi',
      'package.json',
      'scripts/build-native.mjs',
      'scripts/joined-sources.mjs',
      ...readdirSync(join(stage, prebuildFolder)).map(name => `${prebuildFolder}/${name}`),
      ...lib.flatMap(path => [`${path}.d.ts`, `${path}.js`]),
      ...native,
    ]
    expect(packed).toEqual(expected.sort())
    expect(readdirSync(join(stage, prebuildFolder))).toHaveLength(1)
  })

  it('is small enough to be fetched without a thought', () => {
    expect(packedBytes).toBeLessThan(2_000_000)
  })

  it('asks for nothing that a supported system lacks', () => {
    const binaries = packed.filter(path => path.includes('.glibc.'))
    for (const path of binaries) {
      expect(missingOnSupportedSystems(join(stage, path)), path).toEqual([])
    }
    // The check sees what is asked for: the addon is far above this.
    for (const path of binaries) {
      expect(missingOnSupportedSystems(join(stage, path), { GLIBC: '2.2' })).not.toEqual([])
    }
  })

  it('is described by a bill of materials that names its one dependency', () => {
    const bill = join(stage, 'sbom.cdx.json')
    cpSync(join(root, 'package-lock.json'), join(stage, 'package-lock.json'))
    run('npm', ['run', '--silent', 'sbom'], stage)
    const { components } = JSON.parse(readFileSync(bill, 'utf8')) as {
      components: { name: string }[]
    }
    expect(components.map(({ name }) => name)).toEqual(['node-gyp-build'])
  })

  it('has no file, export or dependency that nothing uses', () => {
    const knip = join(root, 'node_modules', '.bin', 'knip')
    const { stdout, stderr, status } = spawnSync(knip, [], { cwd: root, encoding: 'utf8' })
    expect(status, stdout + stderr).toBe(0)
  })

  it('has no install script, and no dependency but the prebuild loader', () => {
    const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
    for (const script of ['preinstall', 'install', 'postinstall']) {
      expect(manifest.scripts).not.toHaveProperty(script)
    }
    expect(manifest.gypfile).toBe(false)
    expect(Object.keys(manifest.dependencies)).toEqual(['node-gyp-build'])
  })

  it('passes publint', async () => {
    const { messages, pkg } = await publint({ pkgDir: installed, strict: true, pack: false })
    expect(messages.map(message => formatMessage(message, pkg))).toEqual([])
  })

  it('gives types to every kind of importer', () => {
    // The one rule left out: require() of an ES module works on every Node that we support.
    const attw = join(root, 'node_modules', '.bin', 'attw')
    const args = [tarball, '--ignore-rules', 'cjs-resolves-to-esm', '--format', 'json']
    const { stdout, status } = spawnSync(attw, args, { encoding: 'utf8', cwd: scratch })
    expect(status, stdout).toBe(0)
  })

  it('is locked without the address of any registry, with the binaries of every platform', () => {
    const text = readFileSync(join(root, 'package-lock.json'), 'utf8')
    const lock = JSON.parse(text) as {
      packages: Record<string, { optionalDependencies?: Record<string, string> }>
    }
    // A workspace is "resolved" to its folder.
    expect(text.match(/"resolved": "(?!scripts\/)[^"]*"/g) ?? []).toEqual([])
    // What scripts/complete-lockfile.mjs adds: without it `npm ci` fails.
    const optional = Object.values(lock.packages).flatMap(({ optionalDependencies = {} }) =>
      Object.keys(optionalDependencies).map(name => `node_modules/${name}`),
    )
    expect(optional.length).toBeGreaterThan(0)
    expect(optional.filter(path => !(path in lock.packages))).toEqual([])
  })
})

describe('installed without a compiler, scripts or network', () => {
  const search = `
    const index = new Index({ dimension: 2 })
    await index.add(Uint32Array.of(7, 9), Float32Array.of(0, 0, 1, 1))
    console.log(index.searchSync(Float32Array.of(0.9, 1), { k: 1 }).ids[0])
    await index.close()`

  it('searches when imported', () => {
    const program = `import { Index } from 'vitrine'\n${search}`
    expect(node(['--input-type=module', '--eval', program])).toEqual({ status: 0, output: '9\n' })
  })

  it('searches when required', () => {
    const program = `const { Index } = require('vitrine');\n(async () => {${search}\n})()`
    const options = ['--no-warnings=ExperimentalWarning', '--input-type=commonjs']
    expect(node([...options, '--eval', program])).toEqual({ status: 0, output: '9\n' })
  })

  it('exports metrics', () => {
    const program = `
      import { Index } from 'vitrine'
      import { metrics } from 'vitrine/metrics'
      const index = new Index({ dimension: 2 })
      const text = await metrics(index).text()
      console.log(text.includes('vitrine_engine_vectors{db="index",state="live"} 0'))
      await index.close()`
    expect(node(['--input-type=module', '--eval', program])).toEqual({
      status: 0,
      output: 'true\n',
    })
  })

  it('says which command installs what an entry point works with', () => {
    const program = `
      import { enableTracing, metricProducer, tracePoint } from 'vitrine/tracing'
      tracePoint('nobody listens')
      metricProducer([])
      try {
        enableTracing()
      } catch ({ code, details }) {
        console.log(code, details.install)
      }`
    expect(node(['--input-type=module', '--eval', program])).toEqual({
      status: 0,
      output: 'ERR_NOT_FOUND npm install @opentelemetry/api@^1.9.0\n',
    })
  })

  it('says ERR_NO_BINARY and the command that builds one where the prebuilt addon is missing', () => {
    const program = `
      try {
        const { Index } = await import('vitrine')
        new Index({ dimension: 2 })
        console.log('loaded')
      } catch (error) {
        console.log(error.code)
        console.log(error.message)
      }`
    const aside = join(scratch, 'prebuilds')
    renameSync(join(installed, 'prebuilds'), aside)
    try {
      const { status, output } = node(['--input-type=module', '--eval', program])
      const [code, ...message] = output.split('\n')
      expect(status).toBe(0)
      expect(code).toBe('ERR_NO_BINARY')
      const [, script] = message.join('\n').match(/\bnode (\S+build-native\.mjs)/) ?? []
      expect(script, output).toBeDefined()
      expect(existsSync(join(consumer, script ?? ''))).toBe(true)
    } finally {
      renameSync(aside, join(installed, 'prebuilds'))
    }
  })
})

describe('installed from a registry', () => {
  it('runs no script and starts no compiler', async () => {
    // What a registry answers npm says nothing of gypfile: https://github.com/npm/registry/blob/main/docs/responses/package-metadata.md
    const packages = new Map([
      ['vitrine', { folder: stage, tarball }],
      ['node-gyp-build', { folder: join(root, 'node_modules', 'node-gyp-build'), tarball: loader }],
    ])
    const server = createServer((request, response) => {
      const [, name = '', file] = (request.url ?? '').split('/')
      const found = packages.get(name)
      if (found === undefined) {
        response.writeHead(404).end()
        return
      }
      const bytes = readFileSync(found.tarball)
      if (file !== undefined) {
        response.end(bytes)
        return
      }
      const { version, dependencies } = JSON.parse(
        readFileSync(join(found.folder, 'package.json'), 'utf8'),
      )
      const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`
      const dist = { tarball: `http://${request.headers.host}/${name}/package.tgz`, integrity }
      const versions = { [version]: { name, version, dependencies, dist } }
      response.setHeader('content-type', 'application/vnd.npm.install-v1+json')
      response.end(JSON.stringify({ name, 'dist-tags': { latest: version }, versions }))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const folder = join(scratch, 'from-registry')
    mkdirSync(folder)
    writeFileSync(join(folder, 'package.json'), '{ "name": "consumer", "private": true }')
    try {
      const { port } = server.address() as AddressInfo
      const options = ['--foreground-scripts', '--no-audit', '--no-fund', '--loglevel=warn']
      const { stdout, stderr } = await promisify(execFile)(
        'npm',
        ['install', `--registry=http://127.0.0.1:${port}`, ...options, 'vitrine'],
        { cwd: folder, env: bareEnvironment() },
      )
      expect(stdout + stderr).not.toMatch(/gyp|script|warn/)
      expect(readdirSync(join(folder, 'node_modules', 'vitrine'))).not.toContain('build')
    } finally {
      server.close()
    }
  }, 60_000)
})

function pack(folder: string): { name: string; files: string[]; size: number } {
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', scratch, folder]
  const [result] = JSON.parse(run('npm', args, scratch)) as {
    filename: string
    size: number
    files: { path: string }[]
  }[]
  if (result === undefined) throw new Error(`npm packed nothing of ${folder}`)
  return {
    name: join(scratch, result.filename),
    files: result.files.map(file => file.path).sort(),
    size: result.size,
  }
}

/** Runs Node in the consumer's folder. */
function node(args: readonly string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: consumer,
    env: { ...bareEnvironment(), PREBUILDS_ONLY: '1' },
    encoding: 'utf8',
  })
  return { status, output: stdout + stderr }
}

/** An environment whose PATH holds node and npm, and nothing else. */
function bareEnvironment(): Record<string, string> {
  const bin = join(scratch, 'bin')
  if (!existsSync(bin)) {
    mkdirSync(bin)
    const folders = (process.env.PATH ?? '').split(delimiter)
    const npm = folders.map(folder => join(folder, 'npm')).find(path => existsSync(path))
    if (npm === undefined) throw new Error('npm is not on PATH')
    symlinkSync(realpathSync(npm), join(bin, 'npm'))
    symlinkSync(process.execPath, join(bin, 'node'))
  }
  return { PATH: bin, HOME: consumer }
}

function run(
  command: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = process.env,
): string {
  return execFileSync(command, args, {
    cwd,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}
