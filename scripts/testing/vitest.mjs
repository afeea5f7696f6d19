import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { root, run } from './run.mjs'

/**
 * Runs projects of vitest.config.ts.
 * @param {string[]} projects - Names of projects.
 * @param {{ env?: Record<string, string> }} [options] - `env` is added to the environment.
 * @returns {Promise<{ passed: number, failed: number, skipped: number }>} Counts of tests; a run
 *   that fails without a failed test, or without a result, counts one failure.
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
    }
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }
  }
}
