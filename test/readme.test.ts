import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const run = promisify(execFile)
const root = resolve(import.meta.dirname, '..')

test('the code in README.md runs and prints what its comments say', async () => {
  const readme = await readFile(join(root, 'README.md'), 'utf8')
  const codes = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code as string)
  const expected = [
    ['7 0.000', '10000', 'true', '2 9998', 'walk'],
    ["[ { id: 'n1', payload: { text: 'hello' }, distance: 1 } ]", '1'],
    ['1', '1', 'walk of the graph: nothing speaks against it', 'true'],
  ]
  expect(codes).toHaveLength(expected.length)
  const folder = await mkdtemp(join(tmpdir(), 'vitrine-readme-'))
  try {
    await mkdir(join(folder, 'node_modules'))
    await symlink(root, join(folder, 'node_modules', 'vitrine'))
    const file = join(folder, 'readme.mjs')
    for (const [i, code] of codes.entries()) {
      await writeFile(file, code)
      const { stdout } = await run(process.execPath, [file], { cwd: folder })
      expect(stdout.trim().split('\n')).toEqual(expected[i])
    }
  } finally {
    await rm(folder, { recursive: true })
  }
})
