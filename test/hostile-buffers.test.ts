import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, it } from 'vitest'
import { Index, VitrineError } from '../lib/vitrine.ts'
import { randomNumbers, randomVectors } from './vectors.ts'

// Arrays whose buffer goes, shrinks, grows or changes: a call works on what the array held when it
// was made, or is refused.

const open: { close(): Promise<void> }[] = []
const opened = <T extends { close(): Promise<void> }>(index: T): T => {
  open.push(index)
  return index
}
afterEach(() => Promise.all(open.splice(0).map(index => index.close())))

const dimension = 8
const coded = (code: string) => expect.objectContaining({ name: 'VitrineError', code })
const detach = (array: ArrayBufferView) => {
  structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] })
}

async function newIndex() {
  const index = opened(new Index({ dimension }))
  const vectors = randomVectors(50, dimension, 1)
  await index.add(null, vectors)
  return { index, vectors }
}

/** Buffers that can change their length; TypeScript's library does not know them yet. */
interface Resizable extends ArrayBuffer {
  resize(bytes: number): void
}
const resizable = (bytes: number, max: number) =>
  Reflect.construct(ArrayBuffer, [bytes, { maxByteLength: max }]) as Resizable
interface Growable extends SharedArrayBuffer {
  grow(bytes: number): void
}
const growable = (bytes: number, max: number) =>
  Reflect.construct(SharedArrayBuffer, [bytes, { maxByteLength: max }]) as Growable

describe('a detached array', () => {
  it('has no length: refused as vectors, ids, query and output', async () => {
    const { index } = await newIndex()
    const vector = new Float32Array(dimension)
    const ids = Uint32Array.of(60)
    const out = { ids: new Uint32Array(1), distances: new Float32Array(1) }
    for (const array of [vector, ids, out.ids, out.distances]) detach(array)
    const whole = new Float32Array(dimension)
    await expect(index.add([60], vector)).rejects.toEqual(coded('ERR_DIMENSION'))
    await expect(index.add(ids, whole)).rejects.toEqual(coded('ERR_DIMENSION'))
    await expect(index.upsert(ids, whole)).rejects.toEqual(coded('ERR_DIMENSION'))
    expect(() => index.searchSync(vector, { k: 1 })).toThrow(coded('ERR_DIMENSION'))
    await expect(index.search(vector, { k: 1 })).rejects.toEqual(coded('ERR_DIMENSION'))
    expect(() => index.searchInto(whole, out)).toThrow(coded('ERR_ARGUMENT'))
    // No ids, no queries: nothing to do.
    expect(await index.remove(ids)).toBe(0)
    expect(index.get(ids)).toHaveLength(0)
    expect((await index.searchBatch(vector, { k: 1 })).counts).toHaveLength(0)
    expect(index.size).toBe(50)
  })

  it('after the call was made does not matter', async () => {
    const { index } = await newIndex()
    for (let i = 0; i < 50; i++) {
      const vectors = randomVectors(20, dimension, 100 + i)
      const expected = vectors.slice()
      const ids = Uint32Array.from({ length: 20 }, (_, j) => 1000 + i * 20 + j)
      const wanted = ids.slice()
      const query = vectors.slice(0, dimension)
      const added = index.add(ids, vectors)
      const found = index.search(query, { k: 3 })
      const batch = index.searchBatch(vectors.slice(), { k: 1 })
      for (const array of [vectors, ids, query]) detach(array)
      await Promise.all([added, found, batch])
      expect(index.get(wanted)).toEqual(expected)
    }
  })
})

describe('a resizable buffer', () => {
  it('counts with the length that it has at the call', async () => {
    const { index } = await newIndex()
    const bytes = dimension * 4
    const buffer = resizable(2 * bytes, 8 * bytes)
    const tracking = new Float32Array(buffer)
    const fixed = new Float32Array(buffer, 0, 2 * dimension)
    const tail = new Float32Array(buffer, bytes, dimension)
    await index.add([100, 101], tracking)
    await index.add([102, 103], fixed)

    buffer.resize(8 * bytes)
    await index.add([110, 111, 112, 113, 114, 115, 116, 117], tracking)
    await index.add([118, 119], fixed)

    buffer.resize(bytes)
    expect(index.searchSync(tracking, { k: 1 }).ids).toHaveLength(1)
    await expect(index.add([120, 121], fixed)).rejects.toEqual(coded('ERR_DIMENSION'))
    expect(() => index.searchSync(tail, { k: 1 })).toThrow(coded('ERR_DIMENSION'))
    buffer.resize(0)
    expect(() => index.searchSync(tracking, { k: 1 })).toThrow(coded('ERR_DIMENSION'))
  })

  it('may shrink and grow while the call is pending', async () => {
    const { index } = await newIndex()
    for (let i = 0; i < 40; i++) {
      const source = randomVectors(64, dimension, 200 + i)
      const buffer = resizable(source.byteLength, 4 * source.byteLength)
      const tracking = new Float32Array(buffer)
      tracking.set(source)
      const ids = Uint32Array.from({ length: 64 }, (_, j) => 1000 + i * 64 + j)
      const added = index.add(ids, tracking)
      const batch = index.searchBatch(tracking, { k: 2 })
      buffer.resize(i % 2 === 0 ? 0 : 4 * source.byteLength)
      tracking.fill(Number.NaN)
      await Promise.all([added, batch])
      expect(index.get(ids)).toEqual(source)
    }
  })

  it('that shrinks under the output is refused, and never written beyond', async () => {
    const { index, vectors } = await newIndex()
    const buffer = resizable(64, 64)
    const out = { ids: new Uint32Array(buffer, 0, 4), distances: new Float32Array(buffer, 16, 4) }
    expect(index.searchInto(vectors.subarray(0, dimension), out)).toBe(4)
    buffer.resize(24)
    expect(() => index.searchInto(vectors.subarray(0, dimension), out)).toThrow(
      coded('ERR_ARGUMENT'),
    )
  })
})

describe('shared memory', () => {
  it('is taken as input and as output', async () => {
    const { index, vectors } = await newIndex()
    const buffer = growable(dimension * 4, dimension * 4 * 10)
    const query = new Float32Array(buffer)
    query.set(vectors.subarray(0, dimension))
    expect(index.searchSync(query, { k: 1 }).ids).toEqual(Uint32Array.of(0))
    const out = {
      ids: new Uint32Array(new SharedArrayBuffer(8)),
      distances: new Float32Array(new SharedArrayBuffer(8)),
    }
    expect(index.searchInto(query, out)).toBe(2)
    expect(out.ids[0]).toBe(0)
    buffer.grow(dimension * 4 * 2)
    expect(() => index.searchSync(query, { k: 1 })).toThrow(coded('ERR_DIMENSION'))
    await index.add([60, 61], query)
    expect(index.size).toBe(52)
  })

  it('that another thread writes to is judged by its copy', async () => {
    const { index } = await newIndex()
    const shared = new Float32Array(new SharedArrayBuffer(dimension * 4 * 16))
    const ids = new Uint32Array(new SharedArrayBuffer(16 * 4))
    const stop = new Int32Array(new SharedArrayBuffer(4))
    // NaN and numbers in turn, and ids of all kinds.
    const worker = new Worker(
      `const { shared, ids, stop } = require('node:worker_threads').workerData
       for (let i = 0; Atomics.load(stop, 0) === 0; i++) {
         shared[i % shared.length] = i % 1000 === 0 ? NaN : i % 7
         ids[i % 16] = i
       }`,
      { eval: true, workerData: { shared, ids, stop } },
    )
    const outcomes = { fine: 0, refused: 0 }
    const note = (error?: unknown) => {
      if (error === undefined) outcomes.fine += 1
      else if (error instanceof VitrineError && /VECTOR|EXISTS/.test(error.code)) {
        outcomes.refused += 1
      } else throw error
    }
    const end = performance.now() + 700
    while (performance.now() < end) {
      await index.upsert(ids, shared).then(() => note(), note)
      await index.add(ids, shared).then(() => note(), note)
      try {
        index.searchSync(shared.subarray(0, dimension), { k: 5, filter: ids })
        note()
      } catch (error) {
        note(error)
      }
      await index.searchBatch(shared, { k: 5 }).then(() => note(), note)
    }
    Atomics.store(stop, 0, 1)
    await worker.terminate()
    expect(outcomes.fine).toBeGreaterThan(0)
    // What got in is whole: every component is a number.
    expect(index.get(index.ids()).every(Number.isFinite)).toBe(true)
    for (const id of index.ids()) expect(index.has(id)).toBe(true)
  })
})

describe('arrays that lie anywhere in memory', () => {
  it('work at every offset', async () => {
    const { index, vectors } = await newIndex()
    const query = vectors.slice(3 * dimension, 4 * dimension)
    const expected = index.searchSync(query, { k: 3 })
    for (let offset = 0; offset < 16; offset++) {
      const room = new Float32Array(64)
      const moved = room.subarray(offset, offset + dimension)
      moved.set(query)
      const out = {
        ids: new Uint32Array(64).subarray(offset, offset + 3),
        distances: new Float32Array(64).subarray(offset, offset + 3),
      }
      expect(index.searchInto(moved, out)).toBe(3)
      expect(out).toEqual(expected)
      await index.upsert([200 + offset], moved)
      expect(index.get([200 + offset])).toEqual(query)
      await index.remove([200 + offset])
    }
  })

  it('work in slices of the pool that Buffers share', async () => {
    const { index, vectors } = await newIndex()
    const bytes = Buffer.from(new Uint8Array(vectors.buffer, 0, dimension * 4))
    expect(bytes.byteOffset % 8).toBe(0)
    const query = new Float32Array(bytes.buffer, bytes.byteOffset, dimension)
    expect(index.searchSync(query, { k: 1 }).ids).toEqual(Uint32Array.of(0))
    // biome-ignore lint/suspicious/noExplicitAny: the types forbid what is tested
    const wrong = bytes as any
    expect(() => index.searchSync(wrong, { k: 1 })).toThrow(coded('ERR_ARGUMENT'))
    await expect(index.add([60], wrong)).rejects.toEqual(coded('ERR_ARGUMENT'))
  })

  it('are not mistaken for floats', async () => {
    const { index } = await newIndex()
    for (const type of [
      Float64Array,
      Int8Array,
      Uint8Array,
      Uint8ClampedArray,
      Int16Array,
      Uint16Array,
      Int32Array,
      Uint32Array,
      BigInt64Array,
      BigUint64Array,
    ]) {
      // biome-ignore lint/suspicious/noExplicitAny: the types forbid what is tested
      const wrong = new type(dimension) as any
      expect(() => index.searchSync(wrong, { k: 1 })).toThrow(type.name)
      await expect(index.add([60], wrong)).rejects.toEqual(coded('ERR_ARGUMENT'))
      await expect(index.searchBatch(wrong, { k: 1 })).rejects.toEqual(coded('ERR_ARGUMENT'))
      if (type !== Uint32Array) {
        await expect(index.remove(wrong)).rejects.toEqual(coded('ERR_ARGUMENT'))
      }
    }
    expect(index.size).toBe(50)
  })

  it('count with their true length, whatever properties they were given', async () => {
    const { index } = await newIndex()
    class Liar extends Float32Array {
      override get length() {
        return 2 ** 40
      }
    }
    const liar = new Liar(dimension)
    await index.add([60], liar)
    expect(index.searchSync(liar, { k: 1 }).ids).toHaveLength(1)
    const batch = await index.searchBatch(liar, { k: 2 })
    expect(batch.ids).toHaveLength(2)
    for (const name of ['length', 'byteLength', 'byteOffset', 'buffer']) {
      const array = new Float32Array(dimension)
      Object.defineProperty(array, name, { value: 1e9 })
      expect(index.searchSync(array, { k: 1 }).ids).toHaveLength(1)
    }
  })
})

describe('a result that is too large', () => {
  it('is refused before anything is computed', async () => {
    const index = opened(new Index({ dimension: 1 }))
    const queries = new Float32Array(2 ** 20)
    await expect(index.searchBatch(queries, { k: 10_000 })).rejects.toEqual(
      coded('ERR_OUT_OF_MEMORY'),
    )
  })
})

describe('random buffers', () => {
  it('never confuse the index', async () => {
    const { index } = await newIndex()
    const random = randomNumbers(77)
    const below = (n: number) => Math.floor(random() * n)
    for (let i = 0; i < 1500; i++) {
      const buffer = below(2) === 0 ? resizable(512, 1024) : growable(512, 1024)
      const offset = 4 * below(8)
      const length = below(3) === 0 ? undefined : below(100)
      const vectors = new Float32Array(buffer, offset, length)
      const ids = new Uint32Array(buffer, 4 * below(8), 1 + below(8))
      const calls = [
        () => index.upsert(ids, vectors),
        () => index.add(ids, vectors),
        () => index.remove(ids),
        () => index.search(vectors, { k: 1 + below(5) }),
        () => index.searchBatch(vectors, { k: 1 + below(5), filter: ids }),
      ]
      const pending = calls[below(calls.length)]!().catch(error => {
        if (!(error instanceof VitrineError)) throw error
      })
      if ('resize' in buffer) buffer.resize(below(1024))
      else buffer.grow(512 + below(512))
      await pending
    }
    expect(index.get(index.ids()).every(Number.isFinite)).toBe(true)
  })
})
