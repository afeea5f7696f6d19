import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import {
  type EngineStats,
  engineInfo,
  type HistogramSample,
  Index,
  type MetricLabels,
  type StatsSnapshot,
  type VitrineError,
} from '../lib/vitrine.ts'
import { randomVectors } from './vectors.ts'

const open: { close(): Promise<void> }[] = []
const opened = <T extends { close(): Promise<void> }>(index: T): T => {
  open.push(index)
  return index
}
afterEach(() => Promise.all(open.splice(0).map(index => index.close())))

const operations = 'vitrine_engine_operations_total'
const evaluations = 'vitrine_engine_distance_evaluations_total'

const matches = (labels: MetricLabels, wanted: MetricLabels) =>
  Object.entries(wanted).every(([name, value]) => labels[name] === value)

/** The sum of the samples that have these labels. */
function totalOf(snapshot: StatsSnapshot, name: string, labels: MetricLabels = {}): number {
  const family = snapshot.families.find(one => one.name === name)
  if (family === undefined || family.type === 'histogram') throw new Error(`no numbers of ${name}`)
  return family.samples
    .filter(sample => matches(sample.labels, labels))
    .reduce((sum, { value }) => sum + value, 0)
}

function histogramsOf(snapshot: StatsSnapshot, name: string, labels: MetricLabels = {}) {
  const family = snapshot.families.find(one => one.name === name)
  if (family?.type !== 'histogram') throw new Error(`no histogram ${name}`)
  return family.samples.filter(sample => matches(sample.labels, labels))
}

const onlyOf = (snapshot: StatsSnapshot, name: string, labels: MetricLabels): HistogramSample => {
  const samples = histogramsOf(snapshot, name, labels)
  expect(samples).toHaveLength(1)
  return samples[0]!
}

/** Five points on a line: a graph that is known by heart. */
async function tiny() {
  const index = opened(new Index({ dimension: 1, name: 'tiny' }))
  await index.add([0, 1, 2, 3, 4], Float32Array.of(0, 1, 2, 3, 4))
  return index
}
const query = Float32Array.of(1.2)

describe('statistics that are off', () => {
  it('tell nothing, and count nothing', async () => {
    const index = await tiny()
    expect(index.stats()).toBeNull()
    index.searchSync(query, { k: 1 })
    const snapshot = index.statsSnapshot()
    expect(snapshot.level).toBe('off')
    expect(totalOf(snapshot, operations)).toBe(0)
    // What is there needs no counting.
    expect(totalOf(snapshot, 'vitrine_engine_vectors', { state: 'live' })).toBe(5)
    index.enableStats()
    index.searchSync(query, { k: 1 })
    index.disableStats()
    expect(index.stats()).toBeNull()
    index.searchSync(query, { k: 1 })
    index.enableStats()
    expect(index.stats()).toMatchObject({ totalSearches: 1 })
  })

  it('are as if they had never been for operations that began before', async () => {
    const index = await tiny()
    const search = index.search(query, { k: 1 })
    index.enableStats()
    await search
    expect(index.stats()).toMatchObject({ totalSearches: 0 })
  })
})

describe('on a graph of five points', () => {
  // Each is an entry, so all are scored before the first hop; the beam holds them all, so each is
  // expanded; and none has a neighbour that was not met before.
  const walked = { hops: 5, route: 5, exact: 0 }

  it('a walk counts five entries, five hops and nothing else', async () => {
    const index = await tiny()
    index.enableStats({ level: 'histograms' })
    const { counters } = await index.analyze(query, { k: 2 })
    expect(counters).toMatchObject({ hops: 5, entryEvaluations: 5, graphEvaluations: 0 })
    const snapshot = index.statsSnapshot()
    expect(totalOf(snapshot, evaluations, { index: 'graph', phase: 'route' })).toBe(walked.route)
    expect(totalOf(snapshot, evaluations)).toBe(walked.route)
    // Five entries are four and one; no hop meets a row that is new.
    const calls = 'vitrine_engine_kernel_calls_total'
    expect(totalOf(snapshot, calls, { kernel: 'f32', isa: engineInfo().instructionSet })).toBe(2)
    expect(totalOf(snapshot, calls)).toBe(2)
    expect(totalOf(snapshot, 'vitrine_engine_node_visits_total', { index: 'graph' })).toBe(5)
    expect(totalOf(snapshot, 'vitrine_search_plans_total', { strategy: 'graph' })).toBe(1)
    expect(totalOf(snapshot, 'vitrine_search_plans_total')).toBe(1)
    expect(onlyOf(snapshot, 'vitrine_search_hops', { index: 'graph' })).toMatchObject({
      count: 1,
      sum: 5,
      max: 5,
    })
    expect(onlyOf(snapshot, 'vitrine_search_scanned_vectors', { index: 'graph' }).sum).toBe(5)
    expect(onlyOf(snapshot, 'vitrine_search_returned_vectors', {}).sum).toBe(2)
  })

  it('every way to search counts once, by every plan', async () => {
    const index = await tiny()
    index.enableStats({ level: 'histograms' })
    const out = { ids: new Uint32Array(2), distances: new Float32Array(2) }
    index.searchSync(query, { k: 2 })
    index.searchInto(query, out)
    await index.search(query, { k: 2, exact: true })
    await index.analyze(query, { k: 2, filter: [1, 3] })
    await index.searchBatch(Float32Array.of(1, 2, 3), { k: 2 })
    index.searchSync(query, { k: 2, filter: [77] })
    const snapshot = index.statsSnapshot()
    expect(totalOf(snapshot, operations, { op: 'search', outcome: 'ok' })).toBe(5)
    expect(totalOf(snapshot, operations, { op: 'batch', outcome: 'ok' })).toBe(1)
    expect(totalOf(snapshot, operations)).toBe(6)
    const plans = (strategy: string) =>
      totalOf(snapshot, 'vitrine_search_plans_total', { strategy })
    expect([plans('graph'), plans('exact'), plans('prefilter'), plans('nothing')]).toEqual([
      5, 1, 1, 1,
    ])
    expect(totalOf(snapshot, evaluations, { phase: 'route' })).toBe(5 * 5)
    expect(totalOf(snapshot, evaluations, { index: 'exact', phase: 'exact' })).toBe(5 + 2)
    expect(onlyOf(snapshot, 'vitrine_engine_batch_vectors', { op: 'batch' }).sum).toBe(3)
    expect(onlyOf(snapshot, 'vitrine_search_returned_vectors', {})).toMatchObject({
      count: 8,
      sum: 7 * 2,
    })
    expect(index.stats()).toMatchObject({ totalSearches: 6, totalErrors: 0 })
  })

  it('every write and read counts, with how many it was about', async () => {
    const index = await tiny()
    index.enableStats({ histograms: true })
    await index.add(null, Float32Array.of(5, 6))
    await index.upsert([5], Float32Array.of(7))
    await index.remove([5, 6, 99])
    index.get([1, 2, 3, 4])
    const snapshot = index.statsSnapshot()
    for (const [op, vectors] of [
      ['insert', 2],
      ['upsert', 1],
      ['delete', 3],
      ['get', 4],
    ] as const) {
      expect(totalOf(snapshot, operations, { op, outcome: 'ok' })).toBe(1)
      expect(onlyOf(snapshot, 'vitrine_engine_batch_vectors', { op })).toMatchObject({
        count: 1,
        sum: vectors,
      })
      expect(onlyOf(snapshot, 'vitrine_engine_operation_duration_seconds', { op }).count).toBe(1)
    }
    expect(totalOf(snapshot, operations)).toBe(4)
    expect(totalOf(snapshot, 'vitrine_engine_vectors', { state: 'live' })).toBe(5)
    expect(totalOf(snapshot, 'vitrine_engine_vectors_indexed_total')).toBe(3)
  })

  it('what answers at once counts as well, and so does what makes room', async () => {
    const index = await tiny()
    index.enableStats({ histograms: true })
    expect(index.has(1)).toBe(true)
    index.explain(query, { k: 1 })
    expect(() => index.explain(new Float32Array(3), { k: 1 })).toThrow()
    index.reserve(10)
    const written = index.add([7], query)
    index.reserve(20)
    await written
    // After the one that had to wait.
    await index.remove([7])
    await index.optimize()
    const snapshot = index.statsSnapshot()
    const count = (op: string, outcome: string) => totalOf(snapshot, operations, { op, outcome })
    expect([count('get', 'ok'), count('get', 'error'), count('maintain', 'ok')]).toEqual([2, 1, 3])
    expect(totalOf(snapshot, operations)).toBe(3 + 2 + 3)
    expect(totalOf(snapshot, 'vitrine_engine_operations_in_flight')).toBe(0)
    // It plans, and does not search.
    expect(index.stats()).toMatchObject({ totalSearches: 0, totalErrors: 1 })
    expect(totalOf(snapshot, evaluations)).toBe(0)
  })

  it('how long loading took is told of what was loaded', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vitrine-statistics-'))
    try {
      const index = await tiny()
      await index.save(join(folder, 'tiny'))
      const loaded = opened(await Index.load(join(folder, 'tiny')))
      const family = 'vitrine_engine_open_duration_seconds'
      expect(totalOf(index.statsSnapshot(), family)).toBe(0)
      expect(totalOf(loaded.statsSnapshot(), family)).toBeGreaterThan(0)
      expect(totalOf(loaded.statsSnapshot(), family)).toBeLessThan(60)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('every end of an operation counts once', () => {
  it('by its outcome, and by its code', async () => {
    const index = await tiny()
    index.enableStats()
    const ended = async (call: () => unknown) => {
      const before = index.statsSnapshot()
      const code = await Promise.resolve()
        .then(call)
        .then(
          () => 'ok',
          (error: VitrineError) => error.code,
        )
      const since = index.statsSnapshot({ since: before })
      expect(totalOf(since, operations)).toBe(1)
      const family = since.families.find(one => one.name === operations)
      const sample = family?.samples.find(one => 'value' in one && one.value === 1)
      const { op, outcome } = sample?.labels ?? {}
      const errors = totalOf(since, 'vitrine_engine_errors_total', { op: op! })
      expect(errors).toBe(outcome === 'ok' ? 0 : 1)
      if (code.startsWith('ERR_')) {
        expect(totalOf(since, 'vitrine_engine_errors_total', { op: op!, code })).toBe(1)
      }
      return [op, outcome, code]
    }
    const wide = new Float32Array(3)
    const nan = Float32Array.of(Number.NaN)
    expect(await ended(() => index.searchSync(query, { k: 1 }))).toEqual(['search', 'ok', 'ok'])
    expect(await ended(() => index.searchSync(wide, { k: 1 }))).toEqual([
      'search',
      'error',
      'ERR_DIMENSION',
    ])
    expect(await ended(() => index.search(nan, { k: 1 }))).toEqual([
      'search',
      'error',
      'ERR_VECTOR',
    ])
    expect(await ended(() => index.search(wide, { k: 1 }))).toEqual([
      'search',
      'error',
      'ERR_DIMENSION',
    ])
    expect(await ended(() => index.searchBatch(nan, { k: 1 }))).toEqual([
      'batch',
      'error',
      'ERR_VECTOR',
    ])
    expect(await ended(() => index.add([1], query))).toEqual(['insert', 'error', 'ERR_EXISTS'])
    expect(await ended(() => index.upsert([1, 2], query))).toEqual([
      'upsert',
      'error',
      'ERR_DIMENSION',
    ])
    expect(await ended(() => index.get([99]))).toEqual(['get', 'error', 'ERR_NOT_FOUND'])
    expect(await ended(() => index.save('/nowhere/at/all'))).toEqual(['save', 'error', 'ERR_IO'])
  })

  it('when its time is over', async () => {
    const index = opened(new Index({ dimension: 256, m: 4, efConstruction: 8 }))
    await index.add(null, randomVectors(5000, 256, 1))
    index.enableStats()
    const queries = randomVectors(2000, 256, 2)
    await expect(index.searchBatch(queries, { k: 1, exact: true, timeoutMs: 1 })).rejects.toThrow()
    const snapshot = index.statsSnapshot()
    expect(totalOf(snapshot, operations, { op: 'batch', outcome: 'timeout' })).toBe(1)
    expect(index.stats()).toMatchObject({ totalSearches: 1, totalErrors: 1 })
  })

  it('with how long they waited, although they never ran', async () => {
    const index = opened(new Index({ dimension: 64, m: 4, efConstruction: 8 }))
    await index.add(null, randomVectors(5000, 64, 1))
    index.enableStats({ level: 'phases' })
    const controller = new AbortController()
    const options = { k: 1, exact: true, signal: controller.signal }
    const vector = randomVectors(1, 64, 2)
    const searches = Array.from({ length: 500 }, () => index.search(vector, options))
    controller.abort()
    await Promise.allSettled(searches)
    const snapshot = index.statsSnapshot()
    expect(totalOf(snapshot, operations, { op: 'search', outcome: 'cancelled' })).toBeGreaterThan(0)
    expect(onlyOf(snapshot, 'vitrine_engine_queue_wait_seconds', {}).count).toBe(500)
    // Perhaps none of them did.
    const ran = histogramsOf(snapshot, 'vitrine_engine_operation_duration_seconds', {
      op: 'search',
    })
    expect(ran.reduce((sum, { count }) => sum + count, 0)).toBeLessThan(500)
  })

  it('when there is no room for it to wait', async () => {
    const index = opened(new Index({ dimension: 16, m: 64, efConstruction: 16_384 }))
    index.enableStats({ level: 'phases' })
    const abort = new AbortController()
    const slow = index.add(null, randomVectors(20_000, 16, 1), { signal: abort.signal })
    const calls = Array.from({ length: 66_000 }, () => index.remove([1_000_000]))
    calls.push(slow.then(() => 0))
    await Promise.race(calls.map(call => call.catch(() => undefined)))
    abort.abort()
    const ends = await Promise.allSettled(calls)
    const done = ends.filter(({ status }) => status === 'fulfilled').length
    const snapshot = index.statsSnapshot()
    const removals = (outcome: string) => totalOf(snapshot, operations, { op: 'delete', outcome })
    expect(removals('ok')).toBe(done)
    expect(removals('rejected')).toBe(66_000 - done)
    expect(removals('rejected')).toBeGreaterThan(0)
    expect(totalOf(snapshot, operations, { op: 'insert', outcome: 'cancelled' })).toBe(1)
    expect(totalOf(snapshot, operations)).toBe(66_001)
    // What was refused has not waited.
    expect(onlyOf(snapshot, 'vitrine_engine_queue_wait_seconds', {}).count).toBe(done + 1)
  }, 60_000)
})

describe('a search on codes', () => {
  it('tells estimates from the distances that follow them', async () => {
    const index = opened(new Index({ dimension: 64, quantization: 'sq8' }))
    await index.add(null, randomVectors(2000, 64, 3))
    index.enableStats()
    const { counters } = await index.analyze(randomVectors(1, 64, 4), { k: 10 })
    expect(counters.rerankEvaluations).toBeGreaterThanOrEqual(10)
    const snapshot = index.statsSnapshot()
    const phase = (name: string) => totalOf(snapshot, evaluations, { index: 'graph', phase: name })
    expect(phase('route')).toBe(counters.entryEvaluations)
    expect(phase('approx')).toBe(counters.graphEvaluations)
    expect(phase('rerank')).toBe(counters.rerankEvaluations)
    expect(phase('exact')).toBe(0)
  })

  it('counts in a batch as it does alone', async () => {
    const index = opened(new Index({ dimension: 64, quantization: 'sq8' }))
    await index.add(null, randomVectors(2000, 64, 3))
    index.enableStats({ level: 'histograms' })
    const queries = randomVectors(50, 64, 5)
    for (let i = 0; i < 50; i++) {
      index.searchSync(queries.subarray(i * 64, (i + 1) * 64), { k: 10 })
    }
    const alone = index.statsSnapshot()
    await index.searchBatch(queries, { k: 10 })
    const batch = index.statsSnapshot({ since: alone })
    for (const name of [evaluations, 'vitrine_engine_node_visits_total']) {
      expect(totalOf(batch, name)).toBe(totalOf(alone, name))
    }
    for (const name of ['vitrine_search_hops', 'vitrine_search_scanned_vectors']) {
      expect(onlyOf(batch, name, {}).buckets).toEqual(onlyOf(alone, name, {}).buckets)
    }
  })
})

describe('stats', () => {
  const numbers = (stats: EngineStats | null) => {
    if (stats === null) throw new Error('statistics are off')
    return stats
  }

  it('tell of memory, which peaks and falls, and of latencies where there are any', async () => {
    const index = await tiny()
    index.enableStats()
    const before = numbers(index.stats())
    expect(before).toMatchObject({ totalVectors: 5, totalInserts: 0 })
    expect(before).not.toHaveProperty('searchLatency')
    expect(before.memoryBytes).toBe(index.memoryUsage().total)
    expect(before.indexMemoryBytes).toBe(index.memoryUsage().graph + index.memoryUsage().codes)
    expect(before.peakMemoryBytes).toBeGreaterThanOrEqual(before.memoryBytes)

    index.enableStats({ level: 'phases' })
    for (let i = 0; i < 100; i++) await index.search(query, { k: 1 })
    const { searchLatency, insertLatency } = numbers(index.stats())
    expect(insertLatency).toMatchObject({ count: 0, sum: 0, max: 0, mean: 0, p99: 0 })
    expect(searchLatency?.count).toBe(100)
    const { p50, p95, p99, p999, max, mean, sum } = searchLatency!
    expect(mean).toBeCloseTo(sum / 100, 12)
    expect([0, p50, p95, p99, p999, max]).toEqual(
      [0, p50, p95, p99, p999, max].sort((a, b) => a - b),
    )
    expect(max).toBeLessThan(10)
    const [waits] = histogramsOf(index.statsSnapshot(), 'vitrine_engine_queue_wait_seconds')
    expect(waits?.count).toBe(100)
  })

  it('tell what V8 was told, which is what there is', async () => {
    const index = opened(new Index({ dimension: 256, name: 'large', quantization: 'none' }))
    const told = () => totalOf(index.statsSnapshot(), 'vitrine_engine_external_memory_bytes')
    const empty = told()
    await index.add(null, randomVectors(2000, 256, 1))
    expect(index.memoryUsage().total).toBeGreaterThan(2000 * 256 * 4)
    expect(empty).toBeLessThan(2 ** 19)
    // It is told when a write ends, by steps of 64 KiB, and of what an index takes besides, 128 KiB;
    // what points take that are linked once more in the background, when the next write does.
    const difference = async () => {
      await index.upsert([7000], randomVectors(1, 256, 2))
      return Math.abs(told() - index.memoryUsage().total)
    }
    await expect.poll(difference).toBeLessThan(2 ** 19)
  })

  it('tell at level cpu how long searches had a processor', async () => {
    const index = await tiny()
    const seconds = () => totalOf(index.statsSnapshot(), 'vitrine_engine_cpu_seconds_total')
    index.enableStats({ level: 'phases' })
    index.searchSync(query, { k: 1 })
    expect(seconds()).toBe(0)
    index.enableStats({ level: 'cpu' })
    for (let i = 0; i < 100; i++) index.searchSync(query, { k: 1 })
    const onThisThread = seconds()
    expect(onThisThread).toBeGreaterThan(0)
    for (let i = 0; i < 100; i++) await index.search(query, { k: 1 })
    expect(seconds()).toBeGreaterThan(onThisThread)
    expect(seconds()).toBeLessThan(10)
  })

  it('begin anew with resetStats, of which no other reader hears', async () => {
    const index = await tiny()
    index.enableStats()
    const began = numbers(index.stats()).since
    const cursor = index.statsSnapshot()
    index.searchSync(query, { k: 1 })
    index.resetStats()
    expect(numbers(index.stats())).toMatchObject({ totalSearches: 0, totalVectors: 5 })
    expect(numbers(index.stats()).since.getTime()).toBeGreaterThanOrEqual(began.getTime())
    index.searchSync(query, { k: 1 })
    expect(numbers(index.stats())).toMatchObject({ totalSearches: 1 })
    expect(totalOf(index.statsSnapshot(), operations)).toBe(2)
    const since = index.statsSnapshot({ since: cursor })
    expect(totalOf(since, operations)).toBe(2)
    expect(since.since).toEqual(cursor.taken)
    // Of a difference the next one is taken from its end as well.
    index.searchSync(query, { k: 1 })
    expect(totalOf(index.statsSnapshot({ since }), operations)).toBe(1)
  })

  it('refuse what makes no sense, with a code', async () => {
    const index = await tiny()
    const other = await tiny()
    const bad = (options: unknown) => () => index.enableStats(options as { level: 'counters' })
    expect(bad({ level: 'everything' })).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }))
    expect(bad({ levels: 'counters' })).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }))
    expect(index.stats()).toBeNull()
    const since = other.statsSnapshot()
    expect(() => index.statsSnapshot({ since })).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT' }),
    )
    expect(() => index.statsSnapshot({ since: {} as StatsSnapshot })).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION' }),
    )
    await index.close()
    for (const call of [
      () => index.enableStats(),
      () => index.disableStats(),
      () => index.stats(),
      () => index.resetStats(),
      () => index.statsSnapshot(),
    ]) {
      expect(call).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }))
    }
  })
})

describe('a stats snapshot', () => {
  it('has every family once, labelled with the index', async () => {
    const index = await tiny()
    index.enableStats({ level: 'phases' })
    await index.search(query, { k: 1 })
    const { families } = index.statsSnapshot()
    expect(new Set(families.map(({ name }) => name)).size).toBe(families.length)
    for (const { samples } of families) {
      for (const { labels } of samples) expect(labels).toMatchObject({ db: 'tiny' })
    }
    const level = families.find(({ name }) => name === 'vitrine_engine_stats_level')
    expect(level?.samples).toEqual([{ labels: { db: 'tiny' }, value: 3 }])
    const start = totalOf(index.statsSnapshot(), 'vitrine_engine_stats_start_timestamp_seconds')
    expect(Math.abs(start - Date.now() / 1000)).toBeLessThan(60)
  })

  it('holds histograms whose formats agree', async () => {
    const index = await tiny()
    index.enableStats({ level: 'histograms' })
    for (let i = 0; i < 50; i++) index.searchSync(query, { k: 1 })
    const sample = onlyOf(index.statsSnapshot(), 'vitrine_engine_operation_duration_seconds', {
      op: 'search',
    })
    expect(sample.count).toBe(50)
    expect(sample.buckets.at(-1)).toEqual({ le: Number.POSITIVE_INFINITY, count: 50 })
    const { zeroCount, counts, scale } = sample.exponential
    expect(scale).toBe(3)
    expect(counts.reduce((sum, count) => sum + count, zeroCount)).toBe(50)
  })
})
