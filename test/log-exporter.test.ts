import { PassThrough, Writable } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import { exportLog } from '../lib/metrics/log-exporter.ts'
import { Index } from '../lib/vitrine.ts'
import { TestClock } from './clocks.ts'

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const each of open.splice(0)) await each.close()
})

interface Line {
  readonly time: string
  readonly seconds: number
  readonly dropped: number
  readonly metrics: readonly {
    readonly name: string
    readonly type: string
    readonly labels: Record<string, string>
    readonly value?: number
    readonly count?: number
    readonly p99?: number
  }[]
}

async function counted(name = 'logged') {
  const index = new Index({ dimension: 1, name })
  open.push(index)
  await index.add(null, Float32Array.of(0, 1, 2, 3))
  index.enableStats({ level: 'histograms' })
  return index
}
const search = (index: Index, times: number) => {
  for (let i = 0; i < times; i++) index.searchSync([1.2], { k: 2 })
}

/** Holds each write until it is let go. */
class SlowStream extends Writable {
  readonly lines: Line[] = []
  readonly #waiting: (() => void)[] = []

  constructor() {
    super({ highWaterMark: 1, decodeStrings: false })
  }

  override _write(chunk: string, _: string, done: () => void): void {
    for (const line of chunk.trimEnd().split('\n')) this.lines.push(JSON.parse(line))
    this.#waiting.push(done)
  }

  letGo(): void {
    for (const done of this.#waiting.splice(0)) done()
  }
}

/** Of a line: how many searches it tells of. */
const searchesIn = ({ metrics }: Line) =>
  metrics
    .filter(({ name }) => name === 'vitrine_engine_operations_total')
    .filter(({ labels }) => labels.op === 'search')
    .reduce((sum, { value = 0 }) => sum + value, 0)

const settled = () => new Promise(resolve => setImmediate(resolve))

describe('exportLog', () => {
  it('writes a line of JSON every interval, with what came since the one before', async () => {
    const index = await counted()
    const clock = new TestClock()
    const stream = new PassThrough({ encoding: 'utf8' })
    const exporter = exportLog(index, stream, { intervalMs: 5000, clock })
    const next = () => JSON.parse(stream.read()) as Line
    search(index, 3)
    clock.advance(5000)
    const first = next()
    expect(first).toMatchObject({ time: '2026-01-31T00:00:05.000Z', seconds: 5, dropped: 0 })
    expect(searchesIn(first)).toBe(3)
    const duration = first.metrics.find(
      ({ name }) => name === 'vitrine_engine_operation_duration_seconds',
    )
    expect(duration).toMatchObject({
      type: 'histogram',
      labels: { db: 'logged', op: 'search' },
      count: 3,
      p99: expect.any(Number),
    })
    expect(first.metrics.some(({ type, value }) => type === 'counter' && value === 0)).toBe(false)
    search(index, 2)
    clock.advance(5000)
    expect(searchesIn(next())).toBe(2)
    search(index, 1)
    clock.advance(1000)
    await exporter.close()
    const last = next()
    expect([last.seconds, searchesIn(last)]).toEqual([1, 1])
    expect(clock.timers).toBe(0)
    await exporter.close()
    expect(stream.read()).toBeNull()
    expect(stream.writableEnded).toBe(false)
  })

  it('leaves lines out while the stream waits, and loses no count', async () => {
    const index = await counted()
    const clock = new TestClock()
    const stream = new SlowStream()
    const exporter = exportLog(index, stream, { intervalMs: 1000, clock })
    for (let i = 0; i < 100; i++) {
      search(index, 1)
      clock.advance(1000)
    }
    expect(stream.lines).toHaveLength(1)
    expect(exporter.dropped).toBe(99)
    expect(stream.writableLength).toBeLessThan(20_000)
    stream.letGo()
    await settled()
    search(index, 1)
    clock.advance(1000)
    expect(stream.lines.map(({ dropped, seconds }) => [dropped, seconds])).toEqual([
      [0, 1],
      [99, 100],
    ])
    expect(stream.lines.map(searchesIn)).toEqual([1, 100])
    // The last line is written although the stream waits.
    search(index, 7)
    const closed = exporter.close()
    for (let i = 0; i < 4; i++) {
      stream.letGo()
      await settled()
    }
    await closed
    expect(searchesIn(stream.lines.at(-1)!)).toBe(7)
  })

  it('ends when the stream fails, and does not take the process with it', async () => {
    const index = await counted()
    const clock = new TestClock()
    const stream = new Writable({
      write: (_chunk, _encoding, done) => done(new Error('disk full')),
    })
    const exporter = exportLog(index, stream, { intervalMs: 1000, clock })
    clock.advance(1000)
    await settled()
    expect(exporter.error).toMatchObject({ message: 'disk full' })
    expect(clock.timers).toBe(0)
    await exporter.close()
  })

  it('goes on without a source that is closed, and without a stream that has ended', async () => {
    const index = await counted()
    const other = await counted('other')
    const clock = new TestClock()
    const stream = new PassThrough({ encoding: 'utf8' })
    const exporter = exportLog([index, other], stream, { intervalMs: 1000, clock })
    await other.close()
    clock.advance(1000)
    const names = (JSON.parse(stream.read()) as Line).metrics.map(({ labels }) => labels.db)
    expect(new Set(names)).toEqual(new Set(['logged']))
    stream.end()
    clock.advance(1000)
    await exporter.close()
    expect(exporter.error).toBeUndefined()
  })

  it('refuses what is no stream, no source or no interval', async () => {
    const index = await counted()
    const stream = new PassThrough()
    const code = (code: string) => expect.objectContaining({ code })
    expect(() => exportLog(index, {} as never)).toThrow(code('ERR_ARGUMENT'))
    expect(() => exportLog({} as never, stream)).toThrow(code('ERR_ARGUMENT'))
    expect(() => exportLog(index, stream, { intervalMs: 0 })).toThrow(code('ERR_OPTION'))
    expect(() => exportLog(index, stream, { interval: 5 } as never)).toThrow(code('ERR_OPTION'))
    expect(stream.listenerCount('error')).toBe(0)
  })
})
