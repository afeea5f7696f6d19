import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Metrics, metrics } from '../lib/metrics/metrics.ts'
import { Database, type HistogramSample, Index, type StatsSnapshot } from '../lib/vitrine.ts'
import { databaseFolders } from './databases.ts'
import { type ReadFamily, readProtobuf, readText } from './exposition.ts'
import { root } from './layers.ts'
import { sourceNames } from './source-names.ts'
import { randomVectors } from './vectors.ts'

const dimension = 8
const folders = databaseFolders('metrics')
let open: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(open.map(each => each.close()))
  open = []
})

async function searched(name: string, searches: number, path = ':memory:') {
  const db = await Database.open(path, { name })
  open.push(db)
  db.enableStats({ level: 'phases' })
  const points = await db.createCollection('points', { dimension })
  const vectors = randomVectors(100, dimension, 7)
  await points.upsert(
    Array.from({ length: 100 }, (_, id) => ({
      id,
      vector: vectors.slice(id * dimension, (id + 1) * dimension),
    })),
  )
  for (let i = 0; i < searches; i++) {
    await points.search(vectors.slice(i * dimension, (i + 1) * dimension), { k: 3 })
  }
  await expect(points.search(new Float32Array(3), { k: 1 })).rejects.toThrow()
  // New points are linked once more in the background: from then on two exports say the same.
  await expect.poll(() => relinked(db), { interval: 5 }).toBeGreaterThan(0)
  return { db, points }
}

function relinked(db: Database) {
  const maintenance = db
    .statsSnapshot()
    .families.find(({ name }) => name === 'vitrine_engine_index_maintenance_total')
  const sample = maintenance?.samples.find(
    ({ labels }) => labels.kind === 'relink' && labels.outcome === 'ok',
  )
  return sample !== undefined && 'value' in sample ? sample.value : 0
}

const readAs = async (from: Metrics, dialect: 'prometheus' | 'openmetrics') =>
  readText(dialect === 'prometheus' ? await from.text() : await from.openMetrics(), dialect)

const familyOf = (families: readonly ReadFamily[], name: string) => {
  const family = families.find(each => each.name === name)
  if (family === undefined) throw new Error(`there is no ${name}`)
  return family
}
const sumOf = (family: ReadFamily, labels: Record<string, string>, name = family.name) =>
  family.samples
    .filter(
      sample =>
        sample.name === name &&
        Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    )
    .reduce((sum, { value }) => sum + value, 0)

const operations = 'vitrine_engine_operations_total'
const duration = 'vitrine_engine_operation_duration_seconds'

describe('an export of one database', () => {
  let db: Database
  let snapshot: StatsSnapshot
  let from: Metrics
  beforeEach(async () => {
    ;({ db } = await searched('first', 20))
    from = metrics(db)
    snapshot = db.statsSnapshot()
  })

  // What it takes to be asked changes between two exports.
  const changing = ['vitrine_engine_memory_bytes', 'vitrine_engine_memory_peak_bytes']

  const ofExporter = /^vitrine_(build|metrics)(_|$)/

  it('holds in text what the stats snapshot does, and nothing else', async () => {
    const families = await readAs(from, 'prometheus')
    const expected = snapshot.families.filter(({ samples }) => samples.length > 0)
    expect(families.map(({ name }) => name).filter(name => !ofExporter.test(name))).toEqual(
      expected.map(({ name }) => name),
    )
    for (const family of expected) {
      const read = familyOf(families, family.name)
      expect(read).toMatchObject({ type: family.type, help: family.help })
      if (family.type !== 'histogram') {
        if (changing.includes(family.name)) continue
        expect(read.samples.map(({ labels, value }) => ({ labels, value }))).toEqual(family.samples)
        continue
      }
      for (const { labels, sum, count, buckets } of family.samples) {
        expect(sumOf(read, labels, `${family.name}_sum`)).toBe(sum)
        expect(sumOf(read, labels, `${family.name}_count`)).toBe(count)
        const lines = read.samples.filter(
          sample =>
            sample.name === `${family.name}_bucket` &&
            Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
        )
        expect(
          lines.map(sample => ({
            le: Number(sample.labels.le?.replace('+Inf', 'Infinity')),
            count: sample.value,
          })),
        ).toEqual(buckets)
      }
    }
  })

  it('says in OpenMetrics the same, with units', async () => {
    // What the exporter says of itself differs from export to export.
    const counted = async (format: 'prometheus' | 'openmetrics') =>
      (await readAs(from, format)).filter(({ name }) => !ofExporter.test(name))
    const text = await counted('prometheus')
    const families = await counted('openmetrics')
    expect(families).toHaveLength(text.length)
    for (const [i, family] of families.entries()) {
      const plain = text[i]!
      expect(family.samples).toHaveLength(plain.samples.length)
      expect(family.unit).toBe(family.name.match(/_(seconds|bytes|ratio)$/)?.[1] ?? '')
    }
    const edges = familyOf(families, duration).samples.map(({ labels }) => labels.le)
    expect(edges).toEqual(expect.arrayContaining(['1e-06', '0.0001', '0.25', '1.0', '+Inf']))
    const counts = familyOf(families, 'vitrine_search_hops').samples.map(({ labels }) => labels.le)
    expect(counts).toEqual(expect.arrayContaining(['1.0', '500000.0', '1e+06', '1e+07']))
  })

  it('has in protobuf the same numbers, since when, and every histogram in both forms', async () => {
    const messages = readProtobuf(await from.protobuf())
    const started = Number(snapshot.since) / 1000
    for (const { name, type, metrics } of messages.filter(({ type }) => type !== 'gauge')) {
      if (ofExporter.test(name) && name !== 'vitrine_build_info') continue
      for (const { createdSeconds } of metrics) {
        // What was there before anybody counted has no beginning that is known.
        if (/_(rejections|maintenance)_total$/.test(name)) expect(createdSeconds).toBeUndefined()
        else expect(createdSeconds, `${name}, ${type}`).toBeCloseTo(started, 2)
      }
    }
    for (const family of snapshot.families) {
      if (family.samples.length === 0 || changing.includes(family.name)) continue
      const message = messages.find(({ name }) => name === family.name)
      expect(message).toMatchObject({ type: family.type, help: family.help, unit: family.unit })
      if (family.type !== 'histogram') {
        expect(message?.metrics.map(({ labels, value }) => ({ labels, value }))).toEqual(
          family.samples,
        )
        continue
      }
      expect(message?.metrics).toHaveLength(family.samples.length)
      for (const [i, sample] of family.samples.entries()) {
        const { labels, histogram } = message!.metrics[i]!
        const { count, sum, buckets, exponential } = sample
        expect(labels).toEqual(sample.labels)
        expect(histogram).toMatchObject({ count, sum, buckets })
        const { scale, zeroThreshold, zeroCount } = exponential
        expect(histogram?.native).toMatchObject({ schema: scale, zeroThreshold, zeroCount })
        expect(nonZero(histogram!.native!.counts)).toEqual(nativeOf(exponential))
      }
    }
  })

  const nonZero = (counts: ReadonlyMap<number, number>) =>
    [...counts].filter(([, count]) => count > 0)
  // Prometheus numbers a bucket by its upper edge, OpenTelemetry by its lower one.
  const nativeOf = ({ offset, counts }: HistogramSample['exponential']) =>
    counts
      .map((count, i): [number, number] => [offset + i + 1, count])
      .filter(([, count]) => count > 0)

  it('has in JSON an element for each sample', async () => {
    const { metrics: elements } = JSON.parse(await from.json())
    const count = snapshot.families.reduce((sum, { samples }) => sum + samples.length, 2)
    expect(elements).toHaveLength(count)
    const search = elements.find(
      (each: { name: string; labels: { op: string } }) =>
        each.name === duration && each.labels.op === 'search',
    )
    expect(search).toMatchObject({
      type: 'histogram',
      unit: 'seconds',
      labels: { db: 'first', op: 'search' },
      histogram: { count: 20, p50: expect.any(Number), p95: expect.any(Number) },
      timestamp: expect.any(Number),
    })
    expect(search.histogram.buckets.at(-1)).toEqual({ le: '+Inf', count: 20 })
    expect(Math.abs(Date.now() - search.timestamp)).toBeLessThan(60_000)
  })

  it('has in OTLP the same sums and exponential histograms', async () => {
    const { resourceMetrics } = JSON.parse(await from.json({ format: 'otlp' }))
    const { scope, metrics: list } = resourceMetrics[0].scopeMetrics[0]
    expect(scope.name).toBe('vitrine')
    const metricOf = (name: string) => list.find((each: { name: string }) => each.name === name)
    const sum = metricOf('vitrine.engine.operations')
    expect(sum.sum).toMatchObject({ aggregationTemporality: 2, isMonotonic: true })
    expect(sum.sum.dataPoints[0]).toMatchObject({
      attributes: [
        { key: 'db', value: { stringValue: 'first' } },
        { key: 'op', value: { stringValue: 'search' } },
        { key: 'outcome', value: { stringValue: 'ok' } },
      ],
      asInt: '20',
    })
    const histogram = metricOf('vitrine.engine.operation.duration')
    expect(histogram.unit).toBe('s')
    const family = snapshot.families.find(({ name }) => name === duration)
    const [expected] = family!.samples as HistogramSample[]
    const [point] = histogram.exponentialHistogram.dataPoints
    expect(point).toMatchObject({
      count: `${expected!.count}`,
      sum: expected!.sum,
      scale: 3,
      zeroCount: `${expected!.exponential.zeroCount}`,
      positive: {
        offset: expected!.exponential.offset,
        bucketCounts: expected!.exponential.counts.map(String),
      },
    })
    expect(BigInt(point.startTimeUnixNano)).toBeLessThan(BigInt(point.timeUnixNano))
    expect(metricOf('vitrine.engine.memory')).toMatchObject({ unit: 'By' })
  })

  it('leaves out what has been closed', async () => {
    await db.close()
    const names = (await readAs(from, 'openmetrics')).map(({ name }) => name)
    expect(names).toEqual(['vitrine_build', 'vitrine_metrics_series'])
  })
})

describe('an export of several sources', () => {
  it('has each family once, with the samples of all', async () => {
    const first = await searched('first', 5)
    const second = await searched('second', 9)
    const index = new Index({ dimension, name: 'third' })
    open.push(index)
    index.enableStats()
    index.searchSync(new Float32Array(dimension), { k: 1 })
    first.points.enableStats()
    await first.points.get(1)
    const from = metrics([first.db, second.db, index, first.points])
    for (const dialect of ['prometheus', 'openmetrics'] as const) {
      const families = await readAs(from, dialect)
      const family = familyOf(
        families,
        dialect === 'prometheus' ? operations : operations.slice(0, -6),
      )
      const of = (labels: Record<string, string>) =>
        sumOf(family, { op: 'search', outcome: 'ok', ...labels }, operations)
      expect([of({ db: 'first' }), of({ db: 'second' }), of({ db: 'third' })]).toEqual([5, 9, 1])
      const get = { op: 'get', outcome: 'ok', db: 'first', collection: 'points' }
      expect(sumOf(family, get, operations)).toBe(1)
    }
    expect(
      readProtobuf(await from.protobuf()).filter(({ name }) => name === operations),
    ).toHaveLength(1)
  })

  it('names sources apart, and takes nothing else', async () => {
    const { db } = await searched('same', 1)
    const other = await Database.open(':memory:', { name: 'same' })
    open.push(other)
    expect(() => metrics([db, other])).toThrowError(expect.objectContaining({ code: 'ERR_EXISTS' }))
    for (const wrong of [undefined, null, {}, 'db', [db, 1], new Proxy({}, {})]) {
      expect(() => metrics(wrong as never)).toThrowError(
        expect.objectContaining({ code: 'ERR_ARGUMENT' }),
      )
    }
    for (const options of [
      { label: [] },
      { labels: 'db' },
      { labels: ['a-b'] },
      { registry: {} },
    ]) {
      expect(() => metrics(db, options as never)).toThrowError(
        expect.objectContaining({ code: 'ERR_OPTION' }),
      )
    }
    await expect(metrics(db).json({ format: 'xml' } as never)).rejects.toMatchObject({
      code: 'ERR_OPTION',
    })
  })
})

describe('labels that are not exported', () => {
  it('take their series along: what is left is the sum', async () => {
    const first = await searched('first', 5)
    const second = await searched('second', 9)
    const whole = await readAs(metrics([first.db, second.db]), 'prometheus')
    const kept = await readAs(metrics([first.db, second.db], { labels: ['op'] }), 'prometheus')
    for (const name of [operations, duration]) {
      const full = familyOf(whole, name)
      const less = familyOf(kept, name)
      for (const { labels } of less.samples) {
        expect(Object.keys(labels).filter(label => label !== 'op' && label !== 'le')).toEqual([])
      }
      const sampleNames = new Set(full.samples.map(sample => sample.name))
      for (const sampleName of sampleNames) {
        for (const { labels, value } of less.samples.filter(each => each.name === sampleName)) {
          expect(value).toBeCloseTo(sumOf(full, labels, sampleName), 12)
        }
        expect(sumOf(less, {}, sampleName)).toBeCloseTo(sumOf(full, {}, sampleName), 12)
      }
    }
    // A sum of two levels or moments would be neither.
    const level = familyOf(kept, 'vitrine_engine_stats_level')
    expect(level.samples).toEqual([{ name: level.name, labels: {}, value: 3 }])
    const started = familyOf(whole, 'vitrine_engine_stats_start_timestamp_seconds').samples
    expect(sumOf(familyOf(kept, 'vitrine_engine_stats_start_timestamp_seconds'), {})).toBe(
      Math.max(...started.map(({ value }) => value)),
    )
  })

  it('take cells along before they are folded', async () => {
    const first = await searched('first', 20)
    const second = await searched('second', 30)
    const messages = readProtobuf(await metrics([first.db, second.db]).protobuf())
    const kept = readProtobuf(await metrics([first.db, second.db], { labels: [] }).protobuf())
    const all = messages.find(({ name }) => name === duration)!.metrics
    const [sum] = kept.find(({ name }) => name === duration)!.metrics
    const counts = new Map<number, number>()
    for (const { histogram } of all) {
      for (const [bucket, count] of histogram!.native!.counts) {
        if (count > 0) counts.set(bucket, (counts.get(bucket) ?? 0) + count)
      }
    }
    const seen = [...sum!.histogram!.native!.counts].filter(([, count]) => count > 0)
    expect(seen).toEqual([...counts].sort(([a], [b]) => a - b))
  })
})

describe('collections that are told apart', () => {
  it('have what the database has, each once, and a label', async () => {
    const { db, points } = await searched('first', 5)
    const from = metrics(db, { collectionLabels: true })
    await from.text() // from here on they are counted
    const other = await db.createCollection('other', { dimension })
    await other.upsert([{ id: 1, vector: new Float32Array(dimension) }])
    await from.text()
    for (let i = 0; i < 3; i++) await points.search(new Float32Array(dimension), { k: 1 })
    await other.search(new Float32Array(dimension), { k: 1 })
    const families = await readAs(from, 'prometheus')
    const searches = familyOf(families, operations).samples.filter(
      ({ labels }) => labels.op === 'search' && labels.outcome === 'ok',
    )
    expect(searches.map(({ labels, value }) => [labels.collection, value])).toEqual([
      ['other', 1],
      ['points', 3],
    ])
    // What no collection has counted is told of the whole.
    const saves = { op: 'save', outcome: 'ok' }
    expect(
      familyOf(families, operations).samples.filter(({ labels }) => labels.op === 'save')[0],
    ).toMatchObject({
      labels: { db: 'first', ...saves },
    })
    expect(sumOf(familyOf(families, 'vitrine_engine_vectors'), { state: 'live' })).toBe(101)
    const hops = familyOf(families, 'vitrine_search_hops')
    expect(hops.samples.every(({ labels }) => labels.collection === undefined)).toBe(true)
  })

  it('are two hundred at most', async () => {
    const db = await Database.open(':memory:', { name: 'many' })
    open.push(db)
    db.enableStats()
    const from = metrics(db, { collectionLabels: true })
    for (let i = 0; i < 203; i++) {
      const name = `c${`${i}`.padStart(3, '0')}`
      const collection = await db.createCollection(name, { dimension })
      await collection.upsert([{ id: 1, vector: new Float32Array(dimension) }])
    }
    const live = familyOf(
      await readAs(from, 'prometheus'),
      'vitrine_engine_vectors',
    ).samples.filter(({ labels }) => labels.state === 'live')
    expect(live).toHaveLength(200)
    expect(live.slice(-2).map(({ labels, value }) => [labels.collection, value])).toEqual([
      ['c198', 1],
      ['__other__', 4],
    ])
  })
})

describe('names of other programs', () => {
  const sets = Object.keys(sourceNames) as (keyof typeof sourceNames)[]

  it('are all served, each set when it is asked for', async () => {
    const { db, points } = await searched('first', 5, join(folders.folder(), 'data'))
    await points.get(1)
    await points.delete([1])
    // Twice, so that files of the first are not needed any more.
    await db.checkpoint()
    await points.delete([2])
    await db.checkpoint()
    await points.delete([3])
    await db.checkpoint()
    await db.backup(join(folders.folder(), 'backup'))
    const nobodys = (await readAs(metrics(db), 'prometheus')).map(({ name }) => name)
    for (const asked of [[], ...sets.map(set => [set]), sets]) {
      const from = metrics(db, { compat: asked })
      const expected = [...nobodys, ...asked.flatMap(set => sourceNames[set])].sort()
      const names = (await readAs(from, 'prometheus')).map(({ name }) => name)
      expect(names.sort()).toEqual(expected)
      // From the second export on, how long those before took.
      expect(await readAs(from, 'openmetrics')).toHaveLength(expected.length + 1)
      expect(readProtobuf(await from.protobuf())).toHaveLength(expected.length + 1)
    }
  })

  it('have the numbers of ours, and the labels of theirs', async () => {
    const first = await searched('first', 5)
    const second = await searched('second', 7)
    await first.points.get(1)
    const families = await readAs(
      metrics([first.db, second.db], { compat: sets, collectionLabels: true }),
      'prometheus',
    )
    const samplesOf = (name: string) =>
      familyOf(families, name).samples.map(({ labels, value }) => [labels, value])
    expect(samplesOf('omendb_engine_queries_total')).toEqual([
      [{ db_id: 'first' }, 6],
      [{ db_id: 'second' }, 8],
    ])
    expect(samplesOf('db_get_operations_total')).toEqual([[{}, 1]])
    expect(samplesOf('db_set_operations_total')).toEqual([[{}, 2]])
    expect(samplesOf('vectordb_collection_size')).toEqual([[{ collection: 'points' }, 200]])
    const operation = familyOf(families, 'vectordb_operations_total')
    expect(sumOf(operation, { operation: 'search', status: 'ok' })).toBe(12)
    const ours = familyOf(families, duration)
    const theirs = familyOf(families, 'omendb_engine_query_duration_seconds')
    for (const { name, labels, value } of theirs.samples) {
      const { db_id: db = '', ...rest } = labels
      const ourName = name.replace(theirs.name, ours.name)
      expect(value).toBe(sumOf(ours, { db, op: 'search', ...rest }, ourName))
    }
    const { metrics: elements } = JSON.parse(await metrics(first.db).json())
    const { histogram } = elements.find(({ name }: { name: string }) => name === duration)
    expect(samplesOf('omendb_engine_query_latency_p95_seconds')[0]).toEqual([
      { db_id: 'first' },
      histogram.p95,
    ])
  })

  it('are refused when there is no such program', async () => {
    const { db } = await searched('first', 1)
    for (const compat of ['omendb', ['redis'], [1]]) {
      expect(() => metrics(db, { compat } as never)).toThrowError(
        expect.objectContaining({ code: 'ERR_OPTION' }),
      )
    }
  })
})

it('exports no metric of ours that docs/metrics.md does not name', async () => {
  const { db } = await searched('first', 1)
  const page = readFileSync(join(root, 'docs', 'metrics.md'), 'utf8')
  const names = (await readAs(metrics(db), 'prometheus')).map(({ name }) => name)
  expect(names.filter(name => !page.includes(`\`${name}\``))).toEqual([])
})
