import { performance } from 'node:perf_hooks'

// What one failure may say in the closing list: enough to see what was wrong.
const mostCharacters = 1500

/** What ran, what it found and how long it took: the closing table of `npm test`. */
export class Report {
  #skipFails
  #lane = ''
  #rows = []
  #lanes = []

  /** @param {{ skipFails: boolean }} options - `skipFails`: a step that is skipped counts as failed. */
  constructor({ skipFails }) {
    this.#skipFails = skipFails
  }

  /** Runs every step of a lane; an error that escapes is one failure of the lane. */
  async lane(name, run) {
    this.#lane = name
    const start = performance.now()
    try {
      await run()
    } catch (error) {
      console.error(error)
      this.#add('lane', { failed: 1, failures: [String(error)] }, 0)
    }
    this.#lanes.push({ name, seconds: (performance.now() - start) / 1000 })
  }

  /**
   * Runs one step and counts what it returns: a boolean is one check, otherwise numbers of tests,
   * with `failures` that name what failed and say why. Steps may run side by side.
   * @returns {Promise<boolean>} Whether nothing failed.
   */
  async step(name, run) {
    console.log(`\n── ${this.#lane}: ${name}`)
    const start = performance.now()
    const result = await run()
    const counts = typeof result === 'boolean' ? { [result ? 'passed' : 'failed']: 1 } : result
    this.#add(name, counts, (performance.now() - start) / 1000)
    return !counts.failed
  }

  /** Notes a step that could not run, and how to make it run. */
  skip(name, remedy) {
    console.log(`\n── ${this.#lane}: ${name}: SKIPPED. ${remedy}`)
    this.#add(name, this.#skipFails ? { failed: 1, failures: [remedy] } : { skipped: 1 }, 0)
  }

  /** Prints the table and the closing line. @returns {number} The exit code. */
  close() {
    const total = { passed: 0, failed: 0, skipped: 0 }
    console.log('\nlane     step                               passed  failed  skipped   seconds')
    for (const row of this.#rows) {
      for (const key of Object.keys(total)) total[key] += row[key]
      const cells = [row.passed, row.failed, row.skipped].map((n, i) =>
        `${n}`.padStart(7 + (i > 1)),
      )
      const time = row.seconds.toFixed(1).padStart(9)
      console.log(`${row.lane.padEnd(8)} ${row.name.padEnd(33)}${cells.join(' ')} ${time}`)
    }
    for (const { name, seconds } of this.#lanes) {
      console.log(`lane ${name}: ${seconds.toFixed(0)} s`)
    }
    if (total.passed + total.failed === 0) total.failed = 1
    this.#printFailures()
    const skipped = total.skipped ? `, ${total.skipped} skipped` : ''
    console.log(`\n${total.passed} passed, ${total.failed} failed${skipped}`)
    return total.failed === 0 ? 0 : 1
  }

  // Once more at the end, where whoever has nothing but the last lines of a log finds them.
  #printFailures() {
    for (const row of this.#rows.filter(({ failed }) => failed > 0)) {
      const failures = row.failures.length > 0 ? row.failures : ['see above']
      for (const failure of failures) {
        const lines = failure.trim().slice(0, mostCharacters).split('\n')
        console.log(`\nFAILED ${row.lane}: ${row.name}: ${lines.join('\nFAILED   ')}`)
      }
    }
  }

  #add(name, { passed = 0, failed = 0, skipped = 0, failures = [] }, seconds) {
    this.#rows.push({ lane: this.#lane, name, passed, failed, skipped, failures, seconds })
  }
}
