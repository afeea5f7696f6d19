import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { jobs, root, run } from './run.mjs'

// Parts of a program that run side by side: enough that no core waits long for the last.
const shards = 4 * jobs
const mostSeconds = 900

/**
 * Tests that compute a lot and race little: what their threads do, the tests of concurrency do too.
 * Where everything takes many times as long, they are left to the other lanes, whole files of them
 * before they are compiled.
 */
export const heavyFiles = [
  ...['database_crash', 'database_damage', 'database_memory', 'engine_table_codes'],
  ...['engine_table_hard_data', 'engine_table_recall', 'engine_table_types', 'storage_container'],
  ...['storage_log_crash', 'storage_log_damage', 'table_file_damage'],
]
export const heavyTests = [
  ...['EveryBit', 'TableFileFaults', 'CandidatePool', 'GivesTheSamePoolInEveryForm'],
  ...['PointsCostLittle', 'AfterTheLastPointWasRemoved', 'MemoryRunsOut', 'CodeErrors'],
  ...['EveryDimensionAndDegree', 'TakesTheLongestPayload', 'GrowWithoutMovingAndApart'],
  ...['APowerCut', 'MappedTable.GivesNothingWrong', 'EveryCallMayFail', 'EveryKind'],
  'Manifest.SeesEveryFlippedBit',
]

/** googletest's filter for all tests but those with one of `names` in theirs. */
export const allBut = names => `-${names.map(name => `*${name}*`).join(':')}`

/**
 * Runs the native test programs of a build folder, each in a few processes: one for each test, as
 * ctest has it, would spend its time starting. Shows failures only.
 * @param {string} folder - As built before.
 * @param {{ filter?: string, programs?: string[], env?: Record<string, string>, wrapper?: string[] }} [options] -
 *   `filter` is googletest's; `programs` are all unless given; `wrapper` is a command line that starts a program.
 * @returns {Promise<{ passed: number, failed: number, skipped: number, failures: string[] }>} Counts
 *   of tests, and what failed. A process that ends without a result, or takes 15 minutes, counts one failure.
 */
export async function gtest(folder, { filter = '*', programs, env = {}, wrapper = [] } = {}) {
  const results = join(root, folder, 'results')
  rmSync(results, { recursive: true, force: true })
  mkdirSync(results)
  const all = readdirSync(join(root, folder)).filter(name => /^[a-z]+_tests$/.test(name))
  const queue = (programs ?? all).flatMap(program =>
    Array.from({ length: shards }, (_, shard) => ({ program, shard })),
  )
  const total = { passed: 0, failed: 0, skipped: 0, failures: [] }
  const work = async () => {
    for (let part = queue.shift(); part; part = queue.shift()) {
      const output = join(results, `${part.program}-${part.shard}.json`)
      const { ok } = await run(
        [
          ...['timeout', '--kill-after=10', `${mostSeconds}`, ...wrapper],
          join(root, folder, part.program),
          ...[`--gtest_filter=${filter}`, '--gtest_brief=1', `--gtest_output=json:${output}`],
        ],
        {
          env: { ...env, GTEST_TOTAL_SHARDS: `${shards}`, GTEST_SHARD_INDEX: `${part.shard}` },
          quiet: true,
        },
      )
      const counts = countTests(output)
      if (!ok && counts.failed === 0) {
        counts.failed = 1
        counts.failures.push(`${program}, part ${shard} of ${shards}: ended without a result`)
      }
      for (const key of ['passed', 'failed', 'skipped']) total[key] += counts[key]
      total.failures.push(...counts.failures)
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
  if (total.passed + total.failed === 0) total.failed = 1
  printSlowest(results)
  return total
}

function testsOf(file) {
  const { testsuites } = JSON.parse(readFileSync(file, 'utf8'))
  return testsuites.flatMap(({ testsuite }) => testsuite)
}

function countTests(file) {
  const counts = { passed: 0, failed: 0, skipped: 0, failures: [] }
  try {
    for (const { classname, name, status, result, failures } of testsOf(file)) {
      if (failures !== undefined) {
        counts.failed += 1
        counts.failures.push(`${classname}.${name}\n${failures[0].failure}`)
      } else if (status === 'NOTRUN' || result === 'SKIPPED') counts.skipped += 1
      else counts.passed += 1
    }
  } catch (error) {
    counts.failed += 1
    counts.failures.push(String(error))
  }
  return counts
}

// VITRINE_SLOWEST=20 names the tests that are worth making cheaper.
function printSlowest(results) {
  const count = Number(process.env.VITRINE_SLOWEST ?? 0)
  if (count === 0) return
  const tests = readdirSync(results).flatMap(name => testsOf(join(results, name)))
  const seconds = test => Number.parseFloat(test.time)
  for (const test of tests.sort((a, b) => seconds(b) - seconds(a)).slice(0, count)) {
    console.log(`${seconds(test).toFixed(1).padStart(7)} s  ${test.classname}.${test.name}`)
  }
}
