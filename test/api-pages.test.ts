import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const run = promisify(execFile)
const root = dirname(import.meta.dirname)

it('docs/api is what the comments of lib/ give: npm run docs:api', async () => {
  const out = mkdtempSync(join(tmpdir(), 'vitrine-api-'))
  try {
    await run(process.execPath, [join(root, 'scripts/api-docs/generate.mjs'), out])
    const filesOf = (folder: string) =>
      Object.fromEntries(
        readdirSync(folder, { recursive: true, encoding: 'utf8' })
          .filter(name => name.endsWith('.md'))
          .sort()
          .map(name => [name, readFileSync(join(folder, name), 'utf8')]),
      )
    expect(filesOf(out)).toEqual(filesOf(join(root, 'docs', 'api')))
  } finally {
    rmSync(out, { recursive: true })
  }
}, 240_000)
