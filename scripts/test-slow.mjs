// Kills a writing process many times, and opens what it leaves: `npm run test:slow [-- rounds]`. 1,000 rounds take some
// minutes; the ordinary tests do a few.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const [rounds = '1000'] = process.argv.slice(2)
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
const { status } = spawnSync(
  process.execPath,
  [vitest, 'run', 'test/database.test.ts', '-t', 'a process that is killed'],
  { cwd: root, stdio: 'inherit', env: { ...process.env, VITRINE_KILL_ROUNDS: rounds } },
)
process.exitCode = status ?? 1
