import { setImmediate } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { metrics } from '../lib/metrics/metrics.ts'
import {
  type Collection,
  Database,
  Index,
  type StatsSnapshot,
  type VitrineError,
} from '../lib/vitrine.ts'
import { readText } from './exposition.ts'
import { randomVectors, rowOf } from './vectors.ts'

const open: { close(): Promise<void> }[] = []
const opened = <T extends { close(): Promise<void> }>(one: T): T => {
  open.push(one)
  return one
}
afterEach(() => Promise.all(open.splice(0).map(one => one.close())))

const dimension = 16
const count = 3000
const queries = randomVectors(60, dimension, 2)
const query = (i: number) => rowOf(queries, dimension, i)

/** A graph of so few links that narrow walks miss much. */
async function poorIndex(name = 'poor') {
  const index = opened(new Index({ dimension, m: 3, efConstruction: 8, name }))
  await index.add(null, randomVectors(count, dimension, 1))
  return index
}

type Watched = Pick<Index, 'statsSnapshot'>

const samplesOf = (snapshot: StatsSnapshot, name: string) => {
  const family = snapshot.families.find(one => one.name === name)
  if (family === undefined || family.type === 'histogram') throw new Error(`no numbers of ${name}`)
  return family.samples
}
const probesOf = (watched: Watched) =>
  Object.fromEntries(
    samplesOf(watched.statsSnapshot(), 'vitrine_recall_probes_total').map(
      ({ labels, value }) => [labels.outcome, value] as const,
    ),
  ) as { ok: number; skipped: number; error: number }

/** Waits until so many searches that were drawn have been dealt with, and says how. */
async function probed(watched: Watched, total: number) {
  for (;;) {
    const probes = probesOf(watched)
    if (probes.ok + probes.skipped + probes.error >= total) return probes
    await setImmediate()
  }
}

/** How many of the `k` true neighbours a search found: those as near as the last of them. */
function foundBy(index: Index, i: number, k: number, distances: Float32Array) {
  const { distances: truth } = index.searchSync(query(i), { k, exact: true })
  return distances.filter(distance => distance <= truth[k - 1]!).length
}

describe('the recall that searches have', () => {
  it('is what exact searches tell', async () => {
    const index = await poorIndex()
    index.enableStats({ recallSampleRate: 1 })
    expect(index.stats()?.recall).toBeUndefined()
    let [probes, expected, found] = [0, 0, 0]
    for (let i = 0; i < 60; i++) {
      const { distances } = index.searchSync(query(i), { k: 10, ef: 10 })
      const { ok } = await probed(index, i + 1)
      if (ok === probes) continue
      probes = ok
      expected += 10
      found += foundBy(index, i, 10, distances)
    }
    expect(probes).toBeGreaterThan(30)
    expect(found).toBeLessThan(expected)
    const recall = index.stats()?.recall
    expect(recall).toMatchObject({ ratio: found / expected, probes })
    expect(recall?.low).toBeLessThan(found / expected)
    expect(recall?.high).toBeGreaterThan(found / expected)
    expect(recall!.high - recall!.low).toBeLessThan(0.2)
  })

  it('is looked at whatever search it is', async () => {
    const index = await poorIndex()
    index.enableStats({ recallSampleRate: 1 })
    const out = { ids: new Uint32Array(5), distances: new Float32Array(5) }
    index.searchSync(query(0), { k: 5 })
    await probed(index, 1)
    index.searchInto(query(1), out)
    await probed(index, 2)
    await index.search(query(2), { k: 5 })
    await probed(index, 3)
    await index.search(query(3), { k: 5, recall: 0.5 })
    await probed(index, 4)
    await index.searchBatch(queries, { k: 5 })
    const { ok, skipped, error } = await probed(index, 64)
    expect(ok).toBeGreaterThanOrEqual(5)
    expect([ok + skipped, error]).toEqual([64, 0])
    // There is nothing to learn of these.
    index.searchSync(query(4), { k: 5, exact: true })
    index.searchSync(query(5), { k: 5, filter: [1, 2, 3] })
    await index.search(query(6), { k: 5, exact: true })
    expect(() => index.searchSync(Float32Array.of(1), { k: 5 })).toThrow()
    index.searchSync(query(7), { k: 5 })
    const after = await probed(index, 65)
    expect(after.ok + after.skipped).toBe(65)
  })

  it('begins anew when stats are reset, and ends when nobody asks', async () => {
    const index = await poorIndex()
    index.enableStats({ recallSampleRate: 1 })
    index.searchSync(query(0), { k: 10 })
    await probed(index, 1)
    expect(index.stats()?.recall?.probes).toBe(1)
    index.resetStats()
    expect(index.stats()?.recall).toBeUndefined()
    expect(probesOf(index).ok).toBe(1)
    index.enableStats()
    index.searchSync(query(1), { k: 10 })
    index.enableStats({ recallSampleRate: 1, level: 'phases' })
    index.searchSync(query(2), { k: 10 })
    await probed(index, 2)
    expect(index.stats()?.recall?.probes).toBe(1)
    index.disableStats()
    index.searchSync(query(3), { k: 10 })
    index.enableStats()
    expect(await probed(index, 2)).toMatchObject({ ok: 2, skipped: 0 })
  })

  it.each([-0.1, 1.001, Number.NaN, Number.POSITIVE_INFINITY, '1', null, true, [1]])(
    'is not measured at a rate of %s',
    rate => {
      const index = opened(new Index({ dimension }))
      expect(() => index.enableStats({ recallSampleRate: rate as number })).toThrowError(
        expect.objectContaining<Partial<VitrineError>>({ code: 'ERR_OPTION' }),
      )
      expect(index.stats()).toBeNull()
    },
  )

  it('may be asked for until the very end', async () => {
    const vectors = randomVectors(500, dimension, 3)
    for (let i = 0; i < 30; i++) {
      const index = new Index({ dimension, m: 3 })
      await index.add(null, vectors)
      index.enableStats({ recallSampleRate: 1 })
      index.searchSync(query(i), { k: 10 })
      if (i % 2 === 0) void index.searchBatch(queries, { k: 10 }).catch(() => undefined)
      await index.close()
    }
  })
})

describe('the recall of a collection', () => {
  async function withPoints() {
    const db = opened(await Database.open(':memory:', { name: 'shop' }))
    const collection = await db.createCollection('things', {
      dimension,
      m: 3,
      efConstruction: 8,
      fields: { even: 'boolean' },
    })
    const vectors = randomVectors(count, dimension, 1)
    await collection.upsert(
      Array.from({ length: count }, (_, i) => ({
        id: i,
        vector: rowOf(vectors, dimension, i),
        payload: { even: i % 2 === 0 },
      })),
    )
    return { db, collection: collection as unknown as Collection }
  }

  it('counts for its database too, whichever asks', async () => {
    const { db, collection } = await withPoints()
    db.enableStats({ recallSampleRate: 1 })
    await collection.search(query(0), { k: 10, ef: 10 })
    await probed(db, 1)
    expect(probesOf(collection).ok).toBe(0)
    collection.enableStats()
    await collection.search(query(1), { k: 10, ef: 10 })
    await probed(db, 2)
    expect([db.stats()?.recall?.probes, collection.stats()?.recall?.probes]).toEqual([2, 1])
    db.enableStats()
    await collection.search(query(2), { k: 10, ef: 10 })
    collection.enableStats({ recallSampleRate: 1 })
    await collection.search(query(3), { k: 10, ef: 10 })
    await probed(db, 3)
    expect([db.stats()?.recall?.probes, collection.stats()?.recall?.probes]).toEqual([3, 2])
    // Few points that the filter admits are looked at one by one.
    await collection.search(query(4), { k: 10, where: { even: true } })
    expect((await probed(db, 3)).ok).toBe(3)
  })

  it('is exported, by its name and by those of others', async () => {
    const { db, collection } = await withPoints()
    db.enableStats({ recallSampleRate: 1 })
    for (let i = 0; i < 20; i++) {
      await collection.search(query(i), { k: [1, 10, 7][i % 3]!, ef: 10 })
      await probed(db, i + 1)
    }
    const read = async (options: object) =>
      readText(await metrics(db, options).text(), 'prometheus')
    const all = await read({ compat: ['omendb'] })
    const samples = (name: string, families = all) =>
      families.find(family => family.name === name)?.samples ?? []
    const by = (name: string, k: string) =>
      samples(name).find(({ labels }) => labels.k === k && labels.index === 'graph')?.value
    let [expected, found] = [0, 0]
    for (const k of ['1', '10', 'other']) {
      const these = by('vitrine_recall_probe_expected_neighbors_total', k)!
      const those = by('vitrine_recall_probe_found_neighbors_total', k)!
      expect(these).toBeGreaterThan(0)
      expect(by('vitrine_recall_ratio', k)).toBeCloseTo(those / these, 8)
      expected += these
      found += those
    }
    expect(samples('vitrine_recall_ratio')).toHaveLength(3)
    expect(samples('vitrine_recall_probes_total').map(({ labels }) => labels.outcome)).toEqual([
      'ok',
      'skipped',
      'error',
    ])
    // Of all together it is that of all neighbours, and no mean of means.
    const [theirs] = samples('omendb_engine_search_accuracy_ratio')
    expect(theirs).toMatchObject({ labels: { db_id: 'shop' } })
    expect(theirs?.value).toBeCloseTo(found / expected, 8)
    const [ours] = samples('vitrine_recall_ratio', await read({ labels: ['db'] }))
    expect(ours).toMatchObject({ labels: { db: 'shop' } })
    expect(ours?.value).toBeCloseTo(found / expected, 8)
    expect(db.stats()?.recall?.ratio).toBeCloseTo(found / expected, 12)
  })
})
