// Compiles lib/*.ts into dist/ and removes what dist/ holds of sources that are gone, so that a
// renamed module cannot live on in the package.

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(root, 'dist')

const tsc = join(
  dirname(createRequire(import.meta.url).resolve('typescript/package.json')),
  'bin',
  'tsc',
)
const { status } = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], {
  stdio: 'inherit',
})

const outputs = existsSync(dist) ? readdirSync(dist, { recursive: true, withFileTypes: true }) : []
for (const entry of outputs) {
  if (!entry.isFile()) continue
  const output = join(entry.parentPath, entry.name)
  const source = join(root, 'lib', relative(dist, output).replace(/(\.d\.ts|\.js)$/, '.ts'))
  if (!existsSync(source)) rmSync(output)
}

process.exitCode = status ?? 1
