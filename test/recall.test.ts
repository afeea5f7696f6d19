import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { Index } from '../lib/vitrine.ts'
import { rounds } from './rounds.ts'
import { readSample, recallByDistance, sampleDimension } from './sample.ts'

// Recall floors on the real sample, after every kind of operation. Recall is by distance: what is
// as far as the tenth counts. The floors leave room for another instruction set, not for a defect.

const dimension = sampleDimension
const size = 4000
const k = 10

let base: Float32Array
let queries: Float32Array

beforeAll(async () => {
  const sample = await readSample()
  base = sample.base
  queries = sample.queries.subarray(0, 200 * dimension)
})

const rows = (from: number, to: number) => base.subarray(from * dimension, to * dimension)
const numbers = (from: number, to: number) =>
  Uint32Array.from({ length: to - from }, (_, i) => from + i)

async function recall(index: Index, ef: number): Promise<number> {
  const truth = await index.searchBatch(queries, { k, exact: true })
  const found = await index.searchBatch(queries, { k, ef })
  return recallByDistance(found, truth, k)
}

const floors: Record<'l2' | 'cosine' | 'ip', { ef: number; floor: number }> = {
  l2: { ef: 32, floor: 0.99 },
  cosine: { ef: 32, floor: 0.99 },
  ip: { ef: 128, floor: 0.98 },
}

describe.each(['l2', 'cosine', 'ip'] as const)('%s', metric => {
  const { ef, floor } = floors[metric]

  test('finds the neighbours after a build, inserts, removals, saving and loading', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vitrine-recall-'))
    const index = new Index({ dimension, metric, threads: 2 })
    try {
      await index.add(numbers(0, size / 2), rows(0, size / 2))
      expect(await recall(index, ef), 'after the build').toBeGreaterThanOrEqual(floor)

      for (let i = size / 2; i < size; i += 500)
        await index.add(numbers(i, i + 500), rows(i, i + 500))
      expect(await recall(index, ef), 'after inserts').toBeGreaterThanOrEqual(floor)

      const gone = numbers(0, size).filter(id => id % 3 === 0)
      expect(await index.remove(gone)).toBe(gone.length)
      expect(await recall(index, ef), 'after removals').toBeGreaterThanOrEqual(floor)

      const path = join(folder, 'sample.vitrine')
      await index.save(path)
      const loaded = await Index.load(path)
      expect(await loaded.searchBatch(queries, { k, ef })).toEqual(
        await index.searchBatch(queries, { k, ef }),
      )
      expect(await recall(loaded, ef), 'after loading').toBeGreaterThanOrEqual(floor)
      await loaded.close()
    } finally {
      await index.close()
      await rm(folder, { recursive: true })
    }
  })

  test('finds the neighbours after ten times its size has come and gone', async () => {
    const live = rounds(1000, 500)
    const index = new Index({ dimension, metric, threads: 2, seed: 7 })
    try {
      await index.add(numbers(0, live), rows(0, live))
      // A ring through the sample: each step removes the oldest points and adds the next.
      const step = 100
      const count = base.length / dimension
      for (let next = live; next < live * 11; next += step) {
        await index.remove(numbers(next - live, next - live + step))
        const from = next % count
        await index.add(numbers(next, next + step), rows(from, from + step))
      }
      expect(index.size).toBe(live)
      expect(await recall(index, ef)).toBeGreaterThanOrEqual(floor)
    } finally {
      await index.close()
    }
  })
})
