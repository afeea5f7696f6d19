import { beforeAll, describe, expect, it } from 'vitest'
import { type IdSet, Index, type Metric, type Quantization } from '../lib/vitrine.ts'
import { scaled } from './rounds.ts'
import { readSample, sampleDimension } from './sample.ts'
import { randomVectors } from './vectors.ts'

// Filters that allow nothing near the query, on the real sample.

const dimension = sampleDimension
const size = 6000

let base: Float32Array
let queries: Float32Array

beforeAll(async () => {
  ;({ base, queries } = await readSample())
})

const query = (i: number) => queries.subarray(i * dimension, (i + 1) * dimension)

/** Searches until the index has its sketches. */
async function sketched(index: Index, filter: IdSet): Promise<void> {
  for (const end = performance.now() + 20_000; ; ) {
    const plan = index.explain(query(0), { k: 10, filter })
    if (plan.kind === 'sketch') return
    if (performance.now() > end) throw new Error(`still ${JSON.stringify(plan)}`)
    await new Promise(done => setTimeout(done, 5))
  }
}

/** The points from the nearest to the farthest of a query. */
async function byDistance(index: Index, i: number): Promise<Uint32Array> {
  return (await index.search(query(i), { k: size, exact: true })).ids
}

async function expectRecall(index: Index, i: number, filter: IdSet, k = 10): Promise<void> {
  const truth = await index.search(query(i), { k, filter, exact: true })
  const found = await index.search(query(i), { k, filter })
  const farthest = truth.distances.at(-1) as number
  expect(found.ids.length).toBe(k)
  expect(found.distances.filter(distance => distance <= farthest).length).toBeGreaterThanOrEqual(
    Math.floor(0.99 * k),
  )
}

describe.each<[Metric, Quantization]>([
  ['l2', 'auto'],
  ['cosine', 'rq4'],
  ['ip', 'none'],
])('a filter far from the query, %s on %s', (metric, quantization) => {
  it('is answered by sketches, made behind the first searches and kept up by writes', async () => {
    const index = new Index({ dimension, metric, quantization })
    try {
      await index.add(null, base.subarray(0, size * dimension))
      const before = index.memoryUsage().codes
      const far = index.idSet((await byDistance(index, 0)).slice(size / 2))
      await sketched(index, far)
      const perRow = (index.memoryUsage().codes - before) / size
      expect(perRow).toBe(64)

      for (let i = 0; i < scaled(20, 5); i++) {
        const order = await byDistance(index, i)
        await expectRecall(index, i, index.idSet(order.slice(size / 10)), 10)
        await expectRecall(index, i, index.idSet(order.slice(size / 2)), 100)
        await expectRecall(index, i, index.idSet(order.filter((_, j) => j % 7 === 0)))
      }

      // Points that change places are found where they are now.
      const moved = Uint32Array.from({ length: 500 }, (_, i) => i)
      await index.remove(moved.slice(250))
      await index.upsert(
        moved.slice(0, 250),
        base.subarray(size * dimension, (size + 250) * dimension),
      )
      const ids = index.ids()
      for (let i = 20; i < 25; i++) {
        const order = (await index.search(query(i), { k: ids.length, exact: true })).ids
        const filter = index.idSet(order.slice(ids.length / 3))
        const { plan, stopReason, counters } = await index.analyze(query(i), { k: 10, filter })
        expect({ kind: plan.kind, stopReason }).toEqual({ kind: 'sketch', stopReason: 'enough' })
        expect(counters.reranked).toBeGreaterThanOrEqual(10)
        expect(counters.candidates).toBeGreaterThanOrEqual(counters.reranked)
        expect(counters.probeHops).toBe(counters.hops)
        await expectRecall(index, i, filter)
      }
    } finally {
      await index.close()
    }
  })
})

describe('the plan of a filter', () => {
  it('is a sketch only where there are rows and dimensions enough', async () => {
    const small = new Index({ dimension: 16 })
    const vectors = Float32Array.from({ length: 6000 * 16 }, (_, i) => Math.sin(i * i))
    await small.add(null, vectors)
    const filter = small.idSet(Uint32Array.from({ length: 3000 }, (_, i) => i))
    for (let i = 0; i < 3; i++) {
      const found = await small.search(vectors.subarray(0, 16), { k: 3, filter })
      expect(found.ids[0]).toBe(0)
      expect(small.explain(vectors.subarray(0, 16), { k: 3, filter }).kind).not.toBe('sketch')
    }
    await small.close()
  })

  it('is a walk where most of what is near is allowed, unless few points are in all', async () => {
    const size = 14_000
    const vectors = randomVectors(size, 64, 7)
    const index = new Index({ dimension: 64 })
    try {
      await index.add(null, vectors)
      const near = vectors.subarray(0, 64)
      const order = (await index.search(near, { k: 10_000, exact: true })).ids
      const planOf = (ids: Uint32Array) => index.explain(near, { k: 10, filter: index.idSet(ids) })
      for (const end = performance.now() + 20_000; planOf(order.slice(7500)).kind !== 'sketch'; ) {
        if (performance.now() > end) throw new Error('there are no sketches')
        await new Promise(done => setTimeout(done, 5))
      }
      expect(planOf(order.slice(0, 3500)).kind).toBe('filter-pass')
      const few = planOf(order.slice(0, 2900))
      expect(few).toMatchObject({ kind: 'sketch', reason: 'few-allowed', localShare: null })
      // A quarter, near and far.
      const spread = planOf(index.ids().filter((_, i) => i % 4 === 0) as Uint32Array)
      expect(spread).toMatchObject({ kind: 'sketch', reason: 'few-allowed' })
      expect(spread.localShare).toBeGreaterThan(0.05)
    } finally {
      await index.close()
    }
  })
})
