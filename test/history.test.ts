import { afterEach, describe, expect, it } from 'vitest'
import { type Distribution, merged, quantileOf } from '../lib/metrics/distribution.ts'
import { StatsHistory } from '../lib/metrics/history.ts'
import { Index } from '../lib/vitrine.ts'
import { TestClock } from './clocks.ts'

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const each of open.splice(0)) await each.close()
})

const operations = 'vitrine_engine_operations_total'
const duration = 'vitrine_engine_operation_duration_seconds'
const search = { labels: { op: 'search' } }
const hour = 3_600_000

async function watched(...names: string[]) {
  const indexes = await Promise.all(
    names.map(async name => {
      const index = new Index({ dimension: 1, name })
      open.push(index)
      await index.add(null, Float32Array.of(0, 1, 2, 3))
      index.enableStats({ level: 'histograms' })
      return index
    }),
  )
  const clock = new TestClock()
  const history = new StatsHistory(indexes, { clock })
  open.push(history)
  const searches = (index: Index, count: number) => {
    for (let i = 0; i < count; i++) index.searchSync([1.2], { k: 2 })
  }
  return { index: indexes[0]!, other: indexes[1]!, clock, history, searches }
}

describe('a history', () => {
  it('tells rates, increases and gauges by window', async () => {
    const { index, clock, history, searches } = await watched('one')
    expect(history.rate(operations)).toBeUndefined()
    expect(history.latest('vitrine_engine_vectors')).toBeUndefined()
    searches(index, 20)
    clock.advance(10_000)
    expect(history.rate(operations, search)).toBe(2)
    searches(index, 40)
    clock.advance(10_000)
    clock.advance(10_000)
    expect(history.rate(operations, search)).toBe(2)
    expect(history.increase(operations, search)).toBe(60)
    expect(history.rate(operations, { ...search, seconds: 20 })).toBe(2)
    expect(history.rate(operations, { ...search, seconds: 10 })).toBe(0)
    expect(history.increase(duration, search)).toBe(60)
    expect(history.latest('vitrine_engine_vectors', { state: 'live' })).toBe(4)
    await index.remove([0])
    clock.advance(9_000)
    expect(history.latest('vitrine_engine_vectors', { state: 'live' })).toBe(4)
    clock.advance(1_000)
    expect(history.latest('vitrine_engine_vectors', { state: 'live' })).toBe(3)
    expect(
      history.series('vitrine_engine_vectors', { labels: { state: 'live' } }).map(p => p.value),
    ).toEqual([4, 4, 4, 3])
    expect(history.series(operations, search).map(({ value }) => value)).toEqual([2, 4, 0, 0])
  })

  it('tells quantiles as stats snapshots do, within the width of a bucket', async () => {
    const { index, clock, history, searches } = await watched('one')
    const before = index.statsSnapshot()
    for (let i = 0; i < 3; i++) {
      searches(index, 50)
      clock.advance(10_000)
    }
    const family = index
      .statsSnapshot({ since: before })
      .families.find(({ name }) => name === duration)
    const sample =
      family?.type === 'histogram'
        ? family.samples.find(({ labels }) => labels.op === 'search')
        : undefined
    expect(sample?.count).toBe(150)
    for (const [q, expected] of [
      [0.5, sample!.p50],
      [0.95, sample!.p95],
      [0.99, sample!.p99],
    ] as const) {
      const ratio = history.quantile(duration, q, search)! / expected
      expect(ratio).toBeGreaterThan(2 ** (-1 / 8))
      expect(ratio).toBeLessThan(2 ** (1 / 8))
    }
    const points = history.series(duration, { ...search, quantile: 0.5 })
    expect(points).toHaveLength(3)
    expect(points.every(({ value }) => value > 0 && value < 1)).toBe(true)
    clock.advance(10_000)
    expect(history.quantile(duration, 0.5, { ...search, seconds: 10 })).toBeUndefined()
    expect(history.series(duration, { ...search, quantile: 0.5 })).toHaveLength(3)
  })

  it('keeps an hour by 10 seconds and a day by 5 minutes, and no more', async () => {
    const { index, clock, history, searches } = await watched('one')
    searches(index, 30)
    clock.advance(hour / 2)
    searches(index, 60)
    clock.advance(hour)
    expect(history.series(operations, search)).toHaveLength(360)
    expect(history.increase(operations, search)).toBe(60)
    expect(history.increase(operations, { ...search, seconds: 86_400 })).toBe(90)
    expect(history.rate(operations, { ...search, seconds: 86_400 })).toBeCloseTo(90 / 5400, 9)
    expect(history.series(operations, { ...search, seconds: 86_400 })).toHaveLength(18)
    expect(history.quantile(duration, 0.5, { ...search, seconds: 86_400 })).toBeGreaterThan(0)
    // A timer that is late: of 5 minutes there are two looks.
    for (let i = 0; i < 300; i++) {
      clock.set(clock.now() + 290_000)
      clock.advance(10_000)
    }
    expect(history.series(operations, search)).toHaveLength(24)
    expect(history.series(operations, { ...search, seconds: 86_400 })).toHaveLength(288)
    expect(history.increase(operations, { ...search, seconds: 86_400 })).toBe(0)
    // What is not a whole stretch of 5 minutes yet counts as well.
    searches(index, 5)
    clock.advance(10_000)
    expect(history.increase(operations, { ...search, seconds: 86_400 })).toBe(5)
  })

  it('adds up sources, tells them apart by their labels, and goes on when one is closed', async () => {
    const { index, other, clock, history, searches } = await watched('one', 'two')
    searches(index, 10)
    searches(other, 30)
    clock.advance(10_000)
    expect(history.rate(operations, search)).toBe(4)
    expect(history.rate(operations, { labels: { op: 'search', db: 'two' } })).toBe(3)
    await other.close()
    searches(index, 10)
    clock.advance(10_000)
    expect(history.increase(operations, search)).toBe(50)
    expect(history.latest('vitrine_engine_vectors', { db: 'two' })).toBeUndefined()
    expect(history.latest('vitrine_engine_vectors', { db: 'one', state: 'live' })).toBe(4)
  })

  it('is not upset by a reset, or by a clock that is set back', async () => {
    const { index, clock, history, searches } = await watched('one')
    searches(index, 10)
    index.resetStats()
    clock.advance(10_000)
    searches(index, 10)
    clock.set(clock.now() - hour)
    clock.advance(hour)
    clock.advance(20_000)
    expect(history.increase(operations, { ...search, seconds: 86_400 })).toBe(20)
  })

  it('ends with close, and remembers', async () => {
    const { index, clock, history, searches } = await watched('one')
    searches(index, 10)
    clock.advance(10_000)
    expect(clock.timers).toBe(1)
    history.close()
    history.close()
    expect(clock.timers).toBe(0)
    searches(index, 10)
    clock.advance(10_000)
    expect(history.increase(operations, search)).toBe(10)
  })

  it('refuses names, windows and quantiles that make no sense', async () => {
    const { history } = await watched('one')
    const code = (code: string) => expect.objectContaining({ code })
    expect(() => history.rate('vitrine_engine_operation_total')).toThrow(/operations_total/)
    expect(() => history.rate('vitrine_engine_vectors')).toThrow(code('ERR_ARGUMENT'))
    expect(() => history.latest(operations)).toThrow(code('ERR_ARGUMENT'))
    expect(() => history.quantile(operations, 0.5)).toThrow(code('ERR_ARGUMENT'))
    expect(() => history.quantile(duration, 2)).toThrow(code('ERR_OPTION'))
    expect(() => history.rate(operations, { seconds: 0 })).toThrow(code('ERR_OPTION'))
    expect(() => history.rate(operations, { label: {} } as never)).toThrow(code('ERR_OPTION'))
    expect(() => new StatsHistory([{}] as never)).toThrow(code('ERR_ARGUMENT'))
    expect(() => new StatsHistory([], { clock: {} } as never)).toThrow(code('ERR_OPTION'))
  })
})

describe('a distribution', () => {
  /** Of values above 1. */
  const of = (...values: number[]): Distribution => {
    const indexes = values.map(value => Math.ceil(Math.log2(value) * 8) - 1)
    const offset = Math.min(...indexes)
    const counts = Array.from({ length: Math.max(...indexes) - offset + 1 }, () => 0)
    for (const index of indexes) counts[index - offset]!++
    const sum = values.reduce((a, b) => a + b, 0)
    return { count: values.length, sum, scale: 3, zeroThreshold: 1, zeroCount: 0, offset, counts }
  }
  const nothing = { ...of(2), count: 1, sum: 0.5, zeroCount: 1, offset: 0, counts: [] }

  it('of two is that of all observations', () => {
    expect(merged(of(2, 3), of(500, 2))).toEqual(of(2, 3, 500, 2))
    expect(merged(of(500), of(2, 3))).toEqual(of(500, 2, 3))
    expect(merged(undefined, of(7))).toEqual(of(7))
    const three = { ...of(7, 9), count: 3, sum: 16.5, zeroCount: 1 }
    expect(merged(nothing, of(7, 9))).toEqual(three)
    expect(merged(of(7, 9), nothing)).toEqual(three)
  })

  it('has quantiles within a bucket of the truth', () => {
    let state = 7
    const values = Array.from({ length: 5000 }, () => {
      state = (state * 48_271) % 2_147_483_647
      return 1.001 * 1000 ** (state / 2_147_483_647)
    })
    const all = values.map(value => of(value)).reduce<Distribution | undefined>(merged, undefined)!
    const sorted = values.toSorted((a, b) => a - b)
    for (const q of [0, 0.01, 0.5, 0.9, 0.999, 1]) {
      const truth = sorted[Math.max(0, Math.ceil(q * values.length) - 1)]!
      const ratio = quantileOf(all, q)! / truth
      expect(ratio).toBeGreaterThan(2 ** (-1 / 8))
      expect(ratio).toBeLessThan(2 ** (1 / 8))
    }
    expect(quantileOf(nothing, 0.5)).toBe(1)
    expect(quantileOf({ ...nothing, count: 0, zeroCount: 0 }, 0.5)).toBeUndefined()
  })
})
