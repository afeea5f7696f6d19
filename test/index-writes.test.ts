import { afterEach, describe, expect, it } from 'vitest'
import { type IdType, Index } from '../lib/vitrine.ts'
import { randomNumbers, randomVectors, rowOf } from './vectors.ts'

const open: { close(): Promise<void> }[] = []
const opened = <T extends { close(): Promise<void> }>(index: T): T => {
  open.push(index)
  return index
}
afterEach(() => Promise.all(open.splice(0).map(index => index.close())))

const dimension = 8

describe('add', () => {
  it('gives out ids in sequence, after the highest so far', async () => {
    const index = opened(new Index({ dimension }))
    expect(await index.add(null, randomVectors(3, dimension, 1))).toEqual(Uint32Array.of(0, 1, 2))
    await index.add([40], randomVectors(1, dimension, 2))
    expect(await index.add(null, randomVectors(2, dimension, 3))).toEqual(Uint32Array.of(41, 42))
    await index.remove([42])
    expect(await index.add(null, randomVectors(1, dimension, 4))).toEqual(Uint32Array.of(43))
    expect(index.ids()).toEqual(Uint32Array.of(0, 1, 2, 40, 41, 43))
  })

  it('returns the ids that were given, in an array of its own', async () => {
    const index = opened(new Index({ dimension }))
    const ids = Uint32Array.of(9, 4)
    const returned = await index.add(ids, randomVectors(2, dimension, 1))
    expect(returned).toEqual(ids)
    expect(returned.buffer).not.toBe(ids.buffer)
  })

  it('copies its input before it returns', async () => {
    const index = opened(new Index({ dimension }))
    const vectors = randomVectors(600, dimension, 1)
    const before = vectors.slice()
    const ids = Uint32Array.from({ length: 600 }, (_, i) => i)
    const added = index.add(ids, vectors)
    vectors.fill(Number.NaN)
    ids.fill(7)
    await added
    expect(index.get(index.ids())).toEqual(before)
  })

  it('refuses an id that is there, or comes twice, and adds nothing', async () => {
    const index = opened(new Index({ dimension }))
    await index.add([5], randomVectors(1, dimension, 1))
    await expect(index.add([6, 5], randomVectors(2, dimension, 2))).rejects.toMatchObject({
      code: 'ERR_EXISTS',
      message: /\b5\b/,
    })
    await expect(index.add([7, 8, 7], randomVectors(3, dimension, 2))).rejects.toMatchObject({
      code: 'ERR_EXISTS',
      message: /\b7\b/,
    })
    expect(index.ids()).toEqual(Uint32Array.of(5))
  })

  it('takes nothing at all', async () => {
    const index = opened(new Index({ dimension }))
    expect(await index.add([], [])).toEqual(new Uint32Array(0))
    expect(await index.add(null, new Float32Array(0))).toEqual(new Uint32Array(0))
    await index.upsert([], [])
    expect(await index.remove([])).toBe(0)
    expect(index.size).toBe(0)
  })

  it('runs calls in their order, however many are made at once', async () => {
    const index = opened(new Index({ dimension }))
    const vectors = randomVectors(200, dimension, 1)
    const calls = Array.from({ length: 200 }, (_, i) =>
      index.add(null, rowOf(vectors, dimension, i)),
    )
    expect(await Promise.all(calls)).toEqual(calls.map((_, i) => Uint32Array.of(i)))
    expect(index.get(index.ids())).toEqual(vectors)
  })

  it.each([
    ['a part of a vector', null, new Float32Array(dimension + 1), 'ERR_DIMENSION'],
    ['fewer ids than vectors', [1], new Float32Array(2 * dimension), 'ERR_DIMENSION'],
    ['more ids than vectors', [1, 2], new Float32Array(dimension), 'ERR_DIMENSION'],
    ['a negative id', [-1], new Float32Array(dimension), 'ERR_ID'],
    ['an id of 2^32', [2 ** 32], new Float32Array(dimension), 'ERR_ID'],
    ['half an id', [0.5], new Float32Array(dimension), 'ERR_ID'],
    ['a bigint id', [1n], new Float32Array(dimension), 'ERR_ID'],
    ['a hole among the ids', Array(1), new Float32Array(dimension), 'ERR_ID'],
    ['ids of another type', new Int32Array(1), new Float32Array(dimension), 'ERR_ARGUMENT'],
    ['wide ids', new BigUint64Array(1), new Float32Array(dimension), 'ERR_ARGUMENT'],
    ['no ids', undefined, new Float32Array(dimension), 'ERR_ARGUMENT'],
    ['wide floats', [1], new Float64Array(dimension), 'ERR_ARGUMENT'],
    ['strings', [1], Array(dimension).fill('1'), 'ERR_VECTOR'],
    ['holes', [1], Array(dimension), 'ERR_VECTOR'],
  ])('refuses %s', async (_, ids, vectors, code) => {
    const index = opened(new Index({ dimension }))
    const added = index.add(ids as number[], vectors as number[])
    await expect(added).rejects.toMatchObject({ name: 'VitrineError', code })
    await expect(index.upsert(ids as number[], vectors as number[])).rejects.toMatchObject({
      code: ids === null ? 'ERR_ARGUMENT' : code,
    })
    expect(index.size).toBe(0)
  })
})

describe('upsert', () => {
  it('adds what is new and replaces what is there', async () => {
    const index = opened(new Index({ dimension }))
    const first = randomVectors(3, dimension, 1)
    const second = randomVectors(3, dimension, 2)
    await index.add([1, 2, 3], first)
    await index.upsert([3, 4, 2], second)
    expect(index.ids()).toEqual(Uint32Array.of(1, 2, 3, 4))
    expect(index.get([1, 3, 4, 2])).toEqual(
      Float32Array.of(...rowOf(first, dimension, 0), ...second),
    )
    const { ids } = index.searchSync(rowOf(second, dimension, 0), { k: 1 })
    expect(ids).toEqual(Uint32Array.of(3))
  })

  it('keeps the last vector of an id that comes twice', async () => {
    const index = opened(new Index({ dimension: 1 }))
    await index.upsert([5, 6, 5], [1, 2, 3])
    expect(index.get([5, 6])).toEqual(Float32Array.of(3, 2))
    expect(index.size).toBe(2)
  })
})

describe('remove', () => {
  it('tells how many were there', async () => {
    const index = opened(new Index({ dimension }))
    await index.add([1, 2, 3], randomVectors(3, dimension, 1))
    expect(await index.remove([3, 9, 1, 1])).toBe(2)
    expect(index.ids()).toEqual(Uint32Array.of(2))
    expect(index.has(1)).toBe(false)
    expect(await index.remove(Uint32Array.of(1))).toBe(0)
  })

  it('leaves nothing of a point to be found', async () => {
    const index = opened(new Index({ dimension }))
    const vectors = randomVectors(300, dimension, 1)
    await index.add(null, vectors)
    await index.remove(Uint32Array.from({ length: 150 }, (_, i) => i * 2))
    for (let row = 0; row < 300; row += 7) {
      const { ids } = index.searchSync(rowOf(vectors, dimension, row), { k: 300, exact: true })
      expect(ids).toHaveLength(150)
      expect(ids.every(id => id % 2 === 1)).toBe(true)
    }
  })
})

describe('get', () => {
  it.each(['l2', 'cosine', 'ip'] as const)(
    'returns what was put, bit for bit: %s',
    async metric => {
      const index = opened(new Index({ dimension: 4, metric }))
      const vectors = Float32Array.of(
        ...[-0, 0, 1e-45, -3.4e38],
        ...[0, 0, 0, 0],
        ...[-0, -0, -0, -0],
        ...[1.17549435e-38, 3, 4, 12],
        ...[3, 4, 12, 1.17549435e-38],
      )
      const ids = await index.add(null, vectors)
      const bits = (floats: Float32Array) => [...new Uint32Array(floats.buffer.slice(0))]
      expect(bits(index.get(ids))).toEqual(bits(vectors))
    },
  )

  it('names an id that is not there', async () => {
    const index = opened(new Index({ dimension: 1 }))
    await index.add([1], [1])
    expect(() => index.get([1, 77])).toThrow(
      expect.objectContaining({ code: 'ERR_NOT_FOUND', message: expect.stringContaining('77') }),
    )
    expect(index.get([])).toEqual(new Float32Array(0))
  })
})

describe('ids of 64 bits', () => {
  it('are exact up to 2^64 - 1, and come out as bigints', async () => {
    const index = opened(new Index({ dimension: 1, idType: 'u64' }))
    const max = 2n ** 64n - 1n
    const ids = BigUint64Array.of(max, 0n, 2n ** 53n + 1n, 2n ** 32n)
    expect(await index.add(ids, [4, 1, 3, 2])).toEqual(ids)
    expect(index.ids()).toEqual(BigUint64Array.of(0n, 2n ** 32n, 2n ** 53n + 1n, max))
    expect(index.searchSync([3.9], { k: 2 }).ids).toEqual(BigUint64Array.of(max, 2n ** 53n + 1n))
    expect((await index.search([0], { k: 1 })).ids).toEqual(BigUint64Array.of(0n))
    expect(index.has(max)).toBe(true)
    expect(index.has(2 ** 32)).toBe(true)
    expect(index.has(2n ** 53n)).toBe(false)
    expect(index.get([max, 2 ** 32])).toEqual(Float32Array.of(4, 2))
    expect(await index.remove([max, 5n])).toBe(1)
    const batch = await index.searchBatch([0], { k: 4 })
    expect(batch.ids).toEqual(BigUint64Array.of(0n, 2n ** 32n, 2n ** 53n + 1n, max))
    expect(batch.counts).toEqual(Uint32Array.of(3))
  })

  it('are refused beyond their range', async () => {
    const index = opened(new Index({ dimension: 1, idType: 'u64' }))
    for (const id of [-1n, 2n ** 64n, 2 ** 53, -1, 0.5]) {
      await expect(index.add([id], [1])).rejects.toMatchObject({ code: 'ERR_ID' })
      expect(() => index.has(id)).toThrow(expect.objectContaining({ code: 'ERR_ID' }))
    }
    await index.add([2n ** 64n - 1n], [1])
    await expect(index.add(null, [2])).rejects.toMatchObject({ code: 'ERR_ID' })
  })
})

describe('equal vectors', () => {
  it('are points of their own, found in the order of their ids', async () => {
    const index = opened(new Index({ dimension: 3 }))
    const count = 10_000
    await index.add(null, new Float32Array(3 * count).fill(0.5))
    expect(index.size).toBe(count)
    const { ids, distances } = index.searchSync([0.5, 0.5, 0.5], { k: 100 })
    expect([...ids]).toEqual(Array.from({ length: 100 }, (_, i) => i))
    expect(distances.every(distance => distance === 0)).toBe(true)
    expect(index.searchSync([1, 1, 1], { k: count }).ids).toHaveLength(count)

    expect(await index.remove(Uint32Array.from({ length: 50 }, (_, i) => i))).toBe(50)
    expect(index.searchSync([0.5, 0.5, 0.5], { k: 2 }).ids).toEqual(Uint32Array.of(50, 51))
    await index.upsert([60], [9, 9, 9])
    expect(index.searchSync([9, 9, 9], { k: 1 }).ids).toEqual(Uint32Array.of(60))
    expect(index.searchSync([0.5, 0.5, 0.5], { k: 20 }).ids).not.toContain(60)
    await index.remove(index.ids())
    expect(index.searchSync([0.5, 0.5, 0.5], { k: 2 }).ids).toHaveLength(0)
  })
})

describe('a long series of random writes', () => {
  it.each(['u32', 'u64'] as const)('leaves what a Map would hold: %s', async idType => {
    const index = opened(new Index<IdType>({ dimension: 2, idType }))
    const model = new Map<number, readonly [number, number]>()
    const random = randomNumbers(idType === 'u32' ? 11 : 12)
    const below = (n: number) => Math.floor(random() * n)
    for (let step = 0; step < 300; step++) {
      const ids = [...new Set(Array.from({ length: 1 + below(20) }, () => below(400)))]
      // Few different vectors, so that many points share one.
      const vectors = ids.map(() => [below(8), below(8)] as const)
      const kind = below(3)
      if (kind === 0) {
        const expected = ids.filter(id => model.delete(id)).length
        expect(await index.remove(ids)).toBe(expected)
      } else if (kind === 1 && ids.some(id => model.has(id))) {
        await expect(index.add(ids, vectors.flat())).rejects.toMatchObject({ code: 'ERR_EXISTS' })
      } else {
        if (kind === 1) await index.add(ids, vectors.flat())
        else await index.upsert(ids, vectors.flat())
        for (const [i, id] of ids.entries()) model.set(id, vectors[i]!)
      }
    }
    const sorted = [...model.keys()].sort((a, b) => a - b)
    expect([...index.ids()].map(Number)).toEqual(sorted)
    expect([...index.get(sorted)]).toEqual(sorted.flatMap(id => model.get(id)!))
    const query = [3, 4] as const
    const nearest = sorted
      .map(id => {
        const [x, y] = model.get(id)!
        return { id, distance: (x - query[0]) ** 2 + (y - query[1]) ** 2 }
      })
      .sort((a, b) => a.distance - b.distance || a.id - b.id)
      .slice(0, 50)
    for (const exact of [true, false]) {
      const hits = index.searchSync(query, { k: 50, exact })
      expect([...hits.ids].map(Number)).toEqual(nearest.map(({ id }) => id))
      expect([...hits.distances]).toEqual(nearest.map(({ distance }) => distance))
    }
  })
})
