import { closeSync, openSync, readdirSync, readSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { type Collection, type CollectionConfig, Database } from '../lib/vitrine.ts'
import { databaseFolders } from './databases.ts'
import { randomVectors, rowOf } from './vectors.ts'

const { folder, openDatabase } = databaseFolders('mapped-collection')

const dimension = 128
const rows = 1050
const vectorBytes = dimension * 4
const vectors = randomVectors(rows, dimension, 3)
const queries = randomVectors(3, dimension, 4)

const code = (code: string) => expect.objectContaining({ name: 'VitrineError', code })
const range = (count: number, first = 0) => Array.from({ length: count }, (_, i) => first + i)
const config = {
  dimension,
  m: 8,
  efConstruction: 20,
  quantization: 'sq8',
  vectors: 'mmap',
} as const

const put = (collection: Collection, first: number, count: number, from = first) =>
  collection.upsert({
    ids: range(count, first),
    vectors: vectors.subarray(from * dimension, (from + count) * dimension),
    payloads: range(count, first).map(n => ({ n })),
  })

const answers = (collection: Collection) =>
  Promise.all(
    range(3).flatMap(i => [
      collection.search(rowOf(queries, dimension, i), { k: 10, ef: 1000 }),
      collection.search(rowOf(queries, dimension, i), { k: 10, exact: true }),
    ]),
  )

/** Until the memory of what is in the file has been given back, which a thread of the database does. */
async function givenBack(db: Database, bytes: number): Promise<void> {
  while (db.memoryUsage().vectors > bytes) await sleep(5)
}

/** Flips a bit in the middle of the newest file of points. */
function damage(path: string): void {
  const names = readdirSync(path).filter(name => name.endsWith('.prim'))
  const file = join(path, names.toSorted().at(-1) as string)
  const at = Math.floor(statSync(file).size / 2)
  const descriptor = openSync(file, 'r+')
  const byte = new Uint8Array(1)
  readSync(descriptor, byte, 0, 1, at)
  byte[0] = (byte[0] as number) ^ 1
  writeSync(descriptor, byte, 0, 1, at)
  closeSync(descriptor)
}

describe('a collection whose vectors are mapped', () => {
  it('has in memory what was written since its checkpoint', async () => {
    let db = await openDatabase(folder())
    let c: Collection = await db.createCollection('c', config)
    await put(c, 0, 1000)
    expect(db.memoryUsage().vectors).toBeGreaterThanOrEqual(1000 * vectorBytes)
    const before = await answers(c)
    await db.checkpoint()
    await givenBack(db, 100 * vectorBytes)
    expect(await answers(c)).toEqual(before)
    await put(c, 1000, 50)
    await c.delete(range(100))
    const { vectors: used, total, ...rest } = db.memoryUsage()
    expect(used).toBeGreaterThanOrEqual(50 * vectorBytes)
    expect(total).toBe(Object.values(rest).reduce((sum, bytes) => sum + bytes, used))
    const after = await answers(c)
    await db.close()
    db = await openDatabase(folder())
    c = db.collection('c')
    expect(await answers(c)).toEqual(after)
    expect(await c.get(1040, { select: ['payload'] })).toMatchObject({
      payload: { n: 1040 },
    })
    expect(db.memoryUsage().vectors).toBeLessThan(150 * vectorBytes)
    await db.checkpoint()
    await givenBack(db, 100 * vectorBytes)
    expect(await answers(c)).toEqual(after)
    expect(await db.verify()).toEqual([])
    expect(await db.scrub()).toEqual([])
  })

  it('takes fields, backups and restores as others do', async () => {
    const db = await openDatabase(join(folder(), 'db'))
    const c: Collection = await db.createCollection('c', config)
    await put(c, 0, rows)
    await db.checkpoint()
    await c.addField('n', 'integer')
    const where = { n: { $lt: 300 } }
    const query = rowOf(queries, dimension, 0)
    const found = await c.search(query, { k: 10, where })
    expect(found).toHaveLength(10)
    await put(c, 0, 50, 100)
    const after = await answers(c)
    await db.backup(join(folder(), 'backup'))
    await Database.restore(join(folder(), 'backup'), join(folder(), 'restored'))
    const restored = await openDatabase(join(folder(), 'restored'))
    expect(restored.collection('c').info()).toEqual(c.info())
    expect(restored.memoryUsage().vectors).toBeLessThan(100 * vectorBytes)
    expect(await answers(restored.collection('c'))).toEqual(after)
  })

  it('heals from the generation before when its file was damaged', async () => {
    const path = join(folder(), 'db')
    let db = await openDatabase(path, { scrubBytesPerSecond: 0 })
    const c: Collection = await db.createCollection('c', config)
    await put(c, 0, rows)
    await db.checkpoint()
    await put(c, 0, 10, 20)
    await db.checkpoint()
    const before = await answers(c)
    damage(path)
    // Nothing of it is copied, and whoever meets it is told.
    await expect(db.backup(join(folder(), 'backup'))).rejects.toEqual(code('ERR_CORRUPT'))
    await expect(db.scrub()).rejects.toEqual(code('ERR_CORRUPT'))
    expect(db.degraded).toBe(true)
    await expect(answers(c)).rejects.toEqual(code('ERR_CORRUPT'))
    await expect(put(c, 0, 1)).rejects.toEqual(code('ERR_CORRUPT'))
    await db.close()
    db = await openDatabase(path)
    expect(await answers(db.collection('c'))).toEqual(before)
    await put(db.collection('c'), 0, 10, 20)
    await db.checkpoint()
    await db.checkpoint()
    expect(await db.verify()).toEqual([])
  })

  it('has its vectors in memory where there is no folder', async () => {
    const db = await openDatabase(':memory:')
    const c: Collection = await db.createCollection('c', config)
    await put(c, 0, rows)
    await db.checkpoint()
    expect(db.memoryUsage().vectors).toBeGreaterThanOrEqual(rows * vectorBytes)
    expect(await answers(c)).toHaveLength(6)
  })
})

describe('where the vectors of a collection are', () => {
  it('is a word, stored with it, and compared unless it is left out', async () => {
    const db = await openDatabase(folder())
    for (const vectors of ['', 'MMAP', 'disk', 1, null, true, []]) {
      await expect(
        db.createCollection('c', { dimension, vectors } as unknown as CollectionConfig),
      ).rejects.toEqual(code('ERR_OPTION'))
    }
    expect((await db.createCollection('c', config)).info().vectors).toBe('mmap')
    expect((await db.createCollection('m', { dimension })).info().vectors).toBe('memory')
    const { vectors, ...left } = config
    expect(vectors).toBe('mmap')
    expect((await db.createCollection('c', left)).info().vectors).toBe('mmap')
    await expect(db.createCollection('c', { ...left, vectors: 'memory' })).rejects.toEqual(
      code('ERR_EXISTS'),
    )
    await expect(db.createCollection('m', { dimension, vectors: 'mmap' })).rejects.toEqual(
      code('ERR_EXISTS'),
    )
    await db.close()
    const again = await openDatabase(folder())
    expect(again.collections().map(one => one.vectors)).toEqual(['mmap', 'memory'])
  })
})
