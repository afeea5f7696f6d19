import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const run = promisify(execFile)
const root = resolve(import.meta.dirname, '..')

test('the code in README.md runs and prints what its comments say', async () => {
  const readme = await readFile(join(root, 'README.md'), 'utf8')
  const code = /```js\n([\s\S]*?)```/.exec(readme)?.[1]
  expect(code).toBeDefined()
  const folder = await mkdtemp(join(tmpdir(), 'vitrine-readme-'))
  try {
    const entry = JSON.stringify(join(root, 'dist/vitrine.js'))
    const file = join(folder, 'readme.mjs')
    await writeFile(file, (code as string).replace("'vitrine'", entry))
    const { stdout } = await run(process.execPath, [file], { cwd: folder })
    expect(stdout.trim().split('\n')).toEqual(['7 0.000', '10000', 'true', '2 9998', 'walk'])
  } finally {
    await rm(folder, { recursive: true })
  }
})
