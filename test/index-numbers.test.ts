import { afterEach, describe, expect, it } from 'vitest'
import { Index, type Metric } from '../lib/vitrine.ts'
import { randomVectors, rowOf } from './vectors.ts'

const open: { close(): Promise<void> }[] = []
const opened = <T extends { close(): Promise<void> }>(index: T): T => {
  open.push(index)
  return index
}
afterEach(() => Promise.all(open.splice(0).map(index => index.close())))

const metrics: readonly Metric[] = ['l2', 'cosine', 'ip']
const maxFloat = 3.4028234663852886e38
const leastFloat = 1e-45 // the least denormal

describe('components that are not finite', () => {
  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e39])(
    'are refused, and nothing is changed: %d',
    async value => {
      const index = opened(new Index({ dimension: 3 }))
      await index.add([1], [1, 2, 3])
      const refusal = expect.objectContaining({
        code: 'ERR_VECTOR',
        message: expect.stringMatching(/component 2 of vector 1/),
      })
      const wrong = [0, 0, 0, 0, 0, value]
      await expect(index.add([5, 6], wrong)).rejects.toEqual(refusal)
      await expect(index.upsert([1, 6], wrong)).rejects.toEqual(refusal)
      await expect(index.searchBatch(wrong, { k: 1 })).rejects.toEqual(refusal)
      const query = [0, value, 0]
      const refusedQuery = expect.objectContaining({ code: 'ERR_VECTOR' })
      expect(() => index.searchSync(query, { k: 1 })).toThrow(refusedQuery)
      expect(() => index.explain(query, { k: 1 })).toThrow(refusedQuery)
      await expect(index.search(query, { k: 1, exact: true })).rejects.toEqual(refusedQuery)
      await expect(index.analyze(query, { k: 1 })).rejects.toEqual(refusedQuery)
      expect(index.ids()).toEqual(Uint32Array.of(1))
      expect(index.get([1])).toEqual(Float32Array.of(1, 2, 3))
    },
  )
})

describe('distances that overflow', () => {
  it('are the greatest finite number, and ordered by id', async () => {
    const index = opened(new Index({ dimension: 2 }))
    await index.add([3, 1, 2], [maxFloat, maxFloat, -maxFloat, 0, 0, 0])
    for (const exact of [true, false]) {
      const hits = index.searchSync([maxFloat, -maxFloat], { k: 3, exact })
      expect([...hits.distances]).toEqual([maxFloat, maxFloat, maxFloat])
      expect([...hits.ids]).toEqual([1, 2, 3])
      expect((await index.searchBatch([maxFloat, -maxFloat], { k: 3, exact })).ids).toEqual(
        hits.ids,
      )
    }
    expect(index.searchSync([maxFloat, maxFloat], { k: 1 })).toEqual({
      ids: Uint32Array.of(3),
      distances: Float32Array.of(0),
    })
  })

  it('are finite for an inner product, on both sides', async () => {
    const index = opened(new Index({ dimension: 2, metric: 'ip' }))
    await index.add([1, 2, 3], [maxFloat, maxFloat, -maxFloat, -maxFloat, 1, 1])
    for (const exact of [true, false]) {
      const { ids, distances } = index.searchSync([maxFloat, maxFloat], { k: 3, exact })
      expect([...ids]).toEqual([1, 3, 2])
      expect([...distances]).toEqual([-maxFloat, -maxFloat, maxFloat])
    }
  })
})

describe('denormal numbers', () => {
  it('are numbers like others', async () => {
    const index = opened(new Index({ dimension: 1 }))
    await index.add([1, 2, 3], [0, leastFloat, 2 * leastFloat])
    expect(index.get([2, 3])).toEqual(Float32Array.of(leastFloat, 2 * leastFloat))
    // Their squares are 0: all at the same distance, in the order of their ids.
    const { ids, distances } = index.searchSync([2 * leastFloat], { k: 3 })
    expect([...ids]).toEqual([1, 2, 3])
    expect([...distances]).toEqual([0, 0, 0])
  })

  it('have a direction', async () => {
    const index = opened(new Index({ dimension: 2, metric: 'cosine' }))
    const tiny = 5e-39
    await index.add([1, 2, 3], [tiny, 0, 0, tiny, 1, 1])
    for (const exact of [true, false]) {
      const { ids, distances } = index.searchSync([0, 5], { k: 3, exact })
      expect([...ids]).toEqual([2, 3, 1])
      expect(distances[0]).toBeCloseTo(0, 5)
      expect(distances[2]).toBeCloseTo(1, 5)
    }
    // Where a norm has no finite inverse, the side is still right.
    await index.upsert([1, 2], [leastFloat, leastFloat, -leastFloat, -leastFloat])
    const { ids, distances } = index.searchSync([1, 1], { k: 3 })
    expect([...ids]).toEqual([3, 1, 2])
    expect(distances[1]).toBeLessThanOrEqual(1)
    expect(distances[2]).toBeGreaterThanOrEqual(1)
  })
})

describe('negative zero', () => {
  it.each(metrics)('equals zero: %s', async metric => {
    const index = opened(new Index({ dimension: 2, metric }))
    await index.add([1, 2, 3], [0, 1, -0, 1, 5, 5])
    const [plain, negative] = [
      [0, 1],
      [-0, 1],
    ].map(query => index.searchSync(query, { k: 3 }))
    expect(plain).toEqual(negative)
    const equal = [...plain!.ids].filter(id => id !== 3)
    expect(equal).toEqual([1, 2])
    const { ids, distances } = index.searchSync([0, 1], { k: 3 })
    expect(distances[ids.indexOf(1)]).toBe(distances[ids.indexOf(2)])
    if (metric === 'l2') expect(Object.is(distances[0], 0)).toBe(true)
  })
})

describe('a zero vector under cosine', () => {
  it('has distance 1 to everything, itself included', async () => {
    const index = opened(new Index({ dimension: 3, metric: 'cosine' }))
    await index.add([1, 2, 3, 4, 5], [0, 0, 0, 1, 0, 0, -0, 0, 0, -1, 0, 0, 0, 1, 0])
    for (const exact of [true, false]) {
      const near = index.searchSync([1, 0, 0], { k: 9, exact })
      expect([...near.ids]).toEqual([2, 1, 3, 5, 4])
      expect([...near.distances]).toEqual([0, 1, 1, 1, 2])
      const zero = index.searchSync([0, 0, 0], { k: 9, exact })
      expect([...zero.ids]).toEqual([1, 2, 3, 4, 5])
      expect([...zero.distances]).toEqual([1, 1, 1, 1, 1])
      expect([...index.searchSync([0, 0, 0], { k: 2, exact, filter: [3, 4, 5] }).ids]).toEqual([
        3, 4,
      ])
      const batch = await index.searchBatch([1, 0, 0, 0, 0, 0], { k: 5, exact })
      expect([...batch.ids]).toEqual([2, 1, 3, 5, 4, 1, 2, 3, 4, 5])
    }
    await index.upsert([1, 2], [0, 0, 1, 0, 0, 0])
    expect([...index.searchSync([1, 0, 0], { k: 9 }).ids]).toEqual([1, 2, 3, 5, 4])
    expect(await index.remove([2, 3])).toBe(2)
    expect([...index.searchSync([0, 0, 9], { k: 9 }).ids]).toEqual([1, 5, 4].sort((a, b) => a - b))
  })
})

describe('ties', () => {
  it.each(metrics)('are broken by the lower id: %s', async metric => {
    const index = opened(new Index({ dimension: 2, metric }))
    // Eight points around the origin, twice, in an order that is not that of their ids.
    const around = [1, 0, 0, 1, -1, 0, 0, -1, 1, 1, -1, 1, 1, -1, -1, -1]
    await index.add(
      Array.from({ length: 16 }, (_, i) => 100 - i),
      [...around, ...around],
    )
    for (const exact of [true, false]) {
      for (const k of [1, 3, 7, 16]) {
        const { ids, distances } = index.searchSync([0, 0], { k, exact })
        const order = Array.from(ids, (id, i) => ({ id, distance: distances[i]! }))
        const sorted = order.toSorted((a, b) => a.distance - b.distance || a.id - b.id)
        expect(order).toEqual(sorted)
        const all = index.searchSync([0, 0], { k: 16, exact: true })
        expect(ids).toEqual(all.ids.slice(0, k))
      }
    }
  })
})

describe('the least and the greatest dimension', () => {
  it.each(metrics)('work: %s', async metric => {
    for (const dimension of [1, 65_536]) {
      const index = opened(new Index({ dimension, metric, m: 4, efConstruction: 8 }))
      const vectors = randomVectors(6, dimension, 9)
      await index.add(null, vectors)
      const stored = index.get([0, 1, 2, 3, 4, 5])
      expect(Buffer.compare(Buffer.from(stored.buffer), Buffer.from(vectors.buffer))).toBe(0)
      const query = rowOf(vectors, dimension, 4)
      const exact = index.searchSync(query, { k: 6, exact: true })
      expect(index.searchSync(query, { k: 6 })).toEqual(exact)
      if (dimension > 1) expect(exact.ids[0]).toBe(4)
    }
  })
})

describe('points that are all equal but one', () => {
  it('do not hide the one', async () => {
    const index = opened(new Index({ dimension: 4 }))
    await index.add(null, new Float32Array(4 * 3000))
    await index.add([5000], [1, 1, 1, 1])
    await index.add(null, new Float32Array(4 * 10))
    expect(index.searchSync([1, 1, 1, 1], { k: 1 }).ids).toEqual(Uint32Array.of(5000))
    expect(index.searchSync([0, 0, 0, 0], { k: 3 }).ids).toEqual(Uint32Array.of(0, 1, 2))
  })
})
