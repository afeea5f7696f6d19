// Runs what is too long for every change, and is run before a release: `npm run test:tier-m [-- name...]`. Each program of test/tier-m
// prints one line of figures, and fails when a rule does not hold. The loops of `npm run test:slow` and the seeded defects
// (`npm run test:defects`) are of the same tier.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import process from 'node:process'
import { root } from './testing/run.mjs'

const folder = join(root, 'test', 'tier-m')
const all = readdirSync(folder)
  .map(name => basename(name, '.mjs'))
  .filter(name => name !== 'random')
const chosen = process.argv.slice(2)
for (const name of chosen.length > 0 ? chosen : all) {
  const { status } = spawnSync(process.execPath, ['--expose-gc', join(folder, `${name}.mjs`)], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status === 0) continue
  console.error(`${name} failed`)
  process.exitCode = 1
}
