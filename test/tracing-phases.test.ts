import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type HrTime, SpanKind } from '@opentelemetry/api'
import {
  AlwaysOffSampler,
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { type OperationEvent, operationChannels, phaseNames } from '../lib/channels.ts'
import { enableTracing } from '../lib/tracing/tracing.ts'
import { Index } from '../lib/vitrine.ts'
import { databaseFolders } from './databases.ts'
import { root } from './layers.ts'
import { scaled } from './rounds.ts'
import { randomVectors } from './vectors.ts'

const exporter = new InMemorySpanExporter()
const tracerProvider = new BasicTracerProvider({
  spanProcessors: [new SimpleSpanProcessor(exporter)],
})
afterAll(() => tracerProvider.shutdown())

const undo: (() => unknown)[] = []
afterEach(async () => {
  for (const each of undo.splice(0).reverse()) await each()
  exporter.reset()
})

const trace = (provider = tracerProvider) =>
  undo.push(enableTracing({ tracerProvider: provider, phases: true }))

const at = ([seconds, nanoseconds]: HrTime) =>
  BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds)

/** The span of the only call with this name, and its children in the order in which they began. */
function call(name: string) {
  const spans = exporter.getFinishedSpans()
  const found = spans.filter(span => span.name === name)
  expect(found, name).toHaveLength(1)
  const span = found[0]!
  const children = spans
    .filter(({ parentSpanContext }) => parentSpanContext?.spanId === span.spanContext().spanId)
    .sort((a, b) => Number(at(a.startTime) - at(b.startTime)))
  return { span, children }
}
const names = (spans: readonly ReadableSpan[]) => spans.map(({ name }) => name)

/** Each within its call, and in one phase at a time. */
function expectSequence({ span, children }: ReturnType<typeof call>) {
  for (const child of children) {
    expect(child.kind).toBe(SpanKind.INTERNAL)
    expect(child.spanContext().traceId).toBe(span.spanContext().traceId)
    expect(at(child.startTime)).toBeGreaterThanOrEqual(at(span.startTime))
    expect(at(child.endTime)).toBeGreaterThanOrEqual(at(child.startTime))
    expect(at(child.endTime)).toBeLessThanOrEqual(at(span.endTime))
  }
  for (const [i, child] of children.slice(1).entries()) {
    expect(at(child.startTime)).toBeGreaterThanOrEqual(at(children[i]!.endTime) - 2n)
  }
}

const { folder, openDatabase } = databaseFolders('phases')

const dimension = 8
async function grown(name = 'things') {
  const index = new Index({ dimension, name })
  undo.push(() => index.close())
  await index.add(null, randomVectors(2000, dimension, 1))
  return index
}
const query = randomVectors(1, dimension, 2)

describe('a phase', () => {
  it('has a name that the engine knows, and that the documents tell of', () => {
    const header = readFileSync(join(root, 'native/stats/call_times.h'), 'utf8')
    const [, table = ''] = /kCallPhaseNames\[\] = \{([^}]*)\}/.exec(header) ?? []
    expect([...table.matchAll(/"(\w+)"/g)].map(([, name]) => name)).toEqual(phaseNames)
    const document = readFileSync(join(root, 'docs/tracing.md'), 'utf8')
    for (const name of phaseNames) expect(document).toContain(`| \`vitrine.${name}\` |`)
  })

  it('is a child of the span of a search, with the time at which it really was', async () => {
    const index = await grown()
    trace()
    await index.search(query, { k: 5 })
    const search = call('search things')
    expectSequence(search)
    expect(names(search.children)).toEqual([
      'vitrine.queue',
      'vitrine.prepare',
      'vitrine.plan',
      'vitrine.entries',
      'vitrine.graph',
      'vitrine.materialize',
      'vitrine.settle',
    ])
    for (const { attributes } of search.children) expect(attributes).toEqual({})
  })

  it('is that of a search on the thread of JavaScript as well, which waits for nobody', async () => {
    const index = await grown()
    trace()
    index.searchSync(query, { k: 5, exact: true })
    const search = call('search things')
    expectSequence(search)
    expect(names(search.children)).toEqual([
      'vitrine.prepare',
      'vitrine.plan',
      'vitrine.scan',
      'vitrine.materialize',
    ])
  })

  it('says how long its call was in it where that was more than once', async () => {
    const index = await grown()
    trace()
    const db = await openDatabase(':memory:', { name: 'shop' })
    const points = await db.createCollection('points', { dimension })
    await points.upsert({ ids: [1, 2, 3], vectors: randomVectors(3, dimension, 3) })
    await points.searchBatch(randomVectors(4, dimension, 4), { k: 1 })
    const { span, children } = call('BATCH search points')
    for (const name of ['vitrine.queue', 'vitrine.materialize', 'vitrine.settle']) {
      const child = children.find(each => each.name === name)
      expect(child?.attributes['vitrine.phase.entries'], name).toBe(4)
      expect(child?.attributes['vitrine.phase.duration'], name).toBeGreaterThan(0)
      expect(at(child!.endTime)).toBeLessThanOrEqual(at(span.endTime))
    }
    // So narrow that the walks go side by side.
    await index.searchBatch(randomVectors(4, dimension, 4), { k: 1, ef: 16 })
    const batch = call('BATCH search things')
    const entries = batch.children.map(({ name, attributes }) => [
      name,
      attributes['vitrine.phase.entries'],
    ])
    expect(entries).toEqual([
      ['vitrine.queue', undefined],
      ['vitrine.prepare', undefined],
      ['vitrine.plan', 4],
      ['vitrine.entries', 4],
      // Four walks begin, and three times one that ends leaves others.
      ['vitrine.graph', 7],
      // Of each, and of the arrays of all.
      ['vitrine.materialize', 5],
      ['vitrine.settle', undefined],
    ])
    for (const { startTime, endTime } of batch.children) {
      expect(at(startTime)).toBeGreaterThanOrEqual(at(batch.span.startTime))
      expect(at(endTime)).toBeLessThanOrEqual(at(batch.span.endTime))
    }
  })

  it('is of a scan what comes before its first point, however it ends', async () => {
    trace()
    const db = await openDatabase(':memory:', { name: 'shop' })
    const points = await db.createCollection('points', { dimension })
    await points.upsert({ ids: [1, 2, 3], vectors: randomVectors(3, dimension, 3) })
    const taken = async (most: number) => {
      exporter.reset()
      let count = 0
      for await (const _ of points.scan()) if (++count === most) break
      const scan = call('scan points')
      expectSequence(scan)
      expect(names(scan.children)).toEqual(['vitrine.queue', 'vitrine.execute', 'vitrine.settle'])
      expect(scan.span.attributes['db.response.returned_rows']).toBe(count)
      return count
    }
    expect(await taken(10)).toBe(3)
    expect(await taken(1)).toBe(1)
    await points.delete([1, 2, 3])
    expect(await taken(1)).toBe(0)
  })

  it('tells a write into the log from the flush that it waits for', async () => {
    trace()
    for (const [durability, storage] of [
      ['commit', ['vitrine.wal', 'vitrine.fsync']],
      ['interval', ['vitrine.wal']],
    ] as const) {
      const db = await openDatabase(join(folder(), durability), { durability })
      const points = await db.createCollection(durability, { dimension: 1 })
      await points.upsert([{ id: 1, vector: [1] }])
      const write = call(`upsert ${durability}`)
      expectSequence(write)
      expect(names(write.children)).toEqual([
        'vitrine.queue',
        'vitrine.plan',
        'vitrine.graph_link',
        ...storage,
        'vitrine.commit',
        'vitrine.settle',
      ])
      expect(names(call(`createCollection ${durability}`).children)).toEqual([
        'vitrine.queue',
        'vitrine.execute',
        'vitrine.settle',
      ])
    }
  })

  it('is of memory alone where there is no log', async () => {
    trace()
    const db = await openDatabase(':memory:', { name: 'shop' })
    const points = await db.createCollection('points', { dimension: 1 })
    await points.upsert([{ id: 1, vector: [1] }])
    expect(names(call('upsert points').children)).toEqual([
      'vitrine.queue',
      'vitrine.plan',
      'vitrine.graph_link',
      'vitrine.commit',
      'vitrine.settle',
    ])
    await expect(points.insert([{ id: 1, vector: [1] }])).rejects.toThrow()
    expect(names(call('insert points').children)).toEqual([
      'vitrine.queue',
      'vitrine.plan',
      'vitrine.settle',
    ])
  })

  it('is that of its own call alone', async () => {
    const index = await grown()
    const other = await grown('others')
    trace()
    const db = await openDatabase(':memory:', { name: 'shop' })
    let pending: Promise<unknown> | undefined
    await db.transaction(() => {
      other.searchSync(query, { k: 1 })
      pending = index.search(query, { k: 1 })
    })
    await pending
    expect(names(call('transaction shop').children)).not.toContain('vitrine.graph')
    expect(names(call('search others').children)).toContain('vitrine.graph')
    expect(names(call('search things').children)).toContain('vitrine.graph')
  })

  it('is measured where somebody asked, and of a span that is recorded', async () => {
    const index = await grown()
    const heard: OperationEvent[] = []
    const handlers = {
      start: () => undefined,
      end: () => undefined,
      asyncStart: () => undefined,
      asyncEnd: (event: OperationEvent) => void heard.push(event),
      error: () => undefined,
    }
    operationChannels.search.subscribe(handlers)
    undo.push(() => operationChannels.search.unsubscribe(handlers))
    await index.search(query, { k: 1 })
    const off = new BasicTracerProvider({
      sampler: new AlwaysOffSampler(),
      spanProcessors: [new SimpleSpanProcessor(exporter)],
    })
    trace(off)
    await index.search(query, { k: 1 })
    trace()
    await index.search(query, { k: 1 })
    expect(heard.map(({ measure, phases }) => [measure, phases?.length])).toEqual([
      [undefined, undefined],
      [undefined, undefined],
      [true, 7],
    ])
    const [queue, ...rest] = heard[2]!.phases!
    expect(queue).toMatchObject({ name: 'queue', times: 1 })
    expect(queue!.end - queue!.begin).toBeCloseTo(queue!.nanoseconds, -2)
    expect(rest.at(-1)!.end).toBeGreaterThan(queue!.end)
    expect(names(exporter.getFinishedSpans())).toHaveLength(8)
  })

  it('is known of a call that fails, as far as it came', async () => {
    const index = await grown()
    trace()
    await expect(index.search(query.subarray(1), { k: 1 })).rejects.toThrow()
    expect(names(call('search things').children)).toEqual([])
    exporter.reset()
    const controller = new AbortController()
    const aborted = index.search(query, { k: 1, signal: controller.signal })
    controller.abort()
    await expect(aborted).rejects.toThrow()
    const { children } = call('search things')
    expect(names(children)[0]).toBe('vitrine.queue')
    expect(names(children).at(-1)).toBe('vitrine.settle')
  })
})

describe('a call that runs out of time', () => {
  const wide = 1024
  const far = { k: 10, exact: true } as const
  const config = { dimension: wide, m: 2, efConstruction: 4, quantization: 'none' } as const

  /**
   * Calls again, with longer times on slower machines, until one of them ends in the middle of what
   * it is about.
   */
  async function late(run: (timeoutMs: number) => unknown, name: string, phase: string) {
    for (let attempt = 0; attempt < 200; attempt++) {
      exporter.reset()
      const timeoutMs = Math.ceil(1.5 ** (attempt % 12))
      const error = await (async () => run(timeoutMs))()
        .then(() => undefined)
        .catch(thrown => thrown)
      const found = call(name)
      if (error === undefined || !names(found.children).includes(phase)) continue
      expect(error).toMatchObject({ code: 'ERR_TIMEOUT' })
      expectSequence(found)
      return { error, children: names(found.children) }
    }
    throw new Error(`no ${name} ended in ${phase}`)
  }

  it('has the phases that it came to, and a search tells what it had done', async () => {
    const index = new Index({ ...config, name: 'things' })
    undo.push(() => index.close())
    await index.add(null, randomVectors(scaled(20_000, 8_000), wide, 1))
    const vector = randomVectors(1, wide, 2)
    trace()
    const scanned = ['vitrine.prepare', 'vitrine.plan', 'vitrine.scan']
    const waited = ['vitrine.queue', ...scanned, 'vitrine.settle']
    const search = await late(
      timeoutMs => index.search(vector, { ...far, timeoutMs }),
      'search things',
      'vitrine.scan',
    )
    expect(search.children).toEqual(waited)
    expect(search.error.details).toBeUndefined()
    const now = await late(
      timeoutMs => index.searchSync(vector, { ...far, timeoutMs }),
      'search things',
      'vitrine.scan',
    )
    expect(now.children).toEqual(scanned)
    const { children, error } = await late(
      timeoutMs => index.analyze(vector, { ...far, timeoutMs }),
      'search things',
      'vitrine.scan',
    )
    expect(children).toEqual(waited)
    const { counters, phases, nanoseconds, stopReason } = error.details.cost
    expect(counters.scanEvaluations).toBeGreaterThan(0)
    expect(counters.scanEvaluations % 1024).toBe(0)
    expect(phases.scan).toBeGreaterThan(phases.materialize)
    expect(phases.materialize).toBe(0)
    const sum = Object.values(phases as Record<string, number>).reduce((a, b) => a + b, 0)
    expect(nanoseconds).toBe(sum)
    expect(stopReason).toBeNull()
  })

  it('has them in a database too, the write that is still under way included', async () => {
    trace()
    const db = await openDatabase(folder())
    const points = await db.createCollection('points', config)
    const ids = Array.from({ length: scaled(16_000, 8_000) }, (_, id) => id)
    await points.upsert({ ids, vectors: randomVectors(ids.length, wide, 3) })
    const vector = randomVectors(1, wide, 2)
    const { error, children } = await late(
      timeoutMs => points.search(vector, { ...far, timeoutMs, profile: true }),
      'search points',
      'vitrine.scan',
    )
    expect(children).toEqual([
      'vitrine.queue',
      'vitrine.prepare',
      'vitrine.plan',
      'vitrine.scan',
      'vitrine.settle',
    ])
    expect(error.details.cost.phases.scan).toBeGreaterThan(0)
    const some = { ids: ids.slice(0, 2000), vectors: randomVectors(2000, wide, 4) }
    const write = await late(
      async timeoutMs => {
        // It has its turn at once, and none of its time passes while the graph is tidied after others.
        await points.upsert([{ id: 0, vector }])
        return points.upsert(some, { timeoutMs })
      },
      'BATCH upsert points',
      'vitrine.graph_link',
    )
    expect(write.error.details).toEqual({ outcome: 'unknown' })
    expect(write.children.slice(0, 3)).toEqual([
      'vitrine.queue',
      'vitrine.plan',
      'vitrine.graph_link',
    ])
    expect(write.children.at(-1)).toBe('vitrine.settle')
  })
})
