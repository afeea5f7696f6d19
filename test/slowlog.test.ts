import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, it } from 'vitest'
import { AdaptiveThreshold } from '../lib/slow-threshold.ts'
import * as logs from '../lib/slowlog.ts'
import { Slowlog, type SlowlogSettings } from '../lib/slowlog.ts'
import { Database, formatPlan, Index } from '../lib/vitrine.ts'
import { randomVectors } from './vectors.ts'

// Everything is slow from 0 ms on, and nothing from an hour on: no test depends on how fast a search is.
const anHour = 3_600_000

const open: { close(): Promise<void> }[] = []
afterEach(() => Promise.all(open.splice(0).map(one => one.close())))

async function line(): Promise<Index> {
  const index = new Index({ dimension: 2 })
  open.push(index)
  await index.add([0, 1, 2, 3], Float32Array.of(0, 0, 1, 0, 2, 0, 3, 0))
  return index
}

async function library() {
  const db = await Database.open(':memory:', { name: 'library' })
  open.push(db)
  const books = await db.createCollection('books', {
    dimension: 2,
    fields: { year: 'integer', lang: 'keyword' },
  })
  await books.upsert([
    { id: 'a', vector: [0, 0], payload: { year: 1990, lang: 'en' } },
    { id: 'b', vector: [1, 0], payload: { year: 2000, lang: 'de' } },
    { id: 'c', vector: [2, 0], payload: { year: 2010, lang: 'en' } },
  ])
  return { db, books }
}

const settings: SlowlogSettings = {
  slowMs: 10,
  minMs: 1,
  factor: 3,
  entries: 3,
  sampleEvery: undefined,
}

/** A log of nothing, and what tells it of a search of some shape. */
function bareLog(changed: Partial<SlowlogSettings> = {}) {
  const log = new Slowlog({})
  log.configure({ ...settings, ...changed })
  const search = (k: number, milliseconds: number) => {
    const verdict = log.judge(milliseconds)
    const query = { vector: [milliseconds], options: { k } }
    if (verdict !== undefined) {
      const shape = `Index.search k=${k}`
      log.add(verdict, { shape, method: 'Index.search', milliseconds, batchSize: 1, query })
    }
  }
  return { log, search }
}

/** Slow searches that were counted, by operation. */
function slowOf(source: Pick<Index, 'statsSnapshot'>) {
  const name = 'vitrine_engine_slow_operations_total'
  const family = source.statsSnapshot().families.find(one => one.name === name)
  if (family?.type !== 'counter') throw new Error('no counter')
  return Object.fromEntries(family.samples.map(({ labels: { op }, value }) => [op, value]))
}

describe('slow searches', () => {
  it('are counted where the log is that finds them slow', async () => {
    const index = await line()
    index.enableStats({ sampleEvery: 1 })
    index.searchSync([0, 0], { k: 1 })
    expect(slowOf(index)).toEqual({ search: 0, batch: 0 })
    index.enableStats({ slowMs: 0 })
    index.searchSync([0, 0], { k: 1 })
    await index.search([0, 0], { k: 1 })
    await index.searchBatch([0, 0, 1, 0], { k: 1 })
    index.enableStats({ slowMs: anHour })
    index.searchSync([0, 0], { k: 1 })
    expect(slowOf(index)).toEqual({ search: 2, batch: 1 })

    const { db, books } = await library()
    db.enableStats({ slowMs: 0 })
    await books.search([0, 0], { k: 1 })
    books.enableStats({ slowMs: 0 })
    await books.search([0, 0], { k: 1 })
    expect(slowOf(db)).toEqual({ search: 2, batch: 0 })
    expect(slowOf(books)).toEqual({ search: 1, batch: 0 })
  })

  it('are no reason to fail when the index is closed before they are counted', async () => {
    const index = await line()
    index.enableStats({ slowMs: 0 })
    const found = index.search([0, 0], { k: 1 })
    const closed = index.close()
    await found.catch(error => expect(error).toMatchObject({ code: 'ERR_CLOSED' }))
    await closed
  })
})

describe('a slow-query log', () => {
  it('is empty, and knows of nothing, until it is turned on', async () => {
    const index = await line()
    index.enableStats()
    index.searchSync([0, 0], { k: 1 })
    await index.search([0], { k: 1 }).catch(() => undefined)
    expect(index.slowlog.enabled).toBe(false)
    expect(index.slowlog.thresholdMs).toBe(Infinity)
    expect(index.slowlog.list()).toEqual([])
    expect(index.slowlog.errors()).toEqual({ total: 0, byCode: {}, latest: [] })
  })

  it('has what takes as long as it says or longer', () => {
    const { log, search } = bareLog()
    for (const milliseconds of [9.999, 10, 11]) search(1, milliseconds)
    expect(log.list().map(({ count, milliseconds }) => [count, milliseconds])).toEqual([[2, 11]])
  })

  it('has one place for a shape, with its count, its mean and the slowest query', () => {
    const { log, search } = bareLog()
    for (const milliseconds of [20, 60, 40]) search(5, milliseconds)
    expect(log.list()).toMatchObject([
      { shape: 'Index.search k=5', count: 3, milliseconds: 60, meanMilliseconds: 40 },
    ])
    expect(log.get(log.list()[0]!.id)?.query).toEqual({ vector: [60], options: { k: 5 } })
  })

  it('gives up the shape that has not come for longest', () => {
    const { log, search } = bareLog()
    for (const k of [1, 2, 3, 1, 4]) search(k, 50)
    expect(log.list().map(({ shape }) => shape)).toEqual([4, 1, 3].map(k => `Index.search k=${k}`))
    log.configure({ ...settings, entries: 1 })
    expect(log.list().map(({ shape }) => shape)).toEqual(['Index.search k=4'])
  })

  it('keeps what it has when it is turned off, until it is cleared', async () => {
    const index = await line()
    index.enableStats({ slowMs: 0 })
    index.searchSync([0, 0], { k: 1 })
    index.disableStats()
    index.searchSync([0, 0], { k: 1 })
    expect(index.slowlog.list()).toMatchObject([{ count: 1 }])
    index.slowlog.clear()
    expect(index.slowlog.list()).toEqual([])
  })

  it('is not listened for any more when its index is forgotten', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const before = logs.listening
    const forget = () => new Index({ dimension: 2 }).enableStats({ slowMs: anHour })
    forget()
    expect(logs.listening).toBe(before + 1)
    for (let i = 0; i < 100 && logs.listening > before; i++) {
      collect()
      await new Promise(setImmediate)
    }
    expect(logs.listening).toBeLessThanOrEqual(before)

    // And only once: one that was turned off is not on when it goes.
    const index = await line()
    const quiet = logs.listening
    for (const slowMs of [0, anHour]) index.enableStats({ slowMs })
    expect(logs.listening).toBe(quiet + 1)
    for (let i = 0; i < 2; i++) index.disableStats()
    expect(logs.listening).toBe(quiet)
  })

  it('leaves other indexes alone', async () => {
    const [one, other] = [await line(), await line()]
    one.enableStats({ slowMs: 0 })
    other.searchSync([0, 0], { k: 1 })
    expect([one.slowlog.list(), other.slowlog.list()]).toEqual([[], []])
  })

  it('refuses options that make no sense', async () => {
    const index = await line()
    for (const options of [
      { slowMs: -1 },
      { slowMs: 'often' },
      { slowMs: Number.NaN },
      { slowMinMs: 0 },
      { slowFactor: 0.5 },
      { slowEntries: 1025 },
      { sampleEvery: 0 },
    ]) {
      expect(() => index.enableStats(options as never)).toThrow(
        expect.objectContaining({ code: 'ERR_OPTION' }),
      )
    }
    expect(index.slowlog.enabled).toBe(false)
  })
})

describe('a query in the log', () => {
  it('is a copy of the one that was asked, whatever becomes of that', async () => {
    const index = await line()
    index.enableStats({ slowMs: 0 })
    const query = Float32Array.of(1.2, 0)
    const filter = Uint32Array.of(1, 2)
    const search = index.search(query, { k: 2, filter })
    query.fill(9)
    filter.fill(9)
    await search
    const [{ id } = { id: 0 }] = index.slowlog.list()
    const logged = index.slowlog.get(id)!
    const wanted = {
      vector: Float32Array.of(1.2, 0),
      options: { k: 2, filter: Uint32Array.of(1, 2) },
    }
    expect(logged.query).toEqual(wanted)
    ;(logged.query!.vector as Float32Array).fill(7)
    expect(index.slowlog.get(id)!.query).toEqual(wanted)
  })

  it('is found of every method that searches, and not of analyze', async () => {
    const index = await line()
    index.enableStats({ slowMs: 0 })
    const query = [1, 0]
    const out = { ids: new Uint32Array(3), distances: new Float32Array(3) }
    index.searchSync(query, { k: 1, exact: true })
    index.searchInto(Float32Array.from(query), out)
    await index.search(query, { k: 1, ef: 7, filter: index.idSet([1]) })
    await index.searchBatch([1, 0, 2, 0, 3, 0], { k: 1 })
    await index.analyze(query, { k: 1 })
    expect(index.slowlog.list().map(({ shape, batchSize }) => [shape, batchSize])).toEqual([
      ['Index.searchBatch k=1', 3],
      ['Index.search k=1 ef=7 filter=IdSet', 1],
      ['Index.searchInto k=3', 1],
      ['Index.searchSync k=1 exact', 1],
    ])
    const queries = index.slowlog.list().map(({ id }) => index.slowlog.get(id)?.query?.vector)
    expect(queries).toEqual([query, query, Float32Array.from(query), query])
  })

  it('is one of its shape when only its values differ', async () => {
    const { db, books } = await library()
    db.enableStats({ slowMs: 0 })
    for (const year of [1980, 1995]) {
      await books.search([0, 0], { k: 1, where: { year: { $gte: year }, lang: 'en' } })
      await books.search([1, 0], { k: 1, where: { lang: 'de', year: { $gte: year } } })
      await books.search([1, 0], { k: 1, where: `year IN (${year}, 3) AND lang = 'it''s'` })
      await books.search([1, 0], { k: 1, where: `year IN (${year}, 3, 4)  AND lang = 'en'` })
    }
    expect(db.slowlog.list().map(({ shape, count }) => [shape, count])).toEqual([
      ['Collection.search k=1 where=year IN (?) AND lang = ?', 4],
      ['Collection.search k=1 where={"lang":"?","year":{"$gte":"?"}}', 4],
    ])
  })

  it('is not kept when it is too large, and counted all the same', async () => {
    const index = await line()
    index.enableStats({ slowMs: 0 })
    index.searchSync([0, 0], { k: 1, filter: new Uint32Array(200_000) })
    const [slow] = index.slowlog.list()
    expect(slow).toMatchObject({ method: 'Index.searchSync', count: 1 })
    expect(index.slowlog.get(slow!.id)?.query).toBeUndefined()
    await expect(index.slowlog.replay(slow!.id)).rejects.toMatchObject({ code: 'ERR_TOO_LARGE' })
  })

  it('is there when it ran out of time, and not when it was refused', async () => {
    const index = new Index({ dimension: 8 })
    open.push(index)
    await index.add(null, randomVectors(5000, 8, 3))
    index.enableStats({ slowMs: 0 })
    const query = new Float32Array(8)
    await index.search(query, { k: 0 }).catch(() => undefined)
    expect(index.slowlog.list()).toEqual([])
    // Until one of them is too late: how many that takes depends on the machine.
    const options = { k: 5000, exact: true, timeoutMs: 1 }
    for (let late = false; !late; ) {
      const searches = Array.from({ length: 200 }, () => index.search(query, options))
      late = (await Promise.allSettled(searches)).some(({ status }) => status === 'rejected')
    }
    const { count } = index.slowlog.list()[0]!
    expect(count % 200).toBe(0)
    expect(index.slowlog.errors().byCode.ERR_TIMEOUT).toBeGreaterThan(0)
  })
})

describe('replay', () => {
  it('tells of an index what analyze tells, and is not logged itself', async () => {
    const index = await line()
    index.enableStats({ slowMs: 0 })
    await index.search([1.2, 0], { k: 2, ef: 20 })
    const [{ id } = { id: 0 }] = index.slowlog.list()
    const again = await index.slowlog.replay(id)
    expect(again).toMatchObject({ ids: Uint32Array.of(1, 2), plan: { ef: 20 } })
    expect(formatPlan(again)).toContain('time')
    expect(index.slowlog.list()).toMatchObject([{ count: 1 }])
  })

  it('runs on the points of now, in the collection that it was of', async () => {
    const { db, books } = await library()
    db.enableStats({ slowMs: 0 })
    await books.search([0, 0], { k: 1, where: { year: { $gte: 2000 } } })
    const [slow] = db.slowlog.list()
    expect(slow).toMatchObject({ collection: 'books' })
    await books.delete(['b'])
    expect(await db.slowlog.replay(slow!.id)).toMatchObject({ hits: [{ id: 'c' }] })
    await db.dropCollection('books')
    await expect(db.slowlog.replay(slow!.id)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    await expect(db.slowlog.replay(99)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
  })

  it('runs recommendations and the first of a batch', async () => {
    const { db, books } = await library()
    books.enableStats({ slowMs: 0 })
    await books.recommend({ positive: ['a'], k: 1 })
    await books.searchBatch([2, 0, 0, 0], { k: 1 })
    expect(db.slowlog.list()).toEqual([])
    const [batch, recommendation] = books.slowlog.list()
    expect(await books.slowlog.replay(batch!.id)).toMatchObject({ hits: [{ id: 'c' }] })
    const again = await books.slowlog.replay(recommendation!.id)
    expect(again).toMatchObject({ hits: [{ id: 'b' }], plan: { rows: 3 } })
    expect(books.slowlog.list().map(({ count }) => count)).toEqual([1, 1])
  })

  it('rejects when the index is closed', async () => {
    const index = await line()
    index.enableStats({ slowMs: 0 })
    index.searchSync([0, 0], { k: 1 })
    await index.close()
    const [{ id } = { id: 0 }] = index.slowlog.list()
    await expect(index.slowlog.replay(id)).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })
})

describe('an adaptive threshold', () => {
  it('is 100 ms until it has seen enough, and then goes by the slowest hundredth', () => {
    const threshold = new AdaptiveThreshold(1, 3)
    for (let i = 0; i < 127; i++) threshold.observe(8)
    expect(threshold.milliseconds).toBe(100)
    threshold.observe(8)
    expect(threshold.milliseconds).toBeGreaterThanOrEqual(3 * 8)
    expect(threshold.milliseconds).toBeLessThanOrEqual(3 * 8 * 2 ** (1 / 8))
  })

  it('takes the hundredth, not the mean and not the slowest', () => {
    const threshold = new AdaptiveThreshold(0.001, 1)
    for (let i = 0; i < 6400; i++) threshold.observe(i % 200 === 0 ? 1000 : i % 50 === 0 ? 20 : 1)
    expect(threshold.milliseconds).toBeGreaterThanOrEqual(20)
    expect(threshold.milliseconds).toBeLessThanOrEqual(20 * 2 ** (1 / 8))
  })

  it('is never below the least, and bears any duration', () => {
    const threshold = new AdaptiveThreshold(5, 3)
    for (let i = 0; i < 256; i++) threshold.observe(0)
    expect(threshold.milliseconds).toBe(5)
    for (let i = 0; i < 256; i++) threshold.observe(Number.MAX_VALUE)
    expect(threshold.milliseconds).toBeGreaterThan(5)
  })

  it('forgets what came long ago', () => {
    const threshold = new AdaptiveThreshold(0.001, 1)
    for (let i = 0; i < 8192; i++) threshold.observe(1000)
    expect(threshold.milliseconds).toBeGreaterThanOrEqual(1000)
    for (let i = 0; i < 80_000; i++) threshold.observe(1)
    expect(threshold.milliseconds).toBeLessThan(2)
  })

  it('decides what is slow', () => {
    const { log, search } = bareLog({ slowMs: 'adaptive' })
    for (let i = 0; i < 128; i++) search(1, 10)
    search(2, 20)
    expect(log.list()).toEqual([])
    search(2, 50)
    expect(log.list()).toMatchObject([{ milliseconds: 50 }])
    expect(log.list()[0]!.thresholdMs).toBeGreaterThanOrEqual(30)
  })
})

describe('a sample', () => {
  it('is each so many queries that are not slow, beside those that are', () => {
    const { log, search } = bareLog({ sampleEvery: 4 })
    for (let i = 0; i < 20; i++) search(1, 1)
    search(2, 50)
    expect(log.list('sample')).toMatchObject([{ shape: 'Index.search k=1', count: 5 }])
    expect(log.list()).toMatchObject([{ shape: 'Index.search k=2', count: 1 }])
  })

  it('needs no threshold, and can be replayed', async () => {
    const index = await line()
    index.enableStats({ sampleEvery: 2 })
    for (let i = 0; i < 4; i++) index.searchSync([3, 0], { k: 1 })
    const [sampled] = index.slowlog.list('sample')
    expect(sampled).toMatchObject({ count: 2, thresholdMs: Infinity })
    expect(await index.slowlog.replay(sampled!.id)).toMatchObject({ ids: Uint32Array.of(3) })
    expect(() => index.slowlog.list('all' as never)).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT' }),
    )
  })
})

describe('the history of errors', () => {
  it('tells what failed, and how often by code', async () => {
    const { db, books } = await library()
    db.enableStats({ slowMs: anHour })
    await books.insert([{ id: 'a', vector: [0, 0] }]).catch(() => undefined)
    await books.search([1], { k: 1 }).catch(() => undefined)
    await books.search([1, 2, 3], { k: 1 }).catch(() => undefined)
    await db.dropCollection('none').catch(() => undefined)
    const scan = books.scan({ where: { nothing: 1 } as never })
    await expect(scan[Symbol.asyncIterator]().next()).rejects.toThrow()
    await books.search([0, 0], { k: 1, signal: AbortSignal.abort('secret') }).catch(() => undefined)
    await books.search([0, 0], { k: 1 })
    const { total, byCode, latest } = db.slowlog.errors()
    expect(total).toBe(6)
    expect(byCode).toEqual({
      ERR_EXISTS: 1,
      ERR_DIMENSION: 2,
      ERR_NOT_FOUND: 1,
      ERR_FILTER: 1,
      ERR_CANCELLED: 1,
    })
    expect(
      latest.map(({ operation, method, collection }) => [operation, method, collection]),
    ).toEqual([
      ['search', 'Collection.search', 'books'],
      ['scan', 'Collection.scan', 'books'],
      ['dropCollection', 'Database.dropCollection', undefined],
      ['search', 'Collection.search', 'books'],
      ['search', 'Collection.search', 'books'],
      ['insert', 'Collection.insert', 'books'],
    ])
    expect(latest.at(-1)!.message).toContain('a')
    expect(latest[0]!.message).not.toContain('secret')
    expect(latest[0]!.at).toBeInstanceOf(Date)
    expect(db.slowlog.list()).toEqual([])
  })

  it('holds the latest thousand, and counts all', async () => {
    const index = await line()
    index.enableStats({ slowMs: anHour })
    for (let i = 0; i < 1001; i++) {
      expect(() => index.searchSync(i === 0 ? [0] : [0, 0], { k: 0 })).toThrow()
    }
    expect(() => index.get([77])).toThrow()
    const { total, byCode, latest } = index.slowlog.errors()
    expect([total, byCode]).toEqual([1002, { ERR_OPTION: 1001, ERR_NOT_FOUND: 1 }])
    expect(latest).toHaveLength(1000)
    expect(latest[0]).toMatchObject({ code: 'ERR_NOT_FOUND', method: 'Index.get' })
    index.slowlog.clear()
    expect(index.slowlog.errors()).toEqual({ total: 0, byCode: {}, latest: [] })
  })
})
