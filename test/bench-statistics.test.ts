import { describe, expect, it } from 'vitest'
import { aheadOf } from '../bench/ahead.mjs'
import { formatLine, parseLine } from '../bench/engines/protocol.mjs'
import { measureNames, parseOptions } from '../bench/options.mjs'
import { plotSearch } from '../bench/plot.mjs'
import { seededRandom } from '../bench/random.mjs'
import { median, quantile, rateAtRecall, recallAtRate } from '../bench/statistics.mjs'
import { bytes, duration } from '../bench/table.mjs'
import { distanceBetween, recallOf } from '../bench/truth.mjs'

const ladder = [
  { ef: 10, recall: 0.9, rate: 40_000 },
  { ef: 20, recall: 0.99, rate: 10_000 },
  { ef: 40, recall: 1, rate: 5_000 },
]

describe('quantiles', () => {
  it('lie on the values or between two of them, whatever the order', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 2, 3])).toBe(2.5)
    expect(quantile([10, 0], 0.25)).toBe(2.5)
    expect(quantile([7], 0.99)).toBe(7)
    expect(quantile([], 0.5)).toBeNaN()
  })
})

describe('a recall ladder', () => {
  it('gives the rate of a rung at its own recall', () => {
    expect(rateAtRecall(ladder, 0.99)).toBeCloseTo(10_000)
  })

  it('is logarithmic in rate and in what is missed between two rungs', () => {
    // Half way from 10 % to 1 % missed, and half way from 40,000 to 10,000.
    expect(rateAtRecall(ladder, 1 - Math.sqrt(0.1 * 0.01))).toBeCloseTo(20_000)
  })

  it('gives its first rung for a recall that it begins above', () => {
    expect(rateAtRecall(ladder, 0.5)).toBe(40_000)
  })

  it('has no rate for a recall that it never reaches', () => {
    expect(rateAtRecall(ladder.slice(0, 2), 0.999)).toBeUndefined()
  })

  it('gives the recall at a rate, and none outside of its rates', () => {
    expect(recallAtRate(ladder, 20_000)).toBeCloseTo(0.945)
    expect(recallAtRate(ladder, 5_000)).toBe(1)
    expect(recallAtRate(ladder, 50_000)).toBeUndefined()
    expect(recallAtRate(ladder, 4_000)).toBeUndefined()
  })
})

describe('recall', () => {
  const acceptable = [new Set([1, 2, 3]), new Set([7])]

  it('counts ties with the last neighbour, and an id given twice once', () => {
    // Two of three may be found; the second query has one neighbour only.
    expect(recallOf(Uint32Array.of(3, 2, 7, 9), 2, acceptable)).toBe(1)
    expect(recallOf(Uint32Array.of(3, 3, 7, 7), 2, acceptable)).toBe(0.75)
    expect(recallOf(Uint32Array.of(8, 9, 8, 9), 2, acceptable)).toBe(0)
  })

  it('measures distances as the engine defines them', () => {
    expect(distanceBetween('l2', [1, 2], [4, 6])).toBe(25)
    expect(distanceBetween('ip', [1, 2], [4, 6])).toBe(-16)
    expect(distanceBetween('cosine', [1, 0], [0, 3])).toBe(1)
    expect(distanceBetween('cosine', [2, 0], [-3, 0])).toBe(2)
    expect(distanceBetween('cosine', [0, 0], [1, 1])).toBe(1)
  })
})

describe('the protocol', () => {
  it('carries spaces, equals signs and percent signs in values', () => {
    const fields = { path: '/a b/100%=c', k: '10' }
    expect(parseLine(formatLine('save', fields))).toEqual({ verb: 'save', fields })
  })

  it('leaves out what is undefined', () => {
    expect(formatLine('search', { k: 10, allowed: undefined })).toBe('search k=10')
  })
})

describe('options', () => {
  const defaults = { sample: 'sample-folder', lastCore: 1 }

  it('takes several folders and all measures but turnover by default', () => {
    const options = parseOptions(['--data', 'a,b', '--peers', 'hnswlib'], defaults)
    expect(options).toMatchObject({ data: ['a', 'b'], peers: ['hnswlib'], core: 1, k: 10 })
    expect([...(options?.only ?? [])]).toEqual(measureNames.filter(name => name !== 'turnover'))
  })

  it('takes the sample when it is to be quick', () => {
    expect(parseOptions(['--quick'], defaults)).toMatchObject({ data: ['sample-folder'] })
  })

  it('refuses what it does not know', () => {
    expect(() => parseOptions([], defaults)).toThrow(/--data names no folder/)
    expect(() => parseOptions(['--data', 'a', '--peers', 'annoy'], defaults)).toThrow(
      /annoy is not/,
    )
    expect(() => parseOptions(['--data', 'a', '--only', 'serch'], defaults)).toThrow(/serch is not/)
    expect(() => parseOptions(['--data', 'a', '--limit', '1e3x'], defaults)).toThrow(/--limit 1e3x/)
    expect(() => parseOptions(['--date', 'a'], defaults)).toThrow(/--date/)
  })
})

it('gives the same random numbers for the same seed', () => {
  const [a, b, c] = [seededRandom(5), seededRandom(5), seededRandom(6)]
  const draws = Array.from({ length: 1000 }, () => a())
  expect(draws).toEqual(Array.from({ length: 1000 }, () => b()))
  expect(draws[0]).not.toBe(c())
  expect(Math.min(...draws)).toBeGreaterThanOrEqual(0)
  expect(Math.max(...draws)).toBeLessThan(1)
  expect(draws.reduce((sum, draw) => sum + draw, 0) / draws.length).toBeCloseTo(0.5, 1)
})

it('prints three digits with a fitting unit', () => {
  expect(duration(1.5)).toBe('1.50 s')
  expect(duration(0.0000123)).toBe('12.3 µs')
  expect(duration(5e-10)).toBe('0.50 ns')
  expect(duration(undefined)).toBeUndefined()
  expect(bytes(188_160_000)).toBe('188 MB')
  expect(bytes(999)).toBe('999 B')
})

it('plots every series, with its name escaped and no number missing', () => {
  const series = (engine: string, mode: string) => ({ engine, mode, rungs: ladder })
  const dataset = {
    name: 'a<b',
    vectors: 10_000,
    dimension: 784,
    metric: 'l2',
    k: 10,
    search: [series('vitrine', 'into'), series('vitrine', 'batch'), series('hnswlib', 'single')],
  }
  const svg = plotSearch(dataset, { processor: 'Test & Co' })
  expect(svg).toContain('a&lt;b: recall@10')
  expect(svg).toContain('Test &amp; Co')
  expect(svg.match(/<polyline/g)).toHaveLength(3)
  expect(svg.match(/<circle/g)).toHaveLength(9)
  expect(svg).not.toMatch(/NaN|undefined|Infinity/)
})

describe('where a peer is ahead', () => {
  const series = (engine: string, rate: number) => ({
    engine,
    rateAt: { 0.95: rate, 0.99: rate, 0.999: rate / 10 },
  })

  it('is said of the best of each, for what is more and what is less', () => {
    const found = aheadOf({
      search: [series('vitrine', 100), series('vitrine', 90), series('a', 101), series('b', 125)],
      build: [
        { engine: 'vitrine', threads: 1, cpu: 3 },
        { engine: 'a', threads: 1, cpu: 6 },
        { engine: 'vitrine', threads: 2, cpu: 3 },
        { engine: 'b', threads: 2, cpu: 1 },
      ],
      filter: [
        { engine: 'vitrine', kind: 'far', share: 0.5, reached: true, rate: 10 },
        { engine: 'a', kind: 'far', share: 0.5, reached: false, rate: 30 },
      ],
    })
    expect(found.map(({ what, peer }) => [what, peer])).toEqual([
      ['queries a CPU second at recall 0.95', 'b'],
      ['queries a CPU second at recall 0.99', 'b'],
      ['queries a CPU second at recall 0.999', 'b'],
      ['CPU seconds of a build with 2 threads', 'b'],
    ])
    expect(found[0]?.by).toBeCloseTo(1.25)
    expect(found[3]?.by).toBeCloseTo(3)
  })

  it('is nowhere without peers', () => {
    expect(aheadOf({ search: [series('vitrine', 1)] })).toEqual([])
  })
})
