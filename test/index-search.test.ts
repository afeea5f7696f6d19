import { afterEach, describe, expect, it } from 'vitest'
import { Index } from '../lib/vitrine.ts'
import { distances, nearestRows, randomVectors, rowOf } from './vectors.ts'

const open: { close(): Promise<void> }[] = []
const opened = <T extends { close(): Promise<void> }>(index: T): T => {
  open.push(index)
  return index
}
afterEach(() => Promise.all(open.splice(0).map(index => index.close())))

const dimension = 24
const count = 1500
const k = 10

async function filled(metric: keyof typeof distances) {
  const index = opened(new Index({ dimension, metric }))
  const vectors = randomVectors(count, dimension, 5)
  await index.add(null, vectors)
  return { index, vectors, queries: randomVectors(40, dimension, 6) }
}

describe.each(['l2', 'cosine', 'ip'] as const)('a search by %s', metric => {
  it('finds the true neighbours and their distances when exact', async () => {
    const { index, vectors, queries } = await filled(metric)
    for (let i = 0; i < 40; i++) {
      const query = rowOf(queries, dimension, i)
      const hits = index.searchSync(query, { k, exact: true })
      expect([...hits.ids]).toEqual(nearestRows(query, vectors, k, distances[metric]))
      hits.ids.forEach((id, at) => {
        const expected = distances[metric](query, rowOf(vectors, dimension, id))
        expect(hits.distances[at]).toBeCloseTo(expected, 4)
      })
    }
  })

  it('gives the same answer by every method', async () => {
    const { index, queries } = await filled(metric)
    const out = { ids: new Uint32Array(k), distances: new Float32Array(k) }
    for (const options of [{ k }, { k, ef: 20 }, { k, exact: true }]) {
      const batch = await index.searchBatch(queries, options)
      expect(batch.counts).toEqual(new Uint32Array(40).fill(k))
      for (let i = 0; i < 40; i++) {
        const query = rowOf(queries, dimension, i)
        const hits = index.searchSync(query, options)
        expect(await index.search(query, options)).toEqual(hits)
        expect(await index.analyze(query, options)).toMatchObject(hits)
        expect(index.searchInto(query, out, options)).toBe(k)
        expect(out).toEqual(hits)
        expect(batch.ids.slice(i * k, (i + 1) * k)).toEqual(hits.ids)
        expect(batch.distances.slice(i * k, (i + 1) * k)).toEqual(hits.distances)
      }
    }
  })

  it('returns only what a filter allows', async () => {
    const { index, vectors, queries } = await filled(metric)
    for (const [divisor, exact] of [
      [2, false],
      [3, true],
      [100, false],
    ] as const) {
      const rows = Array.from({ length: count }, (_, i) => i).filter(i => i % divisor === 0)
      const set = index.idSet(rows)
      for (let i = 0; i < 10; i++) {
        const query = rowOf(queries, dimension, i)
        const expected = nearestRows(query, vectors, k, distances[metric], rows)
        const options = { k, ef: 400, exact }
        for (const filter of [set, rows, Uint32Array.from(rows)]) {
          expect([...index.searchSync(query, { ...options, filter }).ids]).toEqual(expected)
        }
        expect([...(await index.search(query, { ...options, filter: set })).ids]).toEqual(expected)
        const batch = await index.searchBatch(query, { ...options, filter: set })
        expect([...batch.ids]).toEqual(expected)
      }
    }
  })
})

const sumOf = (phases: object): number =>
  Object.values(phases).reduce((sum, nanoseconds) => sum + nanoseconds, 0)

describe('the number of hits', () => {
  it.each([
    [1, 1],
    [4, 4],
    [5, 5],
    [6, 5],
    [10_000, 5],
  ])('for k = %i of 5 points is %i', async (wanted, found) => {
    const index = opened(new Index({ dimension: 1 }))
    await index.add(null, [1, 2, 3, 4, 5])
    for (const exact of [false, true]) {
      const hits = index.searchSync([0], { k: wanted, exact })
      expect([...hits.ids]).toEqual([0, 1, 2, 3, 4].slice(0, found))
      expect([...hits.distances]).toEqual([1, 4, 9, 16, 25].slice(0, found))
      const batch = await index.searchBatch([0, 0], { k: wanted, exact })
      expect(batch.ids).toHaveLength(2 * wanted)
      expect([...batch.counts]).toEqual([found, found])
      for (const query of [0, 1]) {
        const rest = batch.ids.slice(query * wanted + found, (query + 1) * wanted)
        expect(rest).toEqual(new Uint32Array(wanted - found).fill(0xffffffff))
        const far = batch.distances.slice(query * wanted + found, (query + 1) * wanted)
        expect(far).toEqual(new Float32Array(wanted - found).fill(Number.POSITIVE_INFINITY))
      }
    }
  })

  it('is 0 in an empty index, and with a filter that allows nothing', async () => {
    const index = opened(new Index({ dimension: 1 }))
    const nothing = { ids: new Uint32Array(0), distances: new Float32Array(0) }
    expect(index.searchSync([0], { k: 3 })).toEqual(nothing)
    expect(index.searchSync([0], { k: 3, exact: true })).toEqual(nothing)
    expect(index.explain([0], { k: 3 })).toMatchObject({ kind: 'nothing', reason: 'empty' })
    await index.add([1], [1])
    expect(index.searchSync([0], { k: 3, filter: [] })).toEqual(nothing)
    expect(index.searchSync([0], { k: 3, filter: [2] })).toEqual(nothing)
    expect((await index.searchBatch([], { k: 3 })).counts).toHaveLength(0)
  })
})

describe('searchInto', () => {
  it('takes k from the array of ids, or a smaller one, and leaves the rest alone', async () => {
    const index = opened(new Index({ dimension: 1 }))
    await index.add(null, [1, 2, 3])
    const out = {
      ids: new Uint32Array(5).fill(77),
      distances: new Float32Array(5).fill(77),
    }
    expect(index.searchInto([0], out)).toBe(3)
    expect(out.ids).toEqual(Uint32Array.of(0, 1, 2, 77, 77))
    expect(out.distances).toEqual(Float32Array.of(1, 4, 9, 77, 77))
    expect(index.searchInto([9], out, { k: 1 })).toBe(1)
    expect(out.ids).toEqual(Uint32Array.of(2, 1, 2, 77, 77))
  })

  it('refuses arrays that are too short or of another type', async () => {
    const index = opened(new Index({ dimension: 1 }))
    await index.add(null, [1, 2, 3])
    const ids = new Uint32Array(2)
    const distances = new Float32Array(2)
    const refused = (out: unknown, options?: object) =>
      // biome-ignore lint/suspicious/noExplicitAny: the types forbid what is tested
      expect(() => index.searchInto([0], out as any, options)).toThrow(
        expect.objectContaining({ code: 'ERR_ARGUMENT' }),
      )
    refused({ ids, distances: distances.subarray(1) })
    refused({ ids, distances }, { k: 3 })
    refused({ ids: new Int32Array(2), distances })
    refused({ ids: new BigUint64Array(2), distances })
    refused({ ids, distances: new Float64Array(2) })
    refused({ ids: [0, 0], distances })
    refused({ ids })
    refused(undefined)
    refused({ ids: new Uint32Array(0), distances })
    expect(ids).toEqual(new Uint32Array(2))
  })
})

describe('a query', () => {
  it('of the wrong length is refused', async () => {
    const index = opened(new Index({ dimension: 3 }))
    await index.add(null, [1, 2, 3])
    for (const length of [0, 1, 2, 4, 6]) {
      const query = new Float32Array(length)
      const refusal = expect.objectContaining({ code: 'ERR_DIMENSION' })
      expect(() => index.searchSync(query, { k: 1 })).toThrow(refusal)
      expect(() => index.explain(query, { k: 1 })).toThrow(refusal)
      await expect(index.search(query, { k: 1 })).rejects.toEqual(refusal)
      await expect(index.analyze(query, { k: 1 })).rejects.toEqual(refusal)
      if (length % 3 !== 0) {
        await expect(index.searchBatch(query, { k: 1 })).rejects.toEqual(refusal)
      }
    }
  })

  it('is copied before an asynchronous search returns', async () => {
    const index = opened(new Index({ dimension: 1 }))
    await index.add(null, [1, 50])
    const query = Float32Array.of(49)
    const one = index.search(query, { k: 1 })
    const batch = index.searchBatch(query, { k: 1 })
    query[0] = 1
    expect((await one).ids).toEqual(Uint32Array.of(1))
    expect((await batch).ids).toEqual(Uint32Array.of(1))
  })

  it('is copied as well when many wait, of several dimensions', async () => {
    // So many of the longest that not all find room where queries of many searches are kept.
    const indexes = await Promise.all(
      [1, 40, 8000].map(async length => {
        const index = opened(new Index({ dimension: length }))
        const rows = Array.from({ length: 10 }, (_, i) => new Float32Array(length).fill(i))
        for (const [i, row] of rows.entries()) await index.add([i], row)
        return { index, query: new Float32Array(length) }
      }),
    )
    for (let round = 0; round < 3; round++) {
      const found = indexes.flatMap(({ index, query }) =>
        Array.from({ length: 200 }, async (_, i) => {
          query.fill(i % 10)
          const { ids, distances } = await index.search(query, { k: 1 })
          return [ids[0], distances[0], i % 10]
        }),
      )
      for (const [id, distance, wanted] of await Promise.all(found)) {
        expect([id, distance]).toEqual([wanted, 0])
      }
    }
  })
})

describe('options of a search', () => {
  it.each([
    { k: 0 },
    { k: 10_001 },
    { k: 1.5 },
    { k: Number.NaN },
    { k: '1' },
    {},
    { k: 1, ef: 0 },
    { k: 1, ef: 16_385 },
    { k: 1, exact: 1 },
    { k: 1, timeoutMs: 0 },
    { k: 1, timeoutMs: Number.POSITIVE_INFINITY },
    { k: 1, signal: {} },
    'k',
    null,
  ])('out of range are refused: %j', async options => {
    const index = opened(new Index({ dimension: 1 }))
    const refusal = expect.objectContaining({ name: 'VitrineError', code: 'ERR_OPTION' })
    const wrong = options as { k: number }
    expect(() => index.searchSync([0], wrong)).toThrow(refusal)
    await expect(index.search([0], wrong)).rejects.toEqual(refusal)
    await expect(index.searchBatch([0], wrong)).rejects.toEqual(refusal)
    await expect(index.analyze([0], wrong)).rejects.toEqual(refusal)
    expect(() => index.explain([0], wrong)).toThrow(refusal)
  })

  it('that are undefined count as not given', async () => {
    const index = opened(new Index({ dimension: 1 }))
    await index.add(null, [1])
    const options = { k: 1, ef: undefined, exact: undefined, filter: undefined, signal: undefined }
    // biome-ignore lint/suspicious/noExplicitAny: exactOptionalPropertyTypes forbids it
    expect(index.searchSync([0], options as any).ids).toEqual(Uint32Array.of(0))
  })
})

describe('an id set', () => {
  it('stays right as points come and go', async () => {
    const index = opened(new Index({ dimension: 1 }))
    await index.add([1, 2, 3, 4], [1, 2, 3, 4])
    const filter = index.idSet([2, 4, 5])
    const found = () => [...index.searchSync([0], { k: 9, filter }).ids]
    expect(found()).toEqual([2, 4])
    await index.add([5, 6], [5, 6])
    expect(found()).toEqual([2, 4, 5])
    await index.remove([2])
    expect(found()).toEqual([4, 5])
    await index.upsert([2, 5, 3], [20, 1, 30])
    expect(found()).toEqual([5, 4, 2])
    // Points that share a vector, of which one is in the set.
    await index.upsert([6, 2], [4, 4])
    expect(found()).toEqual([5, 2, 4])
    await index.remove([4])
    expect(found()).toEqual([5, 2])
  })

  it('serves its own index only', async () => {
    const index = opened(new Index({ dimension: 1 }))
    const other = opened(new Index({ dimension: 1 }))
    await Promise.all([index.add(null, [1]), other.add(null, [1])])
    const filter = other.idSet([0])
    const refusal = expect.objectContaining({ code: 'ERR_ARGUMENT' })
    expect(() => index.searchSync([0], { k: 1, filter })).toThrow(refusal)
    await expect(index.search([0], { k: 1, filter })).rejects.toEqual(refusal)
    await other.close()
    expect(() => index.searchSync([0], { k: 1, filter })).toThrow(refusal)
  })
})

describe('explain and analyze', () => {
  it('tell plan, reason and work', async () => {
    const { index, queries } = await filled('l2')
    const query = rowOf(queries, dimension, 0)
    expect(index.explain(query, { k, ef: 33 })).toEqual({
      kind: 'walk',
      reason: 'default',
      ef: 33,
      rows: count,
      allowedRows: count,
      localShare: null,
      fillEdges: false,
      quantization: 'none',
      recall: null,
    })
    expect(index.explain(query, { k, exact: true })).toMatchObject({
      kind: 'scan',
      reason: 'exact-asked',
      ef: 0,
    })
    expect(index.explain(query, { k, filter: [1, 2, 3] })).toMatchObject({
      kind: 'filter-scan',
      reason: 'few-allowed',
      allowedRows: 3,
    })
    const walk = await index.analyze(query, { k })
    expect(walk.plan).toEqual(index.explain(query, { k }))
    expect(walk.counters.hops).toBeGreaterThan(10)
    expect(walk.counters.graphEvaluations).toBeGreaterThan(walk.counters.hops)
    expect(walk.counters.scanEvaluations).toBe(0)
    expect(walk.counters).toMatchObject({
      candidates: 64,
      reranked: 0,
      probeHops: 0,
      secondHops: 0,
    })
    expect(walk.stopReason).toBe('exhausted')
    expect(walk.nanoseconds).toBeGreaterThan(0)
    const { graph, filter: filtering, scan: scanning, rerank, ...others } = walk.phases
    expect(graph).toBeGreaterThan(0)
    expect([filtering, scanning, rerank]).toEqual([0, 0, 0])
    expect(sumOf(others) + graph).toBe(walk.nanoseconds)
    const scan = await index.analyze(query, { k, exact: true })
    expect(scan.counters).toMatchObject({ hops: 0, scanEvaluations: count, candidates: 0 })
    expect(scan.stopReason).toBeNull()
    expect(scan.phases).toMatchObject({ entries: 0, graph: 0, rerank: 0 })
    expect(sumOf(scan.phases)).toBe(scan.nanoseconds)
  })
})

describe('an index made with wrong options', () => {
  it.each([
    {},
    { dimension: 0 },
    { dimension: 65_537 },
    { dimension: 2.5 },
    { dimension: '2' },
    { dimension: 2, metric: 'euclidean' },
    { dimension: 2, metric: 'hamming' },
    { dimension: 2, type: 'f64' },
    { dimension: 2, idType: 'u16' },
    { dimension: 2, m: 1 },
    { dimension: 2, m: 129 },
    { dimension: 2, efConstruction: 0 },
    { dimension: 2, quantization: 'pq' },
    { dimension: 2, capacity: -1 },
    { dimension: 2, seed: -1 },
    { dimension: 2, threads: 0 },
    { dimension: 2, name: 5 },
    undefined,
    7,
  ])('is refused: %j', options => {
    // biome-ignore lint/suspicious/noExplicitAny: the types forbid what is tested
    expect(() => new Index(options as any)).toThrow(
      expect.objectContaining({ name: 'VitrineError', code: 'ERR_OPTION' }),
    )
  })

  it('says what is accepted', () => {
    // biome-ignore lint/suspicious/noExplicitAny: the types forbid what is tested
    const make = (options: any) => () => new Index({ dimension: 2, ...options })
    expect(make({ type: 'f64' })).toThrow(
      "type must be 'f32' or 'f16' or 'bf16' or 'i8' or 'u8' or 'bits', not 'f64'",
    )
    expect(make({ quantization: 'pq' })).toThrow(
      "quantization must be 'none' or 'sq8' or 'rq4' or 'auto', not 'pq'",
    )
    expect(make({ metric: 'L2' })).toThrow(
      "metric must be 'l2' or 'cosine' or 'ip' or 'hamming' or 'jaccard', not 'L2'",
    )
    expect(make({ m: 1 })).toThrow('m must be an integer from 2 to 128, not 1')
  })
})

describe.each(['sq8', 'rq4', 'auto', undefined] as const)(
  'an index with quantization %s',
  quantization => {
    it('walks on codes from a thousand points on, and tells exact distances', async () => {
      const wide = 128
      const index = opened(new Index({ dimension: wide, ...(quantization && { quantization }) }))
      const vectors = randomVectors(1200, wide, 5)
      await index.add(null, vectors.subarray(0, 999 * wide))
      const query = rowOf(randomVectors(1, wide, 6), wide, 0)
      expect(index.explain(query, { k }).quantization).toBe('none')
      expect(index.memoryUsage().codes).toBe(0)
      await index.add(null, vectors.subarray(999 * wide))
      const used = index.explain(query, { k }).quantization
      expect(
        quantization === 'sq8' || quantization === 'rq4' ? [quantization] : ['sq8', 'rq4'],
      ).toContain(used)
      expect(index.explain(query, { k, exact: true }).quantization).toBe('none')
      expect(index.memoryUsage().codes).toBeGreaterThanOrEqual((1200 * wide) / 2)
      const exact = index.searchSync(query, { k: 1200, exact: true })
      const hits = index.searchSync(query, { k, ef: 400 })
      hits.ids.forEach((id, at) => {
        expect(hits.distances[at]).toBe(exact.distances[exact.ids.indexOf(id)])
      })
      expect(
        [...hits.ids].filter(id => exact.ids.subarray(0, k).includes(id)).length,
      ).toBeGreaterThan(k - 2)
      const batch = await index.searchBatch(query, { k, ef: 400 })
      expect([...batch.ids]).toEqual([...hits.ids])
    })
  },
)

describe('what an index tells of itself', () => {
  it('is what it was made with, and the defaults', async () => {
    const plain = opened(new Index({ dimension: 7 }))
    expect(plain).toMatchObject({
      dimension: 7,
      metric: 'l2',
      type: 'f32',
      idType: 'u32',
      name: 'index',
      size: 0,
      closed: false,
    })
    const other = opened(
      new Index({ dimension: 3, metric: 'ip', idType: 'u64', name: 'n', quantization: 'none' }),
    )
    expect(other).toMatchObject({ dimension: 3, metric: 'ip', idType: 'u64', name: 'n' })
  })

  it('includes its memory, which grows with its points', async () => {
    const index = opened(new Index({ dimension: 100 }))
    const before = index.memoryUsage()
    await index.add(null, randomVectors(1000, 100, 1))
    const after = index.memoryUsage()
    expect(after.vectors - before.vectors).toBeGreaterThanOrEqual(1000 * 400)
    expect(after.graph).toBeGreaterThan(1000 * 64)
    expect(before.codes).toBe(0)
    expect(after.codes).toBeGreaterThanOrEqual(1000 * 50)
    const { total, ...parts } = after
    expect(Object.values(parts).reduce((a, b) => a + b)).toBe(total)
  })
})

describe('reserve', () => {
  it('makes room, also while a write is pending', async () => {
    const index = opened(new Index({ dimension: 2, capacity: 10 }))
    index.reserve(5000)
    const added = index.add(null, randomVectors(4000, 2, 1))
    index.reserve(20_000)
    await added
    expect(index.size).toBe(4000)
    for (const wrong of [-1, 0.5, 2 ** 31, Number.NaN, '5', undefined]) {
      expect(() => index.reserve(wrong as number)).toThrow(
        expect.objectContaining({ code: 'ERR_ARGUMENT' }),
      )
    }
  })
})
