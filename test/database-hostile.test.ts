import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { errorCodes } from '../lib/errors.ts'
import { type Collection, Database, VitrineError } from '../lib/vitrine.ts'
import { hostileValues } from './hostile-values.ts'

// Whatever is passed to a database or a collection, it answers or rejects with a coded VitrineError;
// what was there stays as it was.

const folder = mkdtempSync(join(tmpdir(), 'vitrine-hostile-database-'))
const home = process.cwd()
let db: Database
let collection: Collection
const fields = { lang: 'keyword', year: 'integer', at: 'date' } as const

beforeAll(async () => {
  process.chdir(folder) // a hostile path may be a good one
  db = await Database.open(join(folder, 'db'), { durability: 'interval' })
  collection = await db.createCollection('c', { dimension: 2, fields })
  await collection.upsert([{ id: 'kept', vector: [1, 2], payload: { a: [1] } }])
})
afterAll(async () => {
  await db.close()
  process.chdir(home)
  rmSync(folder, { recursive: true, force: true })
})

const point = () => ({ id: 'p', vector: Float32Array.of(1, 2), payload: { b: 1 } })
const columns = () => ({ ids: ['p', 2], vectors: Float32Array.of(1, 2, 3, 4), payloads: [{}, {}] })
const signal = () => ({ signal: new AbortController().signal })
const writes = () => ({ idempotencyKey: 'key', timeoutMs: 60_000, ...signal() })
const select = () => ({ payload: ['a', 'b'], vector: true })
const where = () => ({ lang: 'en', $or: [{ year: { $gte: 2020 } }, { at: { $exists: false } }] })

const methods: Record<string, readonly [() => object, string, () => unknown[]]> = {
  'Database.restore': [() => Database, 'restore', () => ['nowhere', 'restored', signal()]],
  createCollection: [
    () => db,
    'createCollection',
    () => ['c', { dimension: 2, metric: 'l2', m: 16, quantization: 'auto', fields }, signal()],
  ],
  collection: [() => db, 'collection', () => ['c']],
  dropCollection: [() => db, 'dropCollection', () => ['nothing']],
  setAlias: [() => db, 'setAlias', () => ['alias', 'c']],
  addField: [() => collection, 'addField', () => ['added', 'number']],
  optimize: [() => collection, 'optimize', () => [{ onProgress: () => undefined, ...signal() }]],
  dropAlias: [() => db, 'dropAlias', () => ['alias']],
  transaction: [() => db, 'transaction', () => [() => undefined, writes()]],
  backup: [() => db, 'backup', () => ['db', signal()]],
  upsert: [() => collection, 'upsert', () => [[point()], writes()]],
  'upsert of columns': [() => collection, 'upsert', () => [columns(), writes()]],
  insert: [() => collection, 'insert', () => [[point()], writes()]],
  update: [() => collection, 'update', () => ['p', { c: 1 }, writes()]],
  delete: [() => collection, 'delete', () => [['p', 2], writes()]],
  'delete by filter': [() => collection, 'delete', () => [{ where: where() }, writes()]],
  'delete by SQL': [
    () => collection,
    'delete',
    () => [{ where: 'lang = ? OR year IN (?)', params: ['none', [1, 2]] }],
  ],
  count: [() => collection, 'count', () => [{ where: where() }]],
  get: [() => collection, 'get', () => ['p', { select: select() }]],
  getMany: [() => collection, 'getMany', () => [['p', 2], { select: select() }]],
  has: [() => collection, 'has', () => ['p', signal()]],
  'search with a profile': [
    () => collection,
    'search',
    () => [[1, 2], { k: 1, profile: true, ...signal() }],
  ],
  flush: [() => db, 'flush', () => [signal()]],
  checkpoint: [() => db, 'checkpoint', () => [signal()]],
  scrub: [() => db, 'scrub', () => [signal()]],
  verify: [() => db, 'verify', () => [signal()]],
  search: [
    () => collection,
    'search',
    () => [
      [1, 2],
      { k: 1, ef: 10, exact: false, where: where(), select: select(), timeoutMs: 60_000 },
    ],
  ],
  recommend: [
    () => collection,
    'recommend',
    () => [{ positive: ['kept'], negative: ['kept'], k: 1, where: where() }],
  ],
  analyze: [() => collection, 'analyze', () => [[1, 2], { k: 1, where: where() }]],
  explain: [() => collection, 'explain', () => [[1, 2], { k: 1, where: where() }]],
  import: [
    () => collection,
    'import',
    () => ['nothing.jsonl', { format: 'jsonl', batchSize: 10, firstId: 1, skip: 0 }],
  ],
  'import of a stream': [
    () => collection,
    'import',
    () => [Readable.from(['{}', '']), { format: 'jsonl', metadata: 'm.jsonl' }],
  ],
  export: [
    () => collection,
    'export',
    () => ['exported.npy', { format: 'npy', metadata: 'exported.jsonl' }],
  ],
  searchBatch: [() => collection, 'searchBatch', () => [[1, 2, 3, 4], { k: 1 }]],
}

function expectCoded(error: unknown, what: string) {
  expect(error, what).toBeInstanceOf(VitrineError)
  expect(Object.keys(errorCodes), what).toContain((error as VitrineError).code)
}

/** Calls a method; only those that are not asynchronous may throw. */
async function attempt(name: string, args: unknown[], what: string) {
  const [owner, method] = methods[name]!
  const target = owner() as Record<string, (...args: unknown[]) => unknown>
  let result: unknown
  try {
    result = target[method]!(...args)
  } catch (error) {
    expect(['collection', 'explain'], what).toContain(name)
    expectCoded(error, what)
  }
  if (result instanceof Promise) await result.catch(error => expectCoded(error, what))
}

describe('a hostile value', () => {
  it.each(Object.entries(methods))(
    'for %s',
    async (name, [, , good]) => {
      for (let position = 0; position < good().length; position++) {
        for (const [value, hostile] of hostileValues()) {
          const what = `${name}, argument ${position} = ${value}`
          if (name === 'transaction' && typeof hostile === 'function') continue // a good one
          await attempt(name, good().with(position, hostile), what)
          const argument = good()[position]
          if (typeof argument !== 'object' || argument === null) continue
          if (Array.isArray(argument)) {
            await attempt(name, good().with(position, argument.with(0, hostile)), what)
            continue
          }
          for (const key of Object.keys(argument)) {
            const spoiled = { ...argument, [key]: hostile }
            await attempt(name, good().with(position, spoiled), `${what} as ${key}`)
          }
        }
      }
      for (const [value, hostile] of hostileValues()) {
        if (name !== 'count') break
        for (const field of Object.keys(fields)) {
          const filters = [
            { [field]: hostile },
            { [field]: { $in: hostile } },
            { [field]: { $in: [hostile] } },
            { $or: hostile },
          ]
          for (const filter of filters) {
            await attempt(name, [{ where: filter }], `${name}, ${field} = ${value}`)
          }
        }
      }
      for (const key of ['id', 'vector', 'payload']) {
        if (name !== 'upsert' && name !== 'insert') break
        for (const [value, hostile] of hostileValues()) {
          await attempt(name, [[{ ...point(), [key]: hostile }]], `${name}, ${key} = ${value}`)
        }
      }
      expect(await collection.get('kept')).toEqual({ id: 'kept', payload: { a: [1] } })
    },
    60_000,
  )

  it('for Database.open', async () => {
    const options = { durability: 'commit', create: false, readOnly: true, threads: 1 }
    for (const [value, hostile] of hostileValues()) {
      // One of them may be the name of a backup that was made above.
      const found = await Database.open(hostile as string, { readOnly: true }).catch(e => e)
      if (found instanceof Database) await found.close()
      else expectCoded(found, `path = ${value}`)
      for (const key of [
        ...Object.keys(options),
        'intervalMs',
        'maxMemoryBytes',
        'name',
        'scrubBytesPerSecond',
      ]) {
        const what = `${key} = ${value}`
        const opened = await Database.open(join(folder, 'none'), {
          ...options,
          [key]: hostile,
        } as never).catch(e => e)
        if (opened instanceof Database) await opened.close()
        else expectCoded(opened, what)
      }
    }
  })

  it('leaves nothing behind', async () => {
    expect(await db.verify()).toEqual([])
    expect(await collection.get('kept', { select: ['vector'] })).toEqual({
      id: 'kept',
      vector: Float32Array.of(1, 2),
    })
  })
})
