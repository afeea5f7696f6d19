import { execFileSync } from 'node:child_process'
import { chmodSync, lstatSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { NoFields } from '../lib/fields.ts'
import { Index } from '../lib/vitrine.ts'
import { quarantineBytes } from './child-process.ts'
import { databaseFolders } from './databases.ts'

// What is easily mistaken for something else is refused: nothing is lost by a slip.

const { folder, openDatabase } = databaseFolders('mistakes')
const code = (name: string) => expect.objectContaining({ code: name })

async function threePoints() {
  const db = await openDatabase(':memory:')
  const c = await db.createCollection('c', { dimension: 2, fields: { at: 'date' } })
  await c.upsert({ ids: [1, 2, 3], vectors: [1, 0, 0, 1, 1, 1] })
  return { db, c }
}

describe('A filter', () => {
  it('that was not awaited, or is of a class, deletes nothing', async () => {
    const { c } = await threePoints()
    const filters: unknown[] = [
      Promise.resolve({ at: '2020-01-01' }),
      new Map([['at', '2020-01-01']]),
      new Set(['at']),
      /at/,
      new (class Filter {})(),
      [],
    ]
    for (const where of filters) {
      const filter = where as object
      await expect(c.delete({ where: filter })).rejects.toEqual(code('ERR_FILTER'))
      await expect(c.search([1, 0], { k: 1, where: filter })).rejects.toEqual(code('ERR_FILTER'))
      await expect(c.delete({ where: { at: filter } })).rejects.toEqual(code('ERR_FILTER'))
    }
    await expect(c.delete({ where: filters[0] as object })).rejects.toThrow('not awaited')
    expect(await c.count()).toBe(3)
    expect(await c.count({ where: Object.create(null) })).toBe(3)
  })
})

describe('A transaction', () => {
  it('whose function is asynchronous is refused, and what that rejects with goes no further', async () => {
    const { db } = await threePoints()
    const build = async () => {
      throw new Error('of the function')
    }
    await expect(db.transaction(build as () => void)).rejects.toEqual(code('ERR_ARGUMENT'))
  })
})

describe('An idempotency key', () => {
  it('is of well-formed Unicode, so that no two become one', async () => {
    const { c } = await threePoints()
    for (const idempotencyKey of ['job-\ud800', 'job-\udfff', '\udc00\ud800']) {
      await expect(c.upsert([{ id: 9, vector: [1, 1] }], { idempotencyKey })).rejects.toEqual(
        code('ERR_OPTION'),
      )
    }
    await c.upsert([{ id: 9, vector: [1, 1] }], { idempotencyKey: 'job-\u{1f600}' })
    expect(await c.count()).toBe(4)
  })
})

describe('A payload', () => {
  it('holds nothing that keeps its contents where JSON does not look', async () => {
    const db = await openDatabase(':memory:')
    const c = await db.createCollection<NoFields, object>('c', { dimension: 1 })
    const values = [
      new Map([[1, 2]]),
      new Set([1]),
      new WeakMap(),
      /x/,
      new Error('x'),
      Promise.resolve(1),
      new Float32Array(1),
      new ArrayBuffer(1),
      new Number(5),
    ]
    for (const value of values) {
      for (const payload of [{ a: value }, { a: [{ b: value }] }, value]) {
        await expect(c.upsert([{ id: 1, vector: [1], payload }])).rejects.toEqual(
          code('ERR_ARGUMENT'),
        )
      }
    }
  })

  it('has no object of its own that would come back as a Date', async () => {
    const { c } = await threePoints()
    const at = { $date: '2020-01-01T00:00:00.000Z' } as unknown as Date
    await expect(c.upsert([{ id: 1, vector: [1, 1], payload: { at } }])).rejects.toEqual(
      code('ERR_PAYLOAD'),
    )
    const elsewhere = { other: at, deep: { at } }
    await c.upsert([{ id: 1, vector: [1, 1], payload: elsewhere }])
    expect((await c.get(1))?.payload).toEqual(elsewhere)
  })

  it('does not get lost behind a name that is nearly right', async () => {
    const { c } = await threePoints()
    const point = { id: 1, vector: [1, 1], payloads: { a: 1 } }
    await expect(c.upsert([point])).rejects.toEqual(code('ERR_ARGUMENT'))
    const columns = { ids: [1], vectors: [1, 1], payload: [{ a: 1 }] }
    await expect(c.upsert(columns)).rejects.toThrow("not 'payload'")
  })
})

describe('A field', () => {
  it('has a name of well-formed Unicode', async () => {
    const { db, c } = await threePoints()
    await expect(c.addField('\ud800', 'keyword')).rejects.toEqual(code('ERR_OPTION'))
    await expect(
      db.createCollection('d', { dimension: 1, fields: { '\udfff': 'keyword' } }),
    ).rejects.toEqual(code('ERR_OPTION'))
  })
})

describe('searchBatch', () => {
  it('takes as many queries as there are', async () => {
    const { c } = await threePoints()
    const queries = new Float32Array(2 * 70_000).map((_, i) =>
      i % 4 === 0 ? 1 : i % 4 === 3 ? 1 : 0,
    )
    const results = await c.searchBatch(queries, { k: 1, exact: true })
    expect(results).toHaveLength(70_000)
    expect(new Set(results.map((hits, i) => `${i % 2} ${hits[0]?.id}`))).toEqual(
      new Set(['0 1', '1 2']),
    )
  })

  it('refuses what is no array of queries, also where it would be of none', async () => {
    const { c } = await threePoints()
    for (const queries of [
      undefined,
      null,
      'text',
      new Set([1]),
      new DataView(new ArrayBuffer(0)),
    ]) {
      await expect(c.searchBatch(queries as unknown as number[], { k: 1 })).rejects.toEqual(
        code('ERR_ARGUMENT'),
      )
    }
    await expect(c.searchBatch([], { k: -5 })).rejects.toEqual(code('ERR_OPTION'))
    await expect(c.searchBatch([], { k: 1, where: 1 as never })).rejects.toEqual(code('ERR_FILTER'))
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(c.searchBatch([], { k: 1, signal })).rejects.toThrow('enough')
    expect(await c.searchBatch([], { k: 1 })).toEqual([])
  })
})

describe('A database that is open already', () => {
  it('is not shared with who asks for other limits', async () => {
    const path = join(folder(), 'db')
    const db = await openDatabase(path, { maxMemoryBytes: 1e9 })
    for (const options of [
      { maxMemoryBytes: 1 },
      { maxDiskBytes: 1 },
      { intervalMs: 5 },
      { scrubBytesPerSecond: 5 },
      { durability: 'none' as const },
    ]) {
      await expect(openDatabase(path, options)).rejects.toThrow(Object.keys(options)[0])
      await expect(openDatabase(path, options)).rejects.toEqual(code('ERR_OPTION'))
    }
    const shared = await openDatabase(path, { maxMemoryBytes: 1e9 })
    await shared.createCollection('c', { dimension: 1 })
    expect(db.collection('c').dimension).toBe(1)
  })

  it('gives whoever makes a collection that one, whatever has its name by then', async () => {
    const db = await openDatabase(':memory:')
    await db.createCollection('c', { dimension: 2 })
    for (let round = 0; round < 20; round++) {
      const [c] = await Promise.all([
        db.createCollection('c', { dimension: 2 }),
        db.dropCollection('c'),
        db.createCollection('c', { dimension: 3 }),
      ])
      expect(c.dimension).toBe(2)
      await db.dropCollection('c')
      await db.createCollection('c', { dimension: 2 })
    }
  })
})

describe('A reader whose writer went on', () => {
  it('says so, and calls nothing damaged', async () => {
    const path = join(folder(), 'db')
    const db = await openDatabase(path)
    const c = await db.createCollection('c', { dimension: 1 })
    const reader = await openDatabase(path, { readOnly: true })
    expect(await reader.verify()).toEqual([])
    for (let round = 0; round < 3; round++) {
      await c.upsert([{ id: round, vector: [round] }])
      await db.checkpoint()
    }
    for (const look of [() => reader.verify(), () => reader.scrub()]) {
      await expect(look()).rejects.toEqual(code('ERR_READ_ONLY'))
      await expect(look()).rejects.toThrow('open it again')
    }
    expect(await db.verify()).toEqual([])
  })
})

describe('Points that are equally near', () => {
  it('come in the order of their ids, however often they were written', async () => {
    const db = await openDatabase(':memory:')
    const c = await db.createCollection('c', { dimension: 2 })
    const ids = ['b', 7, 'a', 3, 12, 'aa']
    const order = [3, 7, 12, 'a', 'aa', 'b']
    // Equal vectors share a row of the table; those on a circle do not.
    for (const vector of [
      () => [0, 1],
      (i: number) =>
        [
          [0, 1],
          [1, 0],
          [0, -1],
          [-1, 0],
        ][i % 4],
    ]) {
      for (let round = 0; round < 4; round++) {
        for (const [i, id] of ids.entries()) {
          await c.upsert([{ id, vector: vector(i + round) as number[] }])
        }
        for (const k of [1, 3, 6, 10]) {
          const hits = await c.search([0, 0], { k, exact: true })
          expect(hits.map(hit => hit.id)).toEqual(order.slice(0, k))
        }
        const walked = await c.search([0, 0], { k: 6 })
        expect(walked.map(hit => hit.id)).toEqual(order)
        ids.reverse()
      }
    }
  })
})

describe.skipIf(process.platform === 'win32')('A file that is written', () => {
  const writers: Record<string, (path: string) => Promise<unknown>> = {
    export: async path => (await threePoints()).c.export(path, { format: 'jsonl' }),
    save: async path => {
      const index = new Index({ dimension: 1 })
      await index.add([1], [1])
      await index.save(path)
    },
  }
  for (const [name, write] of Object.entries(writers)) {
    it(`by ${name} takes the place of a file alone, and keeps its permissions`, async () => {
      const path = join(folder(), 'file')
      writeFileSync(path, 'before')
      chmodSync(path, 0o600)
      const link = join(folder(), 'link')
      symlinkSync(path, link)
      await write(link)
      expect(lstatSync(link).isSymbolicLink()).toBe(true)
      expect(readFileSync(path, 'latin1')).not.toBe('before')
      expect(statSync(path).mode & 0o777).toBe(0o600)
      const pipe = join(folder(), 'pipe')
      execFileSync('mkfifo', [pipe])
      await expect(write(pipe)).rejects.toEqual(code('ERR_IO'))
      await expect(write(pipe)).rejects.toThrow('not a regular file')
      expect(lstatSync(pipe).isFIFO()).toBe(true)
    })
  }
})

describe('An export', () => {
  it('has a name that an import reads as what it is, and a file for each part', async () => {
    const { c } = await threePoints()
    const path = join(folder(), 'points')
    await expect(c.export(`${path}.jsonl.gz`)).rejects.toThrow('.gz')
    await expect(c.export(`${path}.npy`, { metadata: `${path}.jsonl.gz` })).rejects.toEqual(
      code('ERR_ARGUMENT'),
    )
    await expect(
      c.export(`${path}.npy`, { metadata: join(folder(), 'x', '..', 'points.npy') }),
    ).rejects.toEqual(code('ERR_OPTION'))
  })
})

describe('A method', () => {
  it('without its collection rejects', async () => {
    const { search } = (await threePoints()).c
    await expect(search([1, 0], { k: 1 })).rejects.toEqual(code('ERR_ARGUMENT'))
  })

  it('whose signal was aborted before rejects with the reason, whatever else is wrong', async () => {
    const { c } = await threePoints()
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(c.update('nobody', {}, { signal })).rejects.toThrow('enough')
  })
})

describe('An id set', () => {
  it('of each request is collected in time: V8 knows what it takes', async () => {
    const index = new Index({ dimension: 1 })
    await index.add([1], [1])
    const ids = Uint32Array.from({ length: 100_000 }, (_, i) => i)
    const before = process.memoryUsage().rss
    let most = 0
    for (let request = 0; request < 500; request++) {
      index.searchSync([1], { k: 1, filter: index.idSet(ids) })
      await new Promise(resolve => setImmediate(resolve))
      most = Math.max(most, process.memoryUsage().rss - before)
    }
    expect(most).toBeLessThan(200 * 2 ** 20 + quarantineBytes)
    await index.close()
  })
})
