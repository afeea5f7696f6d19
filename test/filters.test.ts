import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Collection, Database, type Hit, type PointId, type Where } from '../lib/vitrine.ts'
import { fields, type ModelPayload, randomFilter, randomPayload } from './filter-model.ts'
import { randomNumbers } from './vectors.ts'

let folder: string
let db: Database

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vitrine-filters-'))
  db = await Database.open(folder, { durability: 'interval' })
})
afterEach(async () => {
  await db.close()
  rmSync(folder, { recursive: true, force: true })
})

const code = (code: string, rest: object = {}) =>
  expect.objectContaining({ name: 'VitrineError', code, ...rest })
const sorted = (ids: Iterable<PointId>) => [...ids].map(Number).sort((a, b) => a - b)
const idsOf = (points: readonly { id: PointId }[]) => sorted(points.map(point => point.id))

async function scanned(c: Collection, options: Parameters<typeof c.scan>[0]) {
  const points: { id: PointId; payload?: unknown }[] = []
  for await (const point of c.scan(options)) points.push(point)
  return points
}

describe('filters', () => {
  it('find what a model finds, through writes, checkpoints and reopening', async () => {
    const random = randomNumbers(7)
    const config = { dimension: 2, fields, m: 6 }
    let c = await db.createCollection<typeof fields, ModelPayload>('c', config)
    const model = new Map<number, ModelPayload>()
    const vector = () => Float32Array.of(Math.floor(random() * 20), Math.floor(random() * 20))
    for (let round = 0; round < 60; round++) {
      const ids = Array.from({ length: 15 }, () => Math.floor(random() * 120))
      const payloads = ids.map(() => randomPayload(random))
      await c.upsert(ids.map((id, i) => ({ id, vector: vector(), payload: payloads[i]! })))
      for (const [i, id] of ids.entries()) model.set(id, payloads[i]!)
      const id = ids[0]!
      await c.update(id, { year: round, lang: null })
      model.set(id, { ...model.get(id), year: round, lang: null })
      await c.delete([ids[1]!])
      model.delete(ids[1]!)
      if (round % 20 === 10) await db.checkpoint()
      if (round % 15 === 14) {
        await db.close()
        db = await Database.open(folder, { durability: 'interval' })
        c = await db.createCollection<typeof fields, ModelPayload>('c', config)
      }
      for (let i = 0; i < 5; i++) {
        const { where, sql, params, admits } = randomFilter(random, 3)
        const what = JSON.stringify({ round, where, sql, params })
        const expected = sorted(
          [...model].filter(([, payload]) => admits(payload)).map(([id]) => id),
        )
        const filters = [{ where: where as Where<typeof fields> }, { where: sql, params }]
        for (const filter of filters) {
          expect(await c.count(filter), what).toBe(expected.length)
          const points = await scanned(c, { ...filter, batchSize: 7 })
          expect(idsOf(points), what).toEqual(expected)
          for (const { id, payload } of points) expect(payload).toEqual(model.get(Number(id)))
          for (const exact of [true, false]) {
            const hits = await c.search(vector(), { k: 1000, exact, ...filter })
            expect(idsOf(hits), what).toEqual(expected)
          }
        }
      }
      if (round % 6 !== 5) continue
      const { where, admits } = randomFilter(random, 2)
      const { deleted } = await c.delete({ where: where as Where<typeof fields> })
      const gone = [...model].filter(([, payload]) => admits(payload))
      for (const [id] of gone) model.delete(id)
      expect(deleted).toBe(gone.length)
      expect(idsOf(await scanned(c, { select: [] }))).toEqual(sorted(model.keys()))
    }
  }, 120_000)

  it('leave walks their recall', async () => {
    const random = randomNumbers(3)
    const dimension = 16
    const count = 4000
    const c = await db.createCollection('c', {
      dimension,
      fields: { share: 'integer', near: 'boolean' },
    })
    const vectors = Float32Array.from({ length: count * dimension }, () => random() - 0.5)
    await c.upsert({
      ids: Array.from({ length: count }, (_, i) => i),
      vectors,
      payloads: Array.from({ length: count }, (_, i) => ({
        share: Math.floor(random() * 100),
        near: vectors[i * dimension]! > 0,
      })),
    })
    const query = () => Float32Array.from({ length: dimension }, () => random() - 0.5)
    const wheres = [1, 10, 50, 90].map(share => ({ share: { $lt: share } }))
    for (const where of [...wheres, { near: true }, { near: false, share: { $gte: 50 } }]) {
      let found = 0
      for (let i = 0; i < 20; i++) {
        const vector = query()
        const exact = idsOf(await c.search(vector, { k: 10, exact: true, where }))
        const hits = await c.search(vector, { k: 10, where })
        found += idsOf(hits).filter(id => exact.includes(id)).length
      }
      expect(found / 200, JSON.stringify(where)).toBeGreaterThan(0.95)
    }
  }, 60_000)

  it('hold for every query of a batch', async () => {
    const c = await db.createCollection('c', { dimension: 1, fields: { odd: 'boolean' } })
    const ids = Array.from({ length: 50 }, (_, i) => i)
    const payloads = ids.map(id => ({ odd: id % 2 === 1 }))
    await c.upsert({ ids, vectors: Float32Array.from(ids), payloads })
    const found = await c.searchBatch([10, 20.2], { k: 2, where: 'odd = ?', params: [true] })
    expect(found.map(idsOf)).toEqual([
      [9, 11],
      [19, 21],
    ])
  })

  it('name what is wrong', async () => {
    const c: Collection = await db.createCollection('c', { dimension: 1, fields })
    const wheres = [
      [{ language: 'en' }, /no field 'language' to filter by; addField/],
      [{ year: '2020' }, /'year' is declared as integer and compared with an integer/],
      [{ lang: 5 }, /a string/],
      [{ lang: { $gt: 'a' } }, /only integers, numbers and dates/],
      [{ at: 'yesterday' }, /ISO 8601/],
      [{ done: 'yes' }, /true or false/],
      ["lang = 'en' AND", /position 15/],
    ] as const
    for (const [where, message] of wheres) {
      const wrong = code('ERR_FILTER', { message: expect.stringMatching(message) })
      await expect(c.count({ where })).rejects.toEqual(wrong)
      await expect(c.search([1], { k: 1, where })).rejects.toEqual(wrong)
      await expect(c.delete({ where })).rejects.toEqual(wrong)
      await expect(scanned(c, { where })).rejects.toEqual(wrong)
      const write = db.transaction(tx => tx.collection('c').delete({ where }))
      await expect(write).rejects.toEqual(wrong)
    }
    const option = code('ERR_OPTION')
    await expect(c.delete({} as never)).rejects.toEqual(option)
    await expect(c.delete({ were: {} } as never)).rejects.toEqual(option)
  })
})

describe('fields', () => {
  it('are part of the configuration', async () => {
    const c = await db.createCollection('c', { dimension: 1, fields: { b: 'number', a: 'date' } })
    expect(c.fields).toEqual({ a: 'date', b: 'number' })
    expect(c.info().fields).toEqual({ a: 'date', b: 'number' })
    await db.createCollection('c', { dimension: 1, fields: { a: 'date', b: 'number' } })
    const another = code('ERR_EXISTS', { message: expect.stringContaining('addField') })
    await expect(db.createCollection('c', { dimension: 1 })).rejects.toEqual(another)
    for (const wrong of [{ a: 'text' }, { $a: 'date' }, { '': 'date' }, [], 'a', { a: 1 }]) {
      const failed = db.createCollection('d', { dimension: 1, fields: wrong as never })
      await expect(failed).rejects.toEqual(code('ERR_OPTION'))
    }
    const many = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`f${i}`, 'date']))
    const failed = db.createCollection('d', { dimension: 1, fields: many as never })
    await expect(failed).rejects.toEqual(code('ERR_OPTION'))
    expect(db.memoryUsage().fields).toBeGreaterThan(0)
  })

  it('may have any name', async () => {
    const names = { ['__proto__']: 'keyword', constructor: 'keyword', 'a b': 'keyword' } as const
    const c: Collection = await db.createCollection('c', { dimension: 1, fields: names })
    expect(Object.keys(c.fields).sort()).toEqual(['__proto__', 'a b', 'constructor'])
    const payload = JSON.parse('{"__proto__":"x","constructor":"y","a b":"z"}')
    await c.upsert([{ id: 1, vector: [1], payload }])
    expect(await c.count({ where: { ['__proto__']: 'x' } })).toBe(1)
    expect(await c.count({ where: { constructor: 'y' } as never })).toBe(1)
    expect(await c.count({ where: `"a b" = 'z'` })).toBe(1)
    expect((await c.get(1))?.payload).toEqual(payload)
  })

  it('hold payloads to their types', async () => {
    const c: Collection = await db.createCollection('c', { dimension: 1, fields })
    await c.upsert([{ id: 1, vector: [1], payload: { lang: 'en' } }])
    const wrongs = [
      [{ lang: 1 }, /'lang' of point 2 has a number, but is declared as keyword, which takes a st/],
      [{ tags: 'a' }, /a string, but is declared as keyword\[\], which takes an array of strings/],
      [{ tags: ['a', 1] }, /an array with something else/],
      [{ year: 1.5 }, /another number/],
      [{ year: 2 ** 53 }, /another number/],
      [{ price: '1' }, /a string, but is declared as number/],
      [{ done: 1 }, /a number, but is declared as boolean/],
      [{ at: 5 }, /a number, but is declared as date/],
      [{ at: '2024-02-30' }, /text that is no date/],
      [{ at: { $date: 'x' } }, /an object/],
    ] as const
    for (const [payload, message] of wrongs) {
      const [field] = Object.keys(payload)
      const details = { field, outcome: 'not_applied' }
      const wrong = code('ERR_PAYLOAD', { message: expect.stringMatching(message), details })
      const points = [
        { id: 3, vector: [3] },
        { id: 2, vector: [2], payload },
      ]
      await expect(c.upsert(points)).rejects.toEqual(wrong)
      await expect(c.update(1, payload)).rejects.toEqual(code('ERR_PAYLOAD'))
      expect(await c.count()).toBe(1)
    }
    expect(await c.get(1)).toEqual({ id: 1, payload: { lang: 'en' } })
  })

  it('give dates back as they were put', async () => {
    const c = await db.createCollection('c', { dimension: 1, fields: { at: 'date' } })
    const date = new Date('2024-02-29T12:00:00.123Z')
    const text = '2024-02-29T12:00:00.123Z'
    const far = new Date(-8.64e15)
    await c.upsert([
      { id: 1, vector: [1], payload: { at: date } },
      { id: 2, vector: [2], payload: { at: text, $date: 'x', nested: { $date: text } } },
      { id: 3, vector: [3], payload: { at: far } },
    ])
    const payloads = async () => (await c.getMany([1, 2, 3])).map(point => point?.payload)
    const expected = [{ at: date }, { at: text, $date: 'x', nested: { $date: text } }, { at: far }]
    expect(await payloads()).toEqual(expected)
    expect(idsOf(await scanned(c, { where: { at: date } }))).toEqual([1, 2])
    expect(await c.count({ where: 'at < ?', params: [date] })).toBe(1)
    await c.update(1, { other: 1 })
    expect((await c.get(1))?.payload).toEqual({ at: date, other: 1 })
    await c.update(2, { at: date })
    expect((await c.get(2))?.payload?.at).toEqual(date)
    const hits: Hit<{ at?: unknown }>[] = await c.search([1], { k: 3 })
    expect(hits[0]?.payload?.at).toEqual(date)
    for (const payload of [
      { other: date },
      { nested: { at: date } },
      { at: new Date(Number.NaN) },
    ]) {
      await expect(c.upsert([{ id: 1, vector: [1], payload }])).rejects.toEqual(
        code('ERR_ARGUMENT', { message: expect.stringContaining("declared as 'date'") }),
      )
    }
    await expect(c.upsert([{ id: 1, vector: [1], payload: date as never }])).rejects.toEqual(
      code('ERR_ARGUMENT'),
    )
  })
})

describe('addField', () => {
  it('finds what was put before, while searches go on', async () => {
    const c: Collection = await db.createCollection('c', {
      dimension: 1,
      fields: { lang: 'keyword' },
    })
    const ids = Array.from({ length: 3000 }, (_, i) => i)
    const payloads = ids.map(id => ({ lang: 'en', year: id % 10, at: '2024-01-01' }))
    await c.upsert({ ids, vectors: Float32Array.from(ids), payloads })
    let searches = 0
    const options = { k: 5, where: { lang: 'en' } }
    const searching = async () => {
      for (; !c.fields.at; searches++) expect(await c.search([7], options)).toHaveLength(5)
    }
    const searched = searching()
    await c.addField('year', 'integer')
    await c.addField('year', 'integer')
    await c.addField('at', 'date')
    await searched
    expect(searches).toBeGreaterThan(0)
    expect(c.fields).toEqual({ lang: 'keyword', year: 'integer', at: 'date' })
    expect(await c.count({ where: { year: 3 } })).toBe(300)
    await db.close()
    db = await Database.open(folder)
    const again = db.collection('c')
    expect(again.fields).toEqual({ lang: 'keyword', year: 'integer', at: 'date' })
    expect(await again.count({ where: { year: { $lt: 3 }, at: new Date('2024-01-01') } })).toBe(900)
  })

  it('is refused where points do not fit', async () => {
    const c: Collection = await db.createCollection('c', {
      dimension: 1,
      fields: { lang: 'keyword' },
    })
    await c.upsert([{ id: 'odd', vector: [1], payload: { year: 'x' } }])
    const message = expect.stringContaining(`'year' of point "odd" has a string`)
    const refused = code('ERR_PAYLOAD', { message })
    await expect(c.addField('year', 'integer')).rejects.toEqual(refused)
    await expect(c.addField('lang', 'date')).rejects.toEqual(code('ERR_EXISTS'))
    await expect(c.addField('x', 'text' as never)).rejects.toEqual(code('ERR_OPTION'))
    await expect(c.addField('$x', 'date')).rejects.toEqual(code('ERR_OPTION'))
    expect(c.fields).toEqual({ lang: 'keyword' })
  })
})

describe('a search of a collection', () => {
  it('is explained and analyzed', async () => {
    const random = randomNumbers(5)
    const c = await db.createCollection('c', { dimension: 4, fields: { n: 'integer' } })
    const ids = Array.from({ length: 3000 }, (_, i) => i)
    const vectors = Float32Array.from({ length: 4 * ids.length }, () => random())
    await c.upsert({ ids, vectors, payloads: ids.map(n => ({ n })) })
    const query = [0.1, 0.2, 0.3, 0.4]
    const where = { n: { $lt: 30 } }
    const plan = c.explain(query, { k: 3, where })
    expect(plan).toMatchObject({ kind: 'filter-scan', reason: 'few-allowed', allowedRows: 30 })
    expect(plan.estimatedShare).toBeCloseTo(0.01)
    expect(plan.share).toBeCloseTo(0.01)
    const both = c.explain(query, { k: 3, where: { $and: [where, where] } })
    expect(both.estimatedShare).toBeCloseTo(0.0001)
    expect(both.share).toBeCloseTo(0.01)
    expect(c.explain(query, { k: 3 })).toMatchObject({ kind: 'walk', estimatedShare: 1, share: 1 })
    const analysis = await c.analyze(query, { k: 3, where })
    expect(analysis.hits).toEqual(await c.search(query, { k: 3, where }))
    expect(analysis.plan).toEqual(plan)
    expect(analysis.counters.scanEvaluations).toBe(30)
    expect(analysis.nanoseconds).toBeGreaterThan(0)
    expect(analysis.stopReason).toBeNull()
    // It was computed for this search, or found; the points were copied.
    expect(analysis.phases.filter).toBeGreaterThan(0)
    expect(analysis.phases.materialize).toBeGreaterThan(0)
    const all = await c.analyze(query, { k: 3 })
    expect(all).toMatchObject({ stopReason: 'exhausted', phases: { filter: 0, scan: 0 } })
    const phases = Object.values(all.phases).reduce((sum, nanoseconds) => sum + nanoseconds)
    expect(phases).toBe(all.nanoseconds)
    expect(() => c.explain(query, { k: 0 })).toThrow(code('ERR_OPTION'))
    expect(() => c.explain([1], { k: 1 })).toThrow(code('ERR_DIMENSION'))
  })
})

describe('recommend', () => {
  it('finds what is like the positive examples and unlike the negative ones', async () => {
    const c = await db.createCollection('c', { dimension: 2, fields: { lang: 'keyword' } })
    const at = (id: PointId, x: number, y: number, lang = 'en') => ({
      id,
      vector: [x, y],
      payload: { lang },
    })
    await c.upsert([
      at('a', 0, 0),
      at('b', 2, 0),
      at('middle', 1, 0),
      at('right', 3, 0),
      at('above', 1, 3, 'de'),
      at(5, 1, -3),
    ])
    const ids = (hits: readonly Hit[]) => hits.map(hit => hit.id)
    expect(ids(await c.recommend({ positive: ['a', 'b'], k: 2 }))).toEqual(['middle', 'right'])
    // Twice (1, 0) less (1, -3) is (1, 3).
    const examples = { positive: ['a', 'b'], negative: [5n] }
    expect(ids(await c.recommend({ ...examples, k: 1 }))).toEqual(['above'])
    expect(ids(await c.recommend({ ...examples, k: 9 }))).toEqual(['above', 'middle', 'right'])
    const english = await c.recommend({ ...examples, k: 9, where: { lang: 'en' } })
    expect(ids(english)).toEqual(['middle', 'right'])
    expect(english[0]?.distance).toBe(9)
    const missing = code('ERR_NOT_FOUND', { message: expect.stringContaining('nobody') })
    await expect(c.recommend({ positive: ['a', 'nobody'], k: 1 })).rejects.toEqual(missing)
    await expect(c.recommend({ positive: [], k: 1 })).rejects.toEqual(code('ERR_OPTION'))
    await expect(c.recommend({ k: 1 } as never)).rejects.toEqual(code('ERR_OPTION'))
  })

  it('looks at directions alone under cosine', async () => {
    const c = await db.createCollection('c', { dimension: 2, metric: 'cosine' })
    await c.upsert([
      { id: 'far east', vector: [1000, 0] },
      { id: 'north', vector: [0, 1] },
      { id: 'northeast', vector: [1, 1] },
      { id: 'east', vector: [1, 0.1] },
    ])
    const hits = await c.recommend({ positive: ['far east', 'north'], k: 1 })
    expect(hits.map(hit => hit.id)).toEqual(['northeast'])
  })
})

describe('a removal by filter', () => {
  it('sees the writes of its transaction that were gathered before', async () => {
    const c = await db.createCollection('c', { dimension: 1, fields: { lang: 'keyword' } })
    const point = (id: number, lang: string) => ({ id, vector: [id], payload: { lang } })
    await c.upsert([point(1, 'en'), point(2, 'en'), point(3, 'de'), point(4, 'en')])
    const ack = await db.transaction(tx => {
      const t = tx.collection('c')
      t.upsert([point(2, 'de'), point(5, 'en'), point(3, 'en')])
      t.delete([4])
      t.delete({ where: { lang: 'en' } })
      t.upsert([point(5, 'en'), point(6, 'en')])
    })
    expect(ack.lsn).toBeGreaterThan(0n)
    expect(idsOf(await scanned(c, {}))).toEqual([2, 5, 6])
    expect(await c.count({ where: { lang: 'en' } })).toBe(2)
    await db.close()
    db = await Database.open(folder)
    expect(idsOf(await scanned(db.collection('c'), {}))).toEqual([2, 5, 6])
  })

  it('is done once for an idempotency key', async () => {
    const c = await db.createCollection('c', { dimension: 1, fields: { lang: 'keyword' } })
    const insert = () => c.upsert([{ id: 1, vector: [1], payload: { lang: 'en' } }])
    await insert()
    const remove = () => c.delete({ where: { lang: 'en' } }, { idempotencyKey: 'once' })
    const first = await remove()
    expect(first.deleted).toBe(1)
    await insert()
    expect(await remove()).toEqual({ ...first, durable: expect.any(Boolean) })
    expect(await c.count()).toBe(1)
  })

  it('removes what is there when its turn comes', async () => {
    const c = await db.createCollection('c', { dimension: 1, fields: { lang: 'keyword' } })
    const writes: Promise<unknown>[] = []
    for (let id = 0; id < 200; id++) {
      writes.push(c.upsert([{ id, vector: [id], payload: { lang: 'en' } }]))
      if (id % 50 === 49) writes.push(c.delete({ where: { lang: 'en' } }))
    }
    await Promise.all(writes)
    expect(await c.count()).toBe(0)
  })
})

describe('types', () => {
  it('refuse what the fields do not allow', async () => {
    const c = await db.createCollection('c', { dimension: 1, fields })
    const refused = [
      // @ts-expect-error: it is not declared
      () => c.count({ where: { language: 'en' } }),
      // @ts-expect-error: an integer
      () => c.count({ where: { year: '2020' } }),
      // @ts-expect-error: keywords have no order
      () => c.count({ where: { lang: { $gt: 'a' } } }),
      // @ts-expect-error: an array of strings
      () => c.search([1], { k: 1, where: { tags: { $in: [1] } } }),
      // @ts-expect-error: no such operator
      () => c.count({ where: { year: { $above: 5 } } }),
      // @ts-expect-error: nested ones are no exception
      () => c.delete({ where: { $or: [{ lang: 'en' }, { done: 'yes' }] } }),
      // @ts-expect-error: a payload with another type
      () => c.upsert([{ id: 1, vector: [1], payload: { year: 'x' } }]),
    ]
    for (const call of refused) await expect(call()).rejects.toMatchObject({ name: 'VitrineError' })
    const all: Collection = c
    expect(await all.count({ where: { lang: 'en', $not: { year: { $gte: 1 } } } })).toBe(0)
    const untyped = db.collection('c')
    expect(await untyped.count({ where: { $or: [{ lang: 'en' }, { year: 5 }] } })).toBe(0)
  })
})
