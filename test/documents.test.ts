import { execFile } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { native } from '../lib/binding.ts'
import { metricsPage } from '../scripts/metrics-page.mjs'

// What the documents say of themselves: that links lead somewhere, and that programs run and print
// what their comments say.

const run = promisify(execFile)
const root = dirname(import.meta.dirname)
const pages = [
  ...readdirSync(root).map(name => join(root, name)),
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).map(name =>
    join(root, 'docs', name),
  ),
].filter(path => path.endsWith('.md'))
const textOf = new Map(pages.map(path => [path, readFileSync(path, 'utf8')]))

const prose = (text: string) => text.replace(/```[\s\S]*?```/g, '').replace(/`[^`\n]*`/g, '')

/** What may stand behind `#`: headings as GitHub names them, and anchors of their own. */
function anchors(text: string): ReadonlySet<string> {
  const names = new Set([...text.matchAll(/<a id="([^"]+)"/g)].map(([, id]) => id as string))
  const seen = new Map<string, number>()
  for (const [, heading = ''] of text.replace(/```[\s\S]*?```/g, '').matchAll(/^#+ +(.+)$/gm)) {
    const name = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/g, '-')
    const before = seen.get(name) ?? 0
    seen.set(name, before + 1)
    names.add(before === 0 ? name : `${name}-${before}`)
  }
  return names
}

describe('every document', () => {
  it('links to files and headings that are there', () => {
    const broken: string[] = []
    for (const [page, text] of textOf) {
      for (const [, target = ''] of prose(text).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue
        const [path = '', anchor] = target.split('#')
        const file = path === '' ? page : resolve(dirname(page), path)
        const known = textOf.get(file)
        const right =
          anchor === undefined
            ? existsSync(file)
            : known !== undefined && anchors(known).has(anchor)
        if (!right) broken.push(`${relative(root, page)}: ${target}`)
      }
    }
    expect(broken).toEqual([])
  })
})

/** Blocks that are whole programs; those of the README are held by readme.test.ts. */
const programs = pages.flatMap(page => {
  const blocks = [...(textOf.get(page) ?? '').matchAll(/```js\n([\s\S]*?)```/g)]
  if (page === join(root, 'README.md') || page.includes(join('docs', 'api'))) return []
  return blocks
    .map(([, code = ''], i) => ({ name: `${relative(root, page)}, ${i + 1}`, code }))
    .filter(({ code }) => code.startsWith('import'))
})

describe('a program in a document', () => {
  it.for(programs)(
    '$name: prints what its comments say',
    { timeout: 120_000 },
    async ({ code }) => {
      const folder = mkdtempSync(join(tmpdir(), 'vitrine-documents-'))
      try {
        writeFileSync(join(folder, 'program.mjs'), code)
        mkdirSync(join(folder, 'node_modules'))
        // As a user has it: the package beside those that it can be used with.
        for (const name of ['@opentelemetry', 'prom-client']) {
          symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name))
        }
        symlinkSync(root, join(folder, 'node_modules', 'vitrine'))
        const { stdout } = await run(process.execPath, ['program.mjs'], { cwd: folder })
        const said = [...code.matchAll(/console\.log\(.*\) +\/\/ (.+)$/gm)].map(([, text]) => text)
        expect(stdout.trim().split('\n')).toEqual(said)
      } finally {
        rmSync(folder, { recursive: true })
      }
    },
  )
})

it('docs/metrics.md is what the table of metrics gives: node scripts/metrics-page.mjs', () => {
  expect(readFileSync(join(root, 'docs', 'metrics.md'), 'utf8')).toBe(
    metricsPage(native.statsFamilies()),
  )
})

it('the recording rules speak of metrics that there are, and of labels that they have', () => {
  const rules = readFileSync(join(root, 'examples', 'prometheus-rules.yml'), 'utf8')
  const families = new Map(native.statsFamilies().map(family => [family.name, family]))
  const histogram = /_(bucket|count)$/
  const used = [...rules.matchAll(/\b(vitrine_[a-z_]+)(?:\{([^}]*)\})?/g)]
  expect(used.length).toBeGreaterThan(20)
  for (const [, name = '', selector = ''] of used) {
    const family = families.get(name) ?? families.get(name.replace(histogram, ''))
    expect(family, name).toBeDefined()
    if (histogram.test(name)) expect(family?.type, name).toBe('histogram')
    for (const [, label = '', values = ''] of selector.matchAll(/(\w+)!?=~?"([^"]*)"/g)) {
      if (label === 'le') continue
      const known = family?.labels[label]
      expect(known, `${name} ${label}`).toEqual(expect.arrayContaining(values.split('|')))
    }
  }
})
