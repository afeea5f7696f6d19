import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, expectTypeOf, it } from 'vitest'
import { bfloat16, binary16, fromHalf, toHalf } from '../lib/half-floats.ts'
import {
  type Collection,
  Database,
  Index,
  type VectorArray,
  type Vectors,
  type VectorType,
} from '../lib/vitrine.ts'
import { randomNumbers } from './vectors.ts'

let folder: string
const open: { close(): Promise<void> }[] = []
const opened = <T extends { close(): Promise<void> }>(closable: T): T => {
  open.push(closable)
  return closable
}
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vitrine-types-'))
})
afterEach(async () => {
  await Promise.all(open.splice(0).map(closable => closable.close()))
  rmSync(folder, { recursive: true, force: true })
})

const dimension = 16
const types: readonly VectorType[] = ['f32', 'f16', 'bf16', 'i8', 'u8', 'bits']
const arrays = {
  f32: Float32Array,
  f16: Uint16Array,
  bf16: Uint16Array,
  i8: Int8Array,
  u8: Uint8Array,
  bits: Uint8Array,
} as const
const elements = (type: VectorType) => (type === 'bits' ? dimension / 8 : dimension)
const code = (code: string, message = /./) =>
  expect.objectContaining({
    name: 'VitrineError',
    code,
    message: expect.stringMatching(message) as string,
  })

/** Vectors of all lengths; in the last one negative zeros, and numbers that are denormal in f16 and bf16. */
function anyVectors<T extends VectorType>(type: T, count: number, seed: number): VectorArray<T> {
  const next = randomNumbers(seed)
  const vectors: VectorArray = new arrays[type](count * elements(type))
  const halves = type === 'f16' || type === 'bf16'
  for (let i = 0; i < vectors.length; i++) {
    const bits = Math.floor(next() * 65_536)
    const near = type === 'f16' ? (bits & 0x9fff) | 0x2000 : (bits & 0x8fff) | 0x3000
    vectors[i] = type === 'f32' ? next() * 2 - 1 : halves ? near : bits
  }
  vectors.set(halves ? [0x8000, 1, 0x807f] : [-0, 0], vectors.length - 3)
  return vectors as VectorArray<T>
}

describe.each(types)('vectors of type %s', type => {
  const metric = type === 'bits' ? 'jaccard' : 'cosine'

  it('come back bit for bit, from memory, from a file and from a database', async () => {
    const vectors = anyVectors(type, 40, 1)
    const ids = Uint32Array.from({ length: 40 }, (_, i) => i)
    const index = opened(new Index({ dimension, type, metric }))
    await index.add(ids, vectors)
    expect([index.type, index.metric]).toEqual([type, metric])
    expect(index.get(ids)).toEqual(vectors)
    expect(index.get([])).toBeInstanceOf(arrays[type])
    const path = join(folder, 'index')
    await index.save(path)
    const loaded = opened(await Index.load<'u32', VectorType>(path))
    expect([loaded.type, loaded.metric]).toEqual([type, metric])
    expect(loaded.get(ids)).toEqual(vectors)
    const query = vectors.subarray(0, elements(type)) as VectorArray
    expect(loaded.searchSync(query, { k: 5 })).toEqual(index.searchSync(query, { k: 5 }))

    const db = await Database.open(join(folder, 'db'))
    const points = await db.createCollection('points', { dimension, type, metric })
    await points.upsert({
      ids: [...ids.subarray(0, 20)],
      vectors: vectors.subarray(0, 20 * elements(type)) as VectorArray,
    })
    await db.checkpoint()
    const one = (i: number) =>
      vectors.slice(i * elements(type), (i + 1) * elements(type)) as VectorArray
    for (let i = 20; i < 40; i++) await points.upsert([{ id: i, vector: one(i) }])
    await points.delete([39])
    await db.close()
    const again = opened(await Database.open(join(folder, 'db')))
    expect(again.collections()).toEqual([
      expect.objectContaining({ name: 'points', type, metric, size: 39 }),
    ])
    const stored: Collection<never, object, VectorType> = again.collection('points')
    expect(stored.type).toBe(type)
    for (let i = 0; i < 39; i++) {
      expect((await stored.get(i, { select: ['vector'] }))?.vector).toEqual(one(i))
    }
    const hits = await stored.search(one(7), { k: 3, select: ['vector'] })
    expect(hits[0]).toMatchObject({ id: 7, vector: one(7) })
    expect(
      await stored.searchBatch(vectors.slice(0, 3 * elements(type)) as VectorArray, { k: 1 }),
    ).toHaveLength(3)
  })

  it('are refused in another array, of another length, and detached', async () => {
    const index = opened(new Index({ dimension, type, metric }))
    const wanted = arrays[type].name
    for (const other of [
      Float32Array,
      Float64Array,
      Uint16Array,
      Int8Array,
      Uint8Array,
      Uint8ClampedArray,
    ]) {
      if (other === arrays[type]) continue
      const wrong = new other(elements(type)) as unknown as Vectors<typeof type>
      const refusal = code(
        'ERR_ARGUMENT',
        new RegExp(`must be an? ${wanted}, not an? ${other.name}`),
      )
      await expect(index.add([1], wrong)).rejects.toEqual(refusal)
      await expect(index.upsert([1], wrong)).rejects.toEqual(refusal)
      expect(() => index.searchSync(wrong, { k: 1 })).toThrow(refusal)
      await expect(index.searchBatch(wrong, { k: 1 })).rejects.toEqual(refusal)
    }
    for (const length of [1, elements(type) - 1, elements(type) + 1]) {
      const torn = new arrays[type](length) as VectorArray
      await expect(index.add(null, torn)).rejects.toEqual(code('ERR_DIMENSION'))
      expect(() => index.searchSync(torn, { k: 1 })).toThrow(code('ERR_DIMENSION'))
    }
    const detached = new arrays[type](elements(type)) as VectorArray
    structuredClone(detached.buffer, { transfer: [detached.buffer as ArrayBuffer] })
    expect(() => index.searchSync(detached, { k: 1 })).toThrow(code('ERR_DIMENSION'))
    expect(index.size).toBe(0)
  })

  it('move between collections and files', async () => {
    const db = opened(await Database.open(':memory:'))
    const config = { dimension, type }
    const from = await db.createCollection('from', config)
    // Integers from 0 to 127 are components of every type, but for halves their bits.
    const next = randomNumbers(3)
    const numbers = Array.from({ length: 30 * elements(type) }, () => Math.floor(next() * 128))
    await from.upsert({ ids: Array.from({ length: 30 }, (_, i) => i), vectors: numbers })
    for (const format of ['jsonl', 'npy', 'fvecs', 'bvecs', 'ivecs'] as const) {
      const path = join(folder, `points.${format}`)
      // Vectors alone come in no particular order: the ids lie beside them.
      const beside = format === 'jsonl' ? {} : { metadata: `${path}.jsonl` }
      await from.export(path, beside)
      const to = await db.createCollection(`to-${format}`, config)
      expect((await to.import(path, beside)).points).toBe(30)
      for (let id = 0; id < 30; id += 7) {
        const select = ['vector'] as const
        expect(await to.get(id, { select })).toEqual(await from.get(id, { select }))
      }
    }
  })

  it('are examples of what is wanted', async () => {
    const db = opened(await Database.open(':memory:'))
    const points = await db.createCollection('points', { dimension, type })
    const zeros = () => new Array<number>(elements(type)).fill(0)
    const vectors = Array.from({ length: 6 }, (_, i) => zeros().with(i % 2, 100 + i))
    await points.upsert(vectors.map((vector, id) => ({ id, vector })))
    expect(await points.recommend({ positive: [0, 2], k: 1 })).toMatchObject([{ id: 4 }])
    const hits = await points.recommend({ positive: [1], negative: [0], k: 2 })
    expect(new Set(hits.map(({ id }) => id))).toEqual(new Set([3, 5]))
  })
})

describe('plain arrays', () => {
  it('are rounded to halves, and fit into bytes', async () => {
    const stored = async <T extends VectorType>(type: T, vector: number[]) => {
      const index = opened(new Index({ dimension: type === 'bits' ? 32 : 4, type }))
      await index.add([1], vector as readonly number[] as Vectors<T>)
      return [...index.get([1])]
    }
    expect(await stored('f16', [1, -2, 65_504, 2 ** -24])).toEqual([0x3c00, 0xc000, 0x7bff, 1])
    expect(await stored('bf16', [1, -0, 1 + 2 ** -8, 1 + 3 * 2 ** -8])).toEqual([
      0x3f80, 0x8000, 0x3f80, 0x3f82,
    ])
    expect(await stored('i8', [-128, 127, 0, -1])).toEqual([-128, 127, 0, -1])
    expect(await stored('u8', [255, 0, 1, 2])).toEqual([255, 0, 1, 2])
    expect(await stored('bits', [255, 0, 1, 2])).toEqual([255, 0, 1, 2])
    await expect(stored('f16', [65_520, 0, 0, 0])).rejects.toEqual(code('ERR_VECTOR', /infinite/))
    await expect(stored('bf16', [Number.NaN, 0, 0, 0])).rejects.toEqual(code('ERR_VECTOR', /NaN/))
    await expect(stored('i8', [0, 128, 0, 0])).rejects.toEqual(code('ERR_VECTOR', /element 1/))
    await expect(stored('u8', [0, 0, 0.5, 0])).rejects.toEqual(code('ERR_VECTOR', /from 0 to 255/))
    await expect(stored('bits', [-1, 0, 0, 0])).rejects.toEqual(code('ERR_VECTOR'))
  })

  it.each([binary16, bfloat16])('are rounded to the nearest float of 16 bits: %o', format => {
    const infinity = (2 * format.bias + 1) << format.significand
    // An expectation for each of them takes a hundred times as long.
    const wrong: [value: number, expected: number][] = []
    const check = (value: number, expected: number) => {
      if (toHalf(value, format) !== expected) wrong.push([value, expected])
    }
    for (let bits = 0; bits < infinity; bits++) {
      const value = fromHalf(bits, format)
      const above = bits + 1 === infinity ? 2 ** (format.bias + 1) : fromHalf(bits + 1, format)
      check(value, bits)
      check(-value, bits | 0x8000)
      check((value + above) / 2, bits + (bits % 2)) // of two the even one
      check(value * 0.49 + above * 0.51, bits + 1)
    }
    expect(wrong).toEqual([])
    expect(fromHalf(toHalf(Number.NaN, format), format)).toBeNaN()
    expect(fromHalf(toHalf(-1e300, format), format)).toBe(Number.NEGATIVE_INFINITY)
  })
})

describe('distances', () => {
  it('of bytes are exact', async () => {
    const index = opened(new Index({ dimension: 2, type: 'i8' }))
    await index.add([1, 2], Int8Array.of(-128, -128, 127, 127))
    const { distances } = index.searchSync(Int8Array.of(-128, -128), { k: 2 })
    expect([...distances]).toEqual([0, 2 * 255 * 255])
  })

  it('of bits count bits, and are 0 between vectors without one', async () => {
    const hamming = opened(new Index({ dimension: 16, type: 'bits' }))
    expect(hamming.metric).toBe('hamming')
    await hamming.add([1, 2, 3], Uint8Array.of(0, 0, 0b1010, 0, 255, 255))
    expect(hamming.searchSync(Uint8Array.of(0b1000, 0), { k: 3 })).toEqual({
      ids: Uint32Array.of(1, 2, 3),
      distances: Float32Array.of(1, 1, 15),
    })
    const jaccard = opened(new Index({ dimension: 16, type: 'bits', metric: 'jaccard' }))
    await jaccard.add([1, 2, 3, 4], Uint8Array.of(0, 0, 0b1010, 0, 255, 255, 0, 0))
    const found = jaccard.searchSync(Uint8Array.of(0b1000, 0), { k: 4 })
    expect([...found.ids]).toEqual([2, 3, 1, 4])
    expect([...found.distances]).toEqual([0.5, Math.fround(15 / 16), 1, 1])
    expect(jaccard.searchSync(Uint8Array.of(0, 0), { k: 3 })).toEqual({
      ids: Uint32Array.of(1, 4, 2),
      distances: Float32Array.of(0, 0, 1),
    })
  })
})

describe('options', () => {
  it.each([
    { dimension: 12, type: 'bits' },
    { dimension: 8, type: 'bits', metric: 'l2' },
    { dimension: 8, type: 'u8', metric: 'hamming' },
    { dimension: 8, metric: 'jaccard' },
    { dimension: 8, type: 'u8', quantization: 'sq8' },
    { dimension: 8, type: 'bits', quantization: 'rq4' },
    { dimension: 8, type: 'f64' },
  ] as never[])('that do not go together are refused: %o', async options => {
    expect(() => new Index(options)).toThrow(code('ERR_OPTION'))
    const db = opened(await Database.open(':memory:'))
    await expect(db.createCollection('c', options)).rejects.toEqual(code('ERR_OPTION'))
  })

  it('of bytes make no codes unless asked for, and explain says so', async () => {
    const vectors = anyVectors('u8', 1_100, 5)
    const used = async (quantization: 'auto' | 'rq4') => {
      const index = opened(new Index({ dimension, type: 'u8', quantization }))
      await index.add(null, vectors)
      const plan = index.explain(vectors.subarray(0, dimension), { k: 3 })
      return [plan.kind, plan.quantization, index.memoryUsage().codes > 0]
    }
    expect(await used('auto')).toEqual(['walk', 'none', false])
    expect(await used('rq4')).toEqual(['walk', 'rq4', true])
  })

  it('take a quarter of the memory for bytes, and a thirty-second part for bits', async () => {
    const vectorBytes = async (type: VectorType) => {
      const index = opened(
        new Index({ dimension: 256, type, metric: type === 'bits' ? 'hamming' : 'l2' }),
      )
      await index.add(
        null,
        new arrays[type](100 * (type === 'bits' ? 32 : 256)).map(
          (_, i) => (i * 31) % 120,
        ) as VectorArray,
      )
      return index.memoryUsage().vectors / 100
    }
    expect(await Promise.all(types.map(vectorBytes))).toEqual([1024, 512, 512, 256, 256, 32])
  })

  it('give their types to what comes in and out', () => {
    const f32 = opened(new Index({ dimension: 8 }))
    expectTypeOf(f32.get([])).toEqualTypeOf<Float32Array>()
    const u8 = opened(new Index({ dimension: 8, type: 'u8', idType: 'u64' }))
    expectTypeOf(u8.get([])).toEqualTypeOf<Uint8Array>()
    expectTypeOf(u8.type).toEqualTypeOf<'u8'>()
    expectTypeOf<Vectors<'bf16'>>().toEqualTypeOf<Uint16Array | readonly number[]>()
    // @ts-expect-error: a query has the type of the index
    expect(() => u8.searchSync(new Float32Array(8), { k: 1 })).toThrow(code('ERR_ARGUMENT'))
  })
})
