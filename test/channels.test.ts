import { AsyncLocalStorage } from 'node:async_hooks'
import { channel, tracingChannel } from 'node:diagnostics_channel'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { type OperationEvent, operationChannels, operations } from '../lib/channels.ts'
import { Collection, Database, Index } from '../lib/vitrine.ts'
import { root } from './layers.ts'

const folder = mkdtempSync(join(tmpdir(), 'vitrine-channels-'))
afterAll(() => rmSync(folder, { recursive: true }))

const undo: (() => void)[] = []
afterEach(() => {
  for (const each of undo.splice(0)) each()
})

type Heard = [stage: string, event: OperationEvent]

/** What is published on all channels from now on until the test is over. */
function listen(): Heard[] {
  const heard: Heard[] = []
  for (const operation of operations) {
    const channels = tracingChannel(`vitrine:${operation}`)
    const hear = (stage: string) => (event: object) => heard.push([stage, event as OperationEvent])
    const handlers = {
      start: hear('start'),
      end: hear('end'),
      asyncStart: hear('asyncStart'),
      asyncEnd: hear('asyncEnd'),
      error: hear('error'),
    }
    channels.subscribe(handlers)
    undo.push(() => channels.unsubscribe(handlers))
  }
  return heard
}

/** The events of calls that are over, in the order in which they began. */
const calls = (heard: readonly Heard[]) =>
  heard.filter(([stage]) => stage === 'start').map(([, event]) => event)
const stages = (heard: readonly Heard[]) => heard.map(([stage]) => stage)

const query = Float32Array.of(1.2)

async function line() {
  const index = new Index({ dimension: 1, name: 'line' })
  await index.add([0, 1, 2, 3, 4], Float32Array.of(0, 1, 2, 3, 4))
  undo.push(() => void index.close())
  return index
}

async function opened() {
  const db = await Database.open(':memory:', { name: 'shop' })
  undo.push(() => void db.close())
  const fields = { year: 'integer' } as const
  const points = await db.createCollection('things', { dimension: 1, fields })
  await points.upsert([0, 1, 2].map(id => ({ id, vector: [id], payload: { year: 2000 + id } })))
  return { db, points }
}

describe('the channels of an index', () => {
  it('tell each way to search, with what was asked for and what was found', async () => {
    const index = await line()
    const heard = listen()
    const out = { ids: new Uint32Array(2), distances: new Float32Array(2) }
    index.searchSync(query, { k: 3, ef: 70 })
    index.searchInto(query, out, { exact: true })
    await index.search(query, { k: 2, filter: [4] })
    await index.analyze(query, { k: 9 })
    await index.searchBatch(Float32Array.of(1, 2, 3), { k: 2, recall: 0.9 })
    const common = { operation: 'search', database: 'line' }
    expect(calls(heard)).toEqual([
      {
        ...common,
        method: 'Index.searchSync',
        synchronous: true,
        k: 3,
        ef: 70,
        filtered: false,
        returnedRows: 3,
        nearestDistance: expect.closeTo(0.04, 5),
      },
      {
        ...common,
        method: 'Index.searchInto',
        synchronous: true,
        k: 2,
        exact: true,
        filtered: false,
        returnedRows: 2,
        nearestDistance: out.distances[0],
      },
      {
        ...common,
        method: 'Index.search',
        synchronous: false,
        k: 2,
        filtered: true,
        returnedRows: 1,
        nearestDistance: expect.closeTo(7.84, 5),
      },
      {
        ...common,
        method: 'Index.analyze',
        synchronous: false,
        k: 9,
        filtered: false,
        returnedRows: 5,
        nearestDistance: expect.closeTo(0.04, 5),
      },
      {
        ...common,
        method: 'Index.searchBatch',
        synchronous: false,
        k: 2,
        recall: 0.9,
        filtered: false,
        batchSize: 3,
        returnedRows: 6,
      },
    ])
  })

  it('tell writes and reads of many by their number', async () => {
    const index = await line()
    const heard = listen()
    await index.add(null, Float32Array.of(7, 8))
    await index.upsert([1], query)
    await index.remove([5, 6, 99])
    index.get([1, 2])
    await index.save(join(folder, 'line'))
    const loaded = await Index.load(join(folder, 'line'), { name: 'again' })
    await loaded.close()
    expect(
      calls(heard).map(event => [event.operation, event.database, event.batchSize, event.method]),
    ).toEqual([
      ['insert', 'line', 2, 'Index.add'],
      ['upsert', 'line', 1, 'Index.upsert'],
      ['delete', 'line', 3, 'Index.remove'],
      ['get', 'line', 2, 'Index.get'],
      ['save', 'line', undefined, 'Index.save'],
      ['load', 'again', undefined, 'Index.load'],
      ['close', 'again', undefined, 'Index.close'],
    ])
    expect(calls(heard)[3]?.returnedRows).toBe(2)
  })

  it('come in the order of a tracing channel', async () => {
    const index = await line()
    const heard = listen()
    index.searchSync(query, { k: 1 })
    expect(stages(heard.splice(0))).toEqual(['start', 'end'])
    expect(() => index.searchSync(new Float32Array(3), { k: 1 })).toThrow()
    expect(stages(heard.splice(0))).toEqual(['start', 'error', 'end'])
    const search = index.search(query, { k: 1 })
    expect(stages(heard.splice(0))).toEqual(['start', 'end'])
    await search
    expect(stages(heard.splice(0))).toEqual(['asyncStart', 'asyncEnd'])
    const wrong = index.search(query, { k: 0 })
    expect(stages(heard.splice(0))).toEqual(['start', 'end'])
    const error = await wrong.catch(reason => reason)
    expect(stages(heard)).toEqual(['error', 'asyncStart', 'asyncEnd'])
    expect(heard[0]?.[1].error).toBe(error)
    expect(error).toMatchObject({ code: 'ERR_OPTION' })
    expect(heard[0]?.[1]).not.toHaveProperty('returnedRows')
  })

  it('do not change what a call says of arguments that cannot be read', async () => {
    const index = await line()
    const trap = () => {
      throw new Error('trapped')
    }
    const options = Object.defineProperty({ ef: 3 }, 'k', { get: trap, enumerable: true })
    const attempt = () => index.searchSync(query, options as never)
    const quiet = (() => {
      try {
        return attempt()
      } catch (error) {
        return error
      }
    })()
    const heard = listen()
    expect(attempt).toThrow((quiet as Error).message)
    expect(calls(heard)[0]).toMatchObject({ database: 'line', error: { code: 'ERR_OPTION' } })
    await expect(index.add(undefined as never, undefined as never)).rejects.toThrow()
    const method = index.search as (...args: unknown[]) => Promise<unknown>
    await expect(method.call({}, query, { k: 1 })).rejects.toThrow(/./)
  })
})

describe('the channels of a database', () => {
  it('tell each operation once, with the names that metrics have', async () => {
    const { db, points } = await opened()
    const heard = listen()
    await points.search([0.2], { k: 2, where: { year: { $gte: 2001 } } })
    await points.searchBatch([0.2, 1.2], { k: 2 })
    await points.analyze([0.2], { k: 1 })
    await points.recommend({ positive: [0], k: 2 })
    await points.get(1)
    await points.get(77)
    await points.getMany([0, 77])
    await points.count({ where: { year: 2001 } })
    await points.insert({ ids: [8, 9], vectors: Float32Array.of(8, 9) })
    await points.update(8, { year: 1 })
    await points.delete([8])
    await points.delete({ where: { year: 2002 } })
    expect(calls(heard).every(({ database }) => database === 'shop')).toBe(true)
    expect(calls(heard).every(({ collection }) => collection === 'things')).toBe(true)
    expect(
      calls(heard).map(({ method, filtered, batchSize, returnedRows }) => [
        method,
        filtered,
        batchSize,
        returnedRows,
      ]),
    ).toEqual([
      ['Collection.search', true, undefined, 2],
      ['Collection.searchBatch', false, 2, 4],
      ['Collection.analyze', false, undefined, 1],
      ['Collection.recommend', false, undefined, 2],
      ['Collection.get', undefined, undefined, 1],
      ['Collection.get', undefined, undefined, 0],
      ['Collection.getMany', undefined, 2, 1],
      ['Collection.count', true, undefined, undefined],
      ['Collection.insert', undefined, 2, undefined],
      ['Collection.update', undefined, undefined, undefined],
      ['Collection.delete', false, 1, undefined],
      ['Collection.delete', true, undefined, undefined],
    ])
    const told = ({ nearestDistance, lsn }: OperationEvent) => ({ nearestDistance, lsn })
    const nearest = (distance: number) => ({
      nearestDistance: expect.closeTo(distance, 5),
      lsn: undefined,
    })
    const nothing = { nearestDistance: undefined, lsn: undefined }
    const written = { nearestDistance: undefined, lsn: expect.any(BigInt) }
    expect(calls(heard).map(told)).toEqual([
      nearest(0.64),
      nothing,
      nearest(0.04),
      nearest(1),
      ...Array.from({ length: 4 }, () => nothing),
      ...Array.from({ length: 4 }, () => written),
    ])
    const lsns = calls(heard).flatMap(({ lsn }) => lsn ?? [])
    expect(lsns).toEqual(lsns.map((_, i) => lsns[0]! + BigInt(i)))
    expect(await points.search([1], { k: 1, where: { year: 99 } })).toEqual([])
    expect(calls(heard).at(-1)).toMatchObject({ returnedRows: 0 })
    expect(calls(heard).at(-1)).not.toHaveProperty('nearestDistance')
    heard.length = 0
    await db.transaction(transaction => transaction.collection('things').delete([1]))
    await db.setAlias('items', 'things')
    await db.dropAlias('items')
    await db.dropCollection('things')
    await db.close()
    expect(calls(heard).map(event => [event.method, event.collection])).toEqual([
      ['Database.transaction', undefined],
      ['Database.setAlias', 'things'],
      ['Database.dropAlias', undefined],
      ['Database.dropCollection', 'things'],
      ['Database.close', undefined],
    ])
  })

  it('tell a scan when it begins and when it is over, also when it is left', async () => {
    const { points } = await opened()
    const heard = listen()
    const scan = points.scan()
    expect(heard).toEqual([])
    for await (const point of scan) {
      expect(point.payload).toBeDefined()
      expect(stages(heard)).toEqual(['start', 'end'])
      break
    }
    expect(stages(heard)).toEqual(['start', 'end', 'asyncStart', 'asyncEnd'])
    expect(calls(heard)[0]).toMatchObject({ operation: 'scan', returnedRows: 1, filtered: false })
    heard.length = 0
    await expect(points.scan({ where: 'no condition' }).next()).rejects.toThrow()
    expect(stages(heard)).toEqual(['start', 'end', 'error', 'asyncStart', 'asyncEnd'])
  })

  it('never hold a vector, an id or a payload', async () => {
    const { db, points } = await opened()
    const heard = listen()
    await points.search([0.2], { k: 2, select: ['payload', 'vector'] })
    await points.upsert([{ id: 'secret', vector: [0.2], payload: { year: 7 } }])
    await db.flush()
    for (const [, event] of heard) {
      for (const [name, value] of Object.entries(event)) {
        const types = name === 'lsn' ? ['bigint'] : ['string', 'number', 'boolean']
        expect(types).toContain(typeof value)
        expect(value).not.toBe('secret')
      }
    }
  })

  it('run the call in what a store is bound to', async () => {
    const { db } = await opened()
    const store = new AsyncLocalStorage<unknown>()
    const { start } = operationChannels.transaction
    start.bindStore(store, ({ method }) => method)
    undo.push(() => start.unbindStore(store))
    let seen: unknown
    await db.transaction(transaction => {
      transaction.collection('things').delete([0])
      seen = store.getStore()
    })
    expect(seen).toBe('Database.transaction')
    expect(store.getStore()).toBeUndefined()
  })
})

describe('every asynchronous method', () => {
  const untraced = new Set(['constructor'])
  it.for([Index, Collection, Database] as const)('of %o has channels', async of => {
    const heard = listen()
    const names = Object.getOwnPropertyNames(of.prototype).filter(name => !untraced.has(name))
    const receiver = Object.create(of.prototype)
    const quiet: string[] = []
    for (const name of names) {
      const method = Object.getOwnPropertyDescriptor(of.prototype, name)?.value
      if (typeof method !== 'function') continue
      heard.length = 0
      let returned: unknown
      try {
        returned = method.call(receiver)
      } catch {
        continue
      }
      const isScan = typeof returned === 'object' && returned !== null && 'next' in returned
      await (isScan ? (returned as AsyncGenerator).next() : (returned as Promise<unknown>))?.catch(
        () => undefined,
      )
      if (calls(heard)[0]?.method !== `${of.name}.${name}`) quiet.push(name)
      expect(method.name).toBe(name)
    }
    expect(quiet).toEqual([])
  })

  it('is quiet where nobody listens', () => {
    for (const { hasSubscribers } of Object.values(operationChannels)) {
      expect(hasSubscribers).toBe(false)
    }
    expect(channel('vitrine:point').hasSubscribers).toBe(false)
  })
})

it('docs/tracing.md names every operation, and every property of an event', async () => {
  const page = readFileSync(join(root, 'docs', 'tracing.md'), 'utf8')
  const index = await line()
  const heard = listen()
  await index.searchBatch(query, { k: 1, ef: 64 })
  expect(() => index.searchSync(query, { k: 1, recall: 0.9, exact: true })).toThrow()
  const properties = calls(heard).flatMap(event => Object.keys(event))
  for (const word of [...operations, ...properties]) expect(page).toContain(`\`${word}\``)
})
