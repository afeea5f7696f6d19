import { channel } from 'node:diagnostics_channel'
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  AggregationTemporality,
  DataPointType,
  InMemoryMetricExporter,
  MeterProvider,
  type MetricProducer,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { operationChannels } from '../lib/channels.ts'
import { otelName } from '../lib/tracing/metric-producer.ts'
import {
  enableTracing,
  metricProducer,
  type TracingOptions,
  tracePoint,
} from '../lib/tracing/tracing.ts'
import { Database, type HistogramSample, Index, VitrineError } from '../lib/vitrine.ts'
import { randomVectors } from './vectors.ts'

const exporter = new InMemorySpanExporter()
const tracerProvider = new BasicTracerProvider({
  spanProcessors: [new SimpleSpanProcessor(exporter)],
})
const tracer = tracerProvider.getTracer('test')

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
})
afterAll(async () => {
  context.disable()
  await tracerProvider.shutdown()
})

const undo: (() => unknown)[] = []
afterEach(async () => {
  for (const each of undo.splice(0)) await each()
  exporter.reset()
})
function enable(options: TracingOptions = {}) {
  const disable = enableTracing({ tracerProvider, ...options })
  undo.push(disable)
  return disable
}

const spans = (): readonly ReadableSpan[] => exporter.getFinishedSpans()
const query = Float32Array.of(1.2)

async function line(name = 'line') {
  const index = new Index({ dimension: 1, name })
  undo.push(() => index.close())
  await index.add([0, 1, 2, 3, 4], Float32Array.of(0, 1, 2, 3, 4))
  return index
}

async function shop() {
  const db = await Database.open(':memory:', { name: 'shop' })
  undo.push(() => db.close())
  const things = await db.createCollection('things', { dimension: 1 })
  await things.upsert([0, 1, 2].map(id => ({ id, vector: [id] })))
  return { db, things }
}

describe('a span', () => {
  it('is called and described as the conventions for databases say', async () => {
    const { things } = await shop()
    const index = await line()
    enable()
    await things.search([1.2], { k: 2, ef: 80 })
    const { lsn } = await things.upsert({ ids: [7, 8], vectors: Float32Array.of(7, 8) })
    index.searchSync(query, { k: 3, exact: true, filter: [1, 2] })
    await index.searchBatch(Float32Array.of(1, 2, 3), { k: 1, recall: 0.9 })
    expect(spans().map(({ name, attributes }) => ({ name, ...attributes }))).toEqual([
      {
        name: 'search things',
        'db.system.name': 'vitrine',
        'db.operation.name': 'search',
        'db.namespace': 'shop',
        'db.collection.name': 'things',
        'db.response.returned_rows': 2,
        'vitrine.search.nearest_distance': expect.closeTo(0.04, 5),
        'vitrine.method': 'Collection.search',
        'vitrine.search.k': 2,
        'vitrine.search.ef': 80,
        'vitrine.filtered': false,
      },
      {
        name: 'BATCH upsert things',
        'db.system.name': 'vitrine',
        'db.operation.name': 'BATCH upsert',
        'db.namespace': 'shop',
        'db.collection.name': 'things',
        'db.operation.batch.size': 2,
        'vitrine.method': 'Collection.upsert',
        'vitrine.lsn': Number(lsn),
      },
      {
        name: 'search line',
        'db.system.name': 'vitrine',
        'db.operation.name': 'search',
        'db.namespace': 'line',
        'db.response.returned_rows': 2,
        'vitrine.search.nearest_distance': expect.closeTo(0.04, 5),
        'vitrine.method': 'Index.searchSync',
        'vitrine.search.k': 3,
        'vitrine.search.exact': true,
        'vitrine.filtered': true,
      },
      {
        name: 'BATCH search line',
        'db.system.name': 'vitrine',
        'db.operation.name': 'BATCH search',
        'db.namespace': 'line',
        'db.operation.batch.size': 3,
        'db.response.returned_rows': 3,
        'vitrine.method': 'Index.searchBatch',
        'vitrine.search.k': 1,
        'vitrine.search.recall': 0.9,
        'vitrine.filtered': false,
      },
    ])
    for (const { kind, status, instrumentationScope } of spans()) {
      expect(kind).toBe(SpanKind.INTERNAL)
      expect(status.code).toBe(SpanStatusCode.UNSET)
      expect(instrumentationScope.name).toBe('vitrine')
    }
  })

  it('has the span that is active where the call is made as its parent', async () => {
    const { things } = await shop()
    enable()
    await things.count()
    const parents = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        tracer.startActiveSpan(`request ${i}`, async parent => {
          await things.search([i], { k: 1 })
          await things.get(0)
          parent.end()
          return parent.spanContext()
        }),
      ),
    )
    expect(spans()[0]?.parentSpanContext).toBeUndefined()
    for (const { spanId, traceId } of parents) {
      const children = spans().filter(
        ({ parentSpanContext }) => parentSpanContext?.spanId === spanId,
      )
      expect(children.map(({ name }) => name)).toEqual(['search things', 'get things'])
      expect(children.every(span => span.spanContext().traceId === traceId)).toBe(true)
    }
  })

  it('says what went wrong', async () => {
    const { db, things } = await shop()
    enable()
    await expect(things.search([1, 2], { k: 2 })).rejects.toThrow()
    await expect(things.search([1], { k: 1, signal: AbortSignal.abort() })).rejects.toThrow()
    await expect(db.transaction(() => Promise.resolve() as never)).rejects.toThrow()
    const thrown = 'no error at all'
    await expect(
      db.transaction(() => {
        throw thrown
      }),
    ).rejects.toBe(thrown)
    const [dimension, aborted, gathered, odd] = spans()
    expect(dimension?.status).toMatchObject({ code: SpanStatusCode.ERROR, message: /./ })
    expect(dimension?.attributes).toMatchObject({
      'error.type': 'ERR_DIMENSION',
      'db.response.status_code': 'ERR_DIMENSION',
    })
    expect(dimension?.events.map(({ name }) => name)).toEqual(['exception'])
    expect(dimension?.attributes).not.toHaveProperty('db.response.returned_rows')
    expect(aborted?.attributes['error.type']).toBe('AbortError')
    expect(aborted?.attributes).not.toHaveProperty('db.response.status_code')
    expect(gathered?.attributes['error.type']).toBe('ERR_ARGUMENT')
    expect(odd?.attributes['error.type']).toBe('_OTHER')
    expect(odd?.status.code).toBe(SpanStatusCode.ERROR)
  })

  it('is of the operations that were asked for, until tracing ends', async () => {
    const index = await line()
    const disable = enable({ operations: ['search'] })
    index.get([1])
    index.searchSync(query, { k: 1 })
    expect(spans().map(({ name }) => name)).toEqual(['search line'])
    const pending = index.search(query, { k: 1 })
    disable()
    expect(spans()).toHaveLength(2)
    await pending
    index.searchSync(query, { k: 1 })
    expect(spans()).toHaveLength(2)
    expect(operationChannels.search.hasSubscribers).toBe(false)
  })

  it('goes to the global provider where none is named', async () => {
    const index = await line()
    undo.push(enableTracing())
    trace.setGlobalTracerProvider(tracerProvider)
    undo.push(() => trace.disable())
    index.searchSync(query, { k: 1 })
    expect(spans()).toHaveLength(1)
  })
})

describe('enableTracing', () => {
  it('refuses what it does not know', () => {
    for (const options of [
      { tracerProvider: {} },
      { operations: ['find'] },
      { operations: 'search' },
      { provider: tracerProvider },
    ]) {
      expect(() => enableTracing(options as never)).toThrow(VitrineError)
    }
    expect(operationChannels.search.hasSubscribers).toBe(false)
  })
})

describe('a trace point', () => {
  it('is an event of the active span, and is published', () => {
    const heard: unknown[] = []
    const hear = (point: unknown) => heard.push(point)
    channel('vitrine:point').subscribe(hear)
    undo.push(() => channel('vitrine:point').unsubscribe(hear))
    enable()
    tracePoint('outside')
    tracer.startActiveSpan('request', span => {
      tracePoint('reranked', { candidates: 12 })
      span.end()
    })
    expect(spans()[0]?.events).toMatchObject([{ name: 'reranked', attributes: { candidates: 12 } }])
    expect(heard).toEqual([
      { name: 'outside' },
      { name: 'reranked', attributes: { candidates: 12 } },
    ])
  })

  it('has a name, and attributes if any', () => {
    expect(() => tracePoint('')).toThrow(VitrineError)
    expect(() => tracePoint('x', 5 as never)).toThrow(VitrineError)
    tracePoint('nobody listens')
  })
})

describe('a metric producer', () => {
  async function collected(producer: MetricProducer) {
    const metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
    const reader = new PeriodicExportingMetricReader({
      exporter: metrics,
      exportIntervalMillis: 2 ** 30,
      metricProducers: [producer],
    })
    const provider = new MeterProvider({ readers: [reader] })
    await provider.forceFlush()
    const [exported] = metrics.getMetrics()
    await provider.shutdown()
    const scope = exported?.scopeMetrics.find(each => each.scope.name === 'vitrine')
    return scope?.metrics ?? []
  }

  it('hands exponential histograms, sums and gauges to a reader, as stats snapshots have them', async () => {
    const index = await line()
    const other = new Index({ dimension: 16, name: 'other' })
    undo.push(() => other.close())
    index.enableStats({ level: 'histograms' })
    other.enableStats({ level: 'histograms' })
    await other.add(null, randomVectors(500, 16, 1))
    for (let i = 0; i < 50; i++) index.searchSync(query, { k: 1 + (i % 5) })
    await other.searchBatch(randomVectors(40, 16, 2), { k: 7 })
    const metrics = await collected(metricProducer([index, other]))
    let histograms = 0
    for (const [db, snapshot] of [
      ['line', index.statsSnapshot()],
      ['other', other.statsSnapshot()],
    ] as const) {
      for (const family of snapshot.families) {
        const { name, unit } = otelName(family)
        const metric = metrics.find(({ descriptor }) => descriptor.name === name)
        const points = (metric?.dataPoints ?? []).filter(({ attributes }) => attributes.db === db)
        expect(points, name).toHaveLength(family.samples.length)
        if (metric === undefined) continue
        expect(metric.descriptor).toMatchObject({ unit, description: family.help })
        expect(metric.aggregationTemporality).toBe(AggregationTemporality.CUMULATIVE)
        for (const [i, sample] of family.samples.entries()) {
          const point = points[i]!
          expect(point.attributes).toEqual(sample.labels)
          expect(point.startTime).toEqual([
            Math.floor(snapshot.since.getTime() / 1000),
            (snapshot.since.getTime() % 1000) * 1e6,
          ])
          if (family.type !== 'histogram') {
            expect(point.value, name).toBe((sample as { value: number }).value)
            const type = family.type === 'counter' ? DataPointType.SUM : DataPointType.GAUGE
            expect(metric.dataPointType).toBe(type)
            continue
          }
          histograms++
          expect(metric.dataPointType).toBe(DataPointType.EXPONENTIAL_HISTOGRAM)
          const { count, sum, max, exponential } = sample as HistogramSample
          expect(point.value).toEqual({
            count,
            sum,
            max,
            scale: 3,
            zeroCount: exponential.zeroCount,
            positive: { offset: exponential.offset, bucketCounts: exponential.counts },
            negative: { offset: 0, bucketCounts: [] },
          })
          expect(exponential.zeroCount + exponential.counts.reduce((a, b) => a + b, 0)).toBe(count)
        }
      }
    }
    expect(histograms).toBeGreaterThan(8)
    const duration = metrics.find(
      ({ descriptor }) => descriptor.name === 'vitrine.engine.operation.duration',
    )
    expect(duration?.descriptor.unit).toBe('s')
  })

  it('has names of its own for all metrics', async () => {
    const { families } = (await line()).statsSnapshot()
    const names = families.map(family => otelName(family).name)
    expect(new Set(names).size).toBe(names.length)
    for (const name of names) expect(name).toMatch(/^vitrine(\.[a-z0-9]+)+$/)
    const { name, unit } = otelName({
      name: 'vitrine_engine_cpu_seconds_total',
      type: 'counter',
      unit: 'seconds',
    })
    expect([name, unit]).toEqual(['vitrine.engine.cpu', 's'])
  })

  it('leaves out what is closed, and refuses what it cannot tell apart', async () => {
    const index = await line()
    const { db, things } = await shop()
    const producer = metricProducer(new Set([index, db, things]))
    const databases = async () => {
      const metrics = await collected(producer)
      const vectors = metrics.find(({ descriptor }) => descriptor.name === 'vitrine.engine.vectors')
      return new Set(vectors?.dataPoints.map(({ attributes }) => attributes.db))
    }
    expect(await databases()).toEqual(new Set(['line', 'shop']))
    await index.close()
    expect(await databases()).toEqual(new Set(['shop']))
    expect(() => metricProducer([index, index])).toThrow(
      expect.objectContaining({ code: 'ERR_EXISTS' }),
    )
    expect(() => metricProducer({} as never)).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT' }),
    )
  })
})
