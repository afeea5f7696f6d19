// Loops of which the ordinary tests do a few rounds, all rounds of them, each with a line of figures:
//
//   npm run test:slow [-- name[=rounds]...]
//
// Takes about half an hour in all. Needs what native tests need.
import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { build } from './testing/cmake.mjs'
import { host, hostDefinitions } from './testing/native-lane.mjs'
import { buildAddon, root } from './testing/run.mjs'

/** A loop of a TypeScript test, which prints its figures itself; `variable` says how many rounds. */
function scripted(file, title, variable, rounds) {
  return asked => {
    const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
    const { status } = spawnSync(
      process.execPath,
      [vitest, 'run', '--project', 'engine', `test/${file}.test.ts`, '-t', title],
      { cwd: root, stdio: 'inherit', env: { ...process.env, [variable]: asked ?? rounds } },
    )
    return status === 0
  }
}

let built

/** A loop of a native test, of as many rounds as it has; `figures` makes a line of what it recorded. */
function native(program, filter, figures) {
  return async () => {
    built ??= (await buildAddon()) && (await build(host, hostDefinitions))
    if (!(await built)) return false
    const results = join(tmpdir(), `vitrine-slow-${process.pid}.json`)
    const { status } = spawnSync(
      join(root, host, program),
      [`--gtest_filter=${filter}`, '--gtest_brief=1', `--gtest_output=json:${results}`],
      {
        stdio: 'inherit',
        env: { ...process.env, VITRINE_EVERY_ROUND: '1' },
      },
    )
    if (status !== 0) return false
    const { testsuites } = JSON.parse(readFileSync(results, 'utf8'))
    rmSync(results)
    const tests = testsuites.flatMap(({ testsuite }) => testsuite)
    const sum = name => tests.reduce((total, test) => total + Number(test[name]), 0)
    console.log(figures(sum))
    return true
  }
}

const loops = {
  kills: scripted('database', 'a process that is killed', 'VITRINE_KILL_ROUNDS', '1000'),
  models: scripted('collection-model', 'a database of random calls', 'VITRINE_MODEL_RUNS', '2000'),
  workers: scripted('workers', 'may be terminated', 'VITRINE_TERMINATED_WORKERS', '1000'),
  flips: native(
    'database_tests',
    'SmallDamagedDatabase.AFlippedBitAnywhere*',
    sum =>
      `crashes 0, silent differences 0 of ${sum('flips')} flips, ${sum('refused')} of them refused`,
  ),
  'log-kills': native(
    'storage_tests',
    'LogProcess.AKilledProcess*',
    sum => `lost 0 of ${sum('acknowledged')} acknowledged in ${sum('kills')} kills of a log`,
  ),
  operations: native(
    'engine_tests',
    '*TableModelTest*',
    sum => `${sum('operations')} operations on tables, all as models tell`,
  ),
}

const chosen = process.argv.slice(2).map(argument => argument.split('='))
for (const [name, rounds] of chosen.length > 0 ? chosen : Object.keys(loops).map(name => [name])) {
  const loop = loops[name]
  if (loop !== undefined && (await loop(rounds))) continue
  console.error(loop === undefined ? `there is no loop ${name}` : `${name} failed`)
  process.exitCode = 1
}
