import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Database, Index, type Metric, type SearchPlan } from '../lib/vitrine.ts'
import { readSample, recallByDistance, sampleDimension } from './sample.ts'

// Searches that ask for a recall, on the real sample.

const dimension = sampleDimension

let base: Float32Array
let queries: Float32Array
let folder: string

beforeAll(async () => {
  ;({ base, queries } = await readSample())
  folder = await mkdtemp(join(tmpdir(), 'vitrine-recall-option-'))
})

afterAll(() => rm(folder, { recursive: true }))

const rows = (count: number) => base.subarray(0, count * dimension)
const query = (i: number) => queries.subarray(i * dimension, (i + 1) * dimension)

/** The recall that the queries get, by distance. */
async function recallOf(index: Index, k: number, recall: number): Promise<number> {
  const truth = await index.searchBatch(queries, { k, exact: true })
  const found = await index.searchBatch(queries, { k, recall })
  return recallByDistance(found, truth, k)
}

/** Asks until the plan says what is waited for. */
async function planWhen(
  index: Index,
  search: { k: number; recall: number },
  done: (plan: SearchPlan) => boolean,
): Promise<SearchPlan> {
  for (const end = performance.now() + 20_000; ; ) {
    const plan = index.explain(query(0), search)
    if (done(plan)) return plan
    if (performance.now() > end) throw new Error(`still ${JSON.stringify(plan)}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

describe.each<Metric>(['l2', 'cosine', 'ip'])('a recall under %s', metric => {
  let index: Index
  beforeAll(async () => {
    index = new Index({ dimension, metric, threads: 2 })
    await index.add(null, rows(4000))
  })
  afterAll(() => index.close())

  it('is what queries get that the index does not know', async () => {
    for (const [k, recall, least, most] of [
      [10, 0.95, 0.94, 0.995],
      [10, 0.99, 0.984, 1],
      [1, 0.95, 0.92, 1],
      [40, 0.97, 0.96, 1],
    ] as const) {
      const got = await recallOf(index, k, recall)
      expect(got, `recall ${recall} of ${k}`).toBeGreaterThanOrEqual(least)
      expect(got, `recall ${recall} of ${k}`).toBeLessThanOrEqual(most)
    }
  })

  it('is explained: the beam grows with it, the interval holds it', async () => {
    await index.searchBatch(queries.subarray(0, 64 * dimension), { k: 10, recall: 0.9 })
    const low = index.explain(query(1), { k: 10, recall: 0.9 })
    const high = index.explain(query(1), { k: 10, recall: 0.995 })
    expect(high.ef).toBeGreaterThan(low.ef)
    const { recall } = high
    expect(recall?.target).toBe(0.995)
    expect(recall?.sampled).toBeGreaterThan(100)
    expect(recall?.source).not.toBe('default')
    expect(recall?.expected).toBeGreaterThanOrEqual(0.9949)
    expect(recall?.low).toBeLessThanOrEqual(recall?.expected ?? 0)
    expect(recall?.high).toBeGreaterThanOrEqual(recall?.expected ?? 1)
    expect(index.explain(query(1), { k: 10, ef: 32 }).recall).toBeNull()
  })
})

describe('a recall', () => {
  it('does not wait: the first search is a wide one, and the index is measured behind it', async () => {
    const index = new Index({ dimension })
    try {
      await index.add(null, rows(3000))
      const first = await index.analyze(query(0), { k: 10, recall: 0.95 })
      expect(first.plan.recall).toEqual({
        target: 0.95,
        source: 'default',
        expected: null,
        low: null,
        high: null,
        sampled: 0,
        checked: 0,
      })
      expect(first.plan.ef).toBe(64)
      const plan = await planWhen(
        index,
        { k: 10, recall: 0.95 },
        ({ recall }) => recall?.source !== 'default',
      )
      expect(plan.ef).toBeLessThan(64)
    } finally {
      await index.close()
    }
  })

  it('is corrected by searches that were checked', async () => {
    const index = new Index({ dimension })
    try {
      await index.add(null, rows(3000))
      await index.searchBatch(queries, { k: 10, recall: 0.95 })
      let i = 0
      const plan = await planWhen(index, { k: 10, recall: 0.95 }, ({ recall }) => {
        for (let j = 0; j < 20; j++) index.searchSync(query(i++ % 500), { k: 10, recall: 0.95 })
        return (recall?.checked ?? 0) > 3
      })
      expect(plan.recall?.source).toBe('corrected')
    } finally {
      await index.close()
    }
  })

  it('is saved with the index, and measured anew when the index has become another', async () => {
    const path = join(folder, 'measured.vitrine')
    const index = new Index({ dimension, seed: 7 })
    try {
      await index.add(null, rows(2000))
      await index.searchBatch(queries.subarray(0, 64 * dimension), { k: 10, recall: 0.95 })
      // Some of the searches are still being checked: what is saved stands between two equal plans.
      const search = { k: 10, recall: 0.99 }
      let before = index.explain(query(0), search)
      for (let saved = false; !saved; ) {
        await index.save(path)
        const plan = index.explain(query(0), search)
        saved = plan.ef === before.ef && plan.recall?.checked === before.recall?.checked
        before = plan
      }
      const copy = await Index.load(path)
      try {
        const after = copy.explain(query(0), search)
        expect(after.ef).toBe(before.ef)
        expect(after.recall?.sampled).toBe(before.recall?.sampled)
        await copy.add(null, rows(4100).subarray(2000 * dimension))
        copy.searchSync(query(0), search)
        await planWhen(copy, search, plan => plan.ef !== before.ef)
      } finally {
        await copy.close()
      }
    } finally {
      await index.close()
    }
  })

  it('is measured alike by equal indexes of one seed', async () => {
    const plans = []
    for (let i = 0; i < 2; i++) {
      const index = new Index({ dimension, seed: 3, threads: 1 })
      await index.add(null, rows(1500))
      await index.searchBatch(queries.subarray(0, 64 * dimension), { k: 10, recall: 0.98 })
      plans.push(index.explain(query(0), { k: 100, recall: 0.98 }).ef)
      await index.close()
    }
    expect(plans[0]).toBe(plans[1])
  })

  it('of a collection is saved in its checkpoints', async () => {
    const path = join(folder, 'db')
    const search = { k: 5, recall: 0.97 }
    let db = await Database.open(path, { durability: 'none' })
    try {
      const notes = await db.createCollection('notes', { dimension })
      await notes.upsert({
        ids: Array.from({ length: 1200 }, (_, i) => i),
        vectors: rows(1200),
      })
      expect((await notes.search(query(0), search)).length).toBe(5)
      for (const end = performance.now() + 20_000; performance.now() < end; ) {
        if (notes.explain(query(0), search).recall?.source !== 'default') break
        await new Promise(resolve => setTimeout(resolve, 5))
      }
      const { ef } = notes.explain(query(0), search)
      await db.checkpoint()
      await db.close()
      db = await Database.open(path)
      const plan = db.collection('notes').explain(query(0), search)
      expect(plan.recall?.sampled).toBe(200)
      expect(plan.ef).toBe(ef)
    } finally {
      await db.close()
    }
  })

  it('is a number between 0 and 1, and no company for ef and exact', async () => {
    const index = new Index({ dimension: 2 })
    await index.add(null, [1, 2])
    const q = Float32Array.of(1, 2)
    for (const recall of [0, 1, -0.5, 1.5, 95, Number.NaN, Infinity, '0.9', null, {}, 1n]) {
      const options = { k: 1, recall } as never
      expect(() => index.searchSync(q, options)).toThrow(
        expect.objectContaining({ code: 'ERR_OPTION' }),
      )
      await expect(index.search(q, options)).rejects.toMatchObject({ code: 'ERR_OPTION' })
    }
    for (const other of [{ ef: 10 }, { exact: true }]) {
      const options = { k: 1, recall: 0.9, ...other }
      const refused = expect.objectContaining({ code: 'ERR_OPTION', details: { option: 'recall' } })
      expect(() => index.searchSync(q, options)).toThrow(refused)
      expect(() => index.explain(q, options)).toThrow(refused)
      await expect(index.search(q, options)).rejects.toEqual(refused)
      await expect(index.searchBatch(q, options)).rejects.toEqual(refused)
      await expect(index.analyze(q, options)).rejects.toEqual(refused)
    }
    expect(index.searchSync(q, { k: 1, recall: 0.9, exact: false }).ids).toEqual(Uint32Array.of(0))
    expect(index.searchSync(q, { k: 1, recall: Number.MIN_VALUE }).ids.length).toBe(1)
    expect(index.searchSync(q, { k: 1, recall: 1 - 2 ** -53 }).ids.length).toBe(1)
    await index.close()
  })
})
