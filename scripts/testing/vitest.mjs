import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { root, run } from './run.mjs'

/**
 * Runs projects of vitest.config.ts.
 * @param {string[]} projects - Names of projects.
 * @param {{ env?: Record<string, string> }} [options] - `env` is added to the environment.
 * @returns {Promise<{ passed: number, failed: number, skipped: number, failures: string[] }>} Counts
 *   of tests, and what failed; a run that fails without a failed test, or without a result, counts one failure.
 */
export async function vitest(projects, { env } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-vitest-'))
  const results = join(folder, 'results.json')
  try {
    const { ok } = await run(
      [
        process.execPath,
        join(root, 'node_modules', 'vitest', 'vitest.mjs'),
        'run',
        ...projects.flatMap(project => ['--project', project]),
        '--reporter=default',
        '--reporter=json',
        `--outputFile.json=${results}`,
      ],
      { env },
    )
    const counts = countTests(results)
    if (!ok && counts.failed === 0) counts.failed = 1
    return counts
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function countTests(file) {
  try {
    const results = JSON.parse(readFileSync(file, 'utf8'))
    return {
      passed: results.numPassedTests,
      failed: results.numFailedTests,
      skipped: results.numPendingTests + results.numTodoTests,
      failures: results.testResults.flatMap(failuresOf),
    }
  } catch (error) {
    return { passed: 0, failed: 1, skipped: 0, failures: [String(error)] }
  }
}

function failuresOf({ name, status, message, assertionResults }) {
  const failures = assertionResults
    .filter(test => test.status === 'failed')
    .map(test => `${test.fullName}\n${test.failureMessages[0] ?? ''}`)
  // A file that could not be loaded has no tests.
  if (status === 'failed' && failures.length === 0) failures.push(`${name}\n${message}`)
  return failures
}
