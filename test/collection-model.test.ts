import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { twoAtATime } from './child-process.ts'
import { ModelRun } from './collection-model.ts'
import { databaseFolders } from './databases.ts'

const { folder } = databaseFolders('model')

// `npm run test:slow` makes 2,000 runs. A failure names the seed of its run.
const runs = Number(process.env.VITRINE_MODEL_RUNS ?? 3)
const first = Number(process.env.VITRINE_MODEL_SEED ?? 5)

/** @returns How many calls it made. */
async function runOf(seed: number): Promise<number> {
  const own = join(folder(), `${seed}`)
  mkdirSync(own)
  const run = new ModelRun(seed, own)
  try {
    await run.run()
  } catch (error) {
    await run.close()
    const last = run.calls.slice(-5).join(', ')
    const replay = `VITRINE_MODEL_SEED=${seed} VITRINE_MODEL_RUNS=1`
    throw new Error(`${replay}: call ${run.calls.length}, of … ${last}`, { cause: error })
  }
  rmSync(own, { recursive: true })
  return run.calls.length
}

describe('a database of random calls', () => {
  it('tells what its model tells', async () => {
    let calls = 0
    const seeds = Array.from({ length: runs }, (_, i) => first + i)
    await twoAtATime(seeds, async seed => {
      const made = await runOf(seed)
      calls += made
    })
    expect(calls).toBeGreaterThan(runs)
    if (runs > 100) process.stdout.write(`${calls} calls in ${runs} runs, all as models tell\n`)
  }, 3_600_000)
})
