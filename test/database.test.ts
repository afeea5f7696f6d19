import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { Collection, Database, type Hit, type NoFields } from '../lib/vitrine.ts'
import { databaseFolders } from './databases.ts'
import { root } from './layers.ts'
import { scaled } from './rounds.ts'

const { folder, openDatabase } = databaseFolders('database')

const code = (code: string) => expect.objectContaining({ name: 'VitrineError', code })
const idsOf = (hits: readonly Hit[]) => hits.map(hit => hit.id)

/** `value` below so many objects. */
function nested(levels: number, value: unknown): object {
  return { in: levels === 1 ? value : nested(levels - 1, value) }
}

describe('a collection', () => {
  it('gives back what was put, now and after the folder() is opened again', async () => {
    const payload = {
      text: 'Ünï \ud83d\ude00 "quoted" \\ \u0000 \ud800',
      list: [1, 1.5, -2e-9, null, true, { deep: [[]] }],
      __proto__x: 1,
      '': 'empty',
    }
    let db = await openDatabase(folder())
    const written = await db.createCollection('c', { dimension: 3, metric: 'cosine' })
    const ack = await written.upsert([
      { id: 'a', vector: Float32Array.of(1, 0.1, -3), payload },
      { id: 5, vector: [0, 1, 0] },
      { id: 2n ** 64n - 1n, vector: [0, 0, 1], payload: {} },
      { id: '5', vector: [1, 1, 1] },
    ])
    expect(ack).toEqual({ lsn: expect.any(BigInt), durable: true })
    for (let round = 0; round < 3; round++) {
      const c = db.collection('c')
      expect(c).toBeInstanceOf(Collection)
      expect([c.name, c.dimension, c.metric]).toEqual(['c', 3, 'cosine'])
      expect(await c.count()).toBe(4)
      expect(await c.get('a', { select: ['payload', 'vector'] })).toEqual({
        id: 'a',
        payload,
        vector: Float32Array.of(1, 0.1, -3),
      })
      expect(await c.getMany([5n, '5', 6, 2n ** 64n - 1n])).toEqual([
        { id: 5 },
        { id: '5' },
        undefined,
        { id: 2n ** 64n - 1n, payload: {} },
      ])
      expect(await c.has('5')).toBe(true)
      expect(await c.has('6')).toBe(false)
      const hits = await c.search([0, 1, 0], { k: 2, select: { vector: true } })
      expect(hits[0]).toEqual({ id: 5, distance: 0, vector: Float32Array.of(0, 1, 0) })
      expect(hits).toHaveLength(2)
      await db.close()
      db = await openDatabase(folder())
      if (round === 0) await db.checkpoint()
    }
  })

  it('writes a batch whole or not at all', async () => {
    const db = await openDatabase(folder())
    const c = await db.createCollection('c', { dimension: 2 })
    await c.insert([{ id: 1, vector: [1, 1] }])
    const failure = await c
      .insert([
        { id: 2, vector: [1, 1] },
        { id: 1, vector: [2, 2] },
      ])
      .catch(error => error)
    expect(failure).toEqual(code('ERR_EXISTS'))
    expect(failure.message).toContain('1')
    expect(failure.details).toEqual({ outcome: 'not_applied' })
    expect(await c.count()).toBe(1)
    await expect(c.upsert([{ id: 2, vector: [1] }])).rejects.toEqual(code('ERR_DIMENSION'))
    await expect(c.upsert([{ id: 2, vector: [1, Number.NaN] }])).rejects.toEqual(code('ERR_VECTOR'))
    await expect(c.upsert({ ids: [2, 3], vectors: [1, 2, 3] })).rejects.toEqual(
      code('ERR_DIMENSION'),
    )
    await expect(c.upsert({ ids: [2], vectors: [1, 2], payloads: [{}, {}] })).rejects.toEqual(
      code('ERR_ARGUMENT'),
    )
    await c.upsert({ ids: [2, 'x'], vectors: [1, 2, 3, 4], payloads: [undefined, { a: 1 }] })
    expect(await c.get('x')).toEqual({ id: 'x', payload: { a: 1 } })
    expect(await c.delete([1, 'nothing', 'x'])).toMatchObject({ deleted: 2 })
    expect(await c.count()).toBe(1)
  })

  it('refuses ids and payloads that would come back as something else', async () => {
    const db = await openDatabase(':memory:')
    const c = await db.createCollection('c', { dimension: 1 })
    for (const id of [
      -1,
      1.5,
      Number.NaN,
      2 ** 53,
      -1n,
      2n ** 64n,
      '',
      'x'.repeat(1025),
      '\ud800',
      null,
    ]) {
      await expect(c.upsert([{ id: id as number, vector: [1] }]), String(id)).rejects.toEqual(
        code('ERR_ID'),
      )
    }
    const circular: Record<string, unknown> = {}
    circular.self = circular
    for (const payload of [
      [],
      'text',
      1,
      null,
      { a: Number.NaN },
      { a: 1n },
      { a: new Date() },
      { a: [undefined] },
      { a: new Array(2) },
      { a() {} },
      { a: Symbol('s') },
      { a: { toJSON: () => Number.NaN } },
      { a: [{ b: [{ c: Number.POSITIVE_INFINITY }] }] },
      nested(100, Number.NaN),
      circular,
    ]) {
      await expect(c.upsert([{ id: 1, vector: [1], payload: payload as object }])).rejects.toEqual(
        code('ERR_ARGUMENT'),
      )
    }
    await expect(
      c.upsert([{ id: 1, vector: [1], payload: { text: 'x'.repeat(2 ** 20) } }]),
    ).rejects.toEqual(code('ERR_TOO_LARGE'))
    expect(await c.count()).toBe(0)
  })

  it('keeps payloads of every shape that JSON has a form for', async () => {
    const db = await openDatabase(':memory:')
    const c = await db.createCollection<NoFields, object>('c', { dimension: 1 })
    class Place {
      city = 'Oslo'
    }
    const text = '"\\\ud800\u2028\0'
    const payloads: [given: object, kept: object][] = [
      [{}, {}],
      [
        { a: null, b: [], c: {}, d: -0.5, e: true },
        { a: null, b: [], c: {}, d: -0.5, e: true },
      ],
      [{ [text]: text }, { [text]: text }],
      [{ a: undefined, b: { c: undefined } }, { b: {} }],
      [Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
      [{ at: new Place() }, { at: { city: 'Oslo' } }],
      [{ a: { toJSON: () => [1] } }, { a: [1] }],
      [JSON.parse('{"__proto__":{"a":1}}'), JSON.parse('{"__proto__":{"a":1}}')],
      [nested(31, 'deep'), nested(31, 'deep')],
      [nested(100, 'deep'), nested(100, 'deep')],
    ]
    for (const [given, kept] of payloads) {
      await c.upsert([{ id: 1, vector: [1], payload: given }])
      expect((await c.get(1))?.payload).toStrictEqual(kept)
    }
  })

  it('merges updates, also many at a time', async () => {
    const db = await openDatabase(folder())
    const c = await db.createCollection<NoFields, Record<string, number>>('c', { dimension: 2 })
    await c.upsert([{ id: 'p', vector: [1, 2], payload: { a: 1, b: 2 } }])
    await c.update('p', { b: 3, c: 4 })
    expect(await c.get('p', { select: ['payload', 'vector'] })).toEqual({
      id: 'p',
      payload: { a: 1, b: 3, c: 4 },
      vector: Float32Array.of(1, 2),
    })
    await Promise.all(Array.from({ length: 20 }, (_, i) => c.update('p', { [`k${i}`]: i })))
    expect(Object.keys((await c.get('p'))?.payload ?? {})).toHaveLength(23)
    await expect(c.update('q', {})).rejects.toEqual(code('ERR_NOT_FOUND'))
  })

  it('scans one moment while others write', async () => {
    const db = await openDatabase(':memory:')
    const c = await db.createCollection<NoFields, { round: number }>('c', { dimension: 2 })
    const points = (round: number) =>
      Array.from({ length: 1000 }, (_, id) => ({ id, vector: [id, round], payload: { round } }))
    await c.upsert(points(0))
    const seen = new Map<unknown, number | undefined>()
    for await (const { id, payload, vector } of c.scan({ select: ['payload', 'vector'] })) {
      if (seen.size % 300 === 0) await c.upsert(points(seen.size + 1))
      if (seen.size === 950) await c.delete([1, 2, 999])
      seen.set(id, payload?.round)
      expect(vector).toEqual(Float32Array.of(id as number, 0))
    }
    expect(seen.size).toBe(1000)
    expect(new Set(seen.values())).toEqual(new Set([0]))
    for await (const { id } of c.scan({ batchSize: 1 })) {
      expect(id).not.toBe(999)
      break // frees what the scan held
    }
    expect(await c.count()).toBe(997)
  })

  it('finds the nearest, one query or many', async () => {
    const db = await openDatabase(':memory:')
    const c = await db.createCollection('c', { dimension: 1 })
    await c.upsert({
      ids: Array.from({ length: 500 }, (_, i) => i),
      vectors: Float32Array.from({ length: 500 }, (_, i) => i),
    })
    expect(idsOf(await c.search([100.1], { k: 3 }))).toEqual([100, 101, 99])
    expect(idsOf(await c.search([100.1], { k: 3, exact: true }))).toEqual([100, 101, 99])
    const batch = await c.searchBatch([1, 300, 499], { k: 1 })
    expect(batch.map(idsOf)).toEqual([[1], [300], [499]])
    await expect(c.search([1, 2], { k: 1 })).rejects.toEqual(code('ERR_DIMENSION'))
    await expect(c.search([1], { k: 0 })).rejects.toEqual(code('ERR_OPTION'))
    await expect(c.search([1], { k: 1, efSearch: 2 } as never)).rejects.toThrow(/did you mean/)
    await expect(c.search([1], { k: 1, select: ['id'] as never })).rejects.toEqual(
      code('ERR_OPTION'),
    )
    const reason = new Error('enough')
    await expect(c.search([1], { k: 1, signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })
})

describe('a database', () => {
  it('does a transaction over several collections whole or not at all', async () => {
    const db = await openDatabase(folder())
    const a = await db.createCollection('a', { dimension: 1 })
    const b = await db.createCollection('b', { dimension: 2 })
    await db.transaction(tx => {
      tx.collection('a').upsert([{ id: 1, vector: [1] }])
      tx.collection('b').insert([{ id: 1, vector: [1, 2] }])
    })
    await expect(
      db.transaction(tx => {
        tx.collection('a').delete([1])
        tx.collection('b').insert([{ id: 1, vector: [1, 2] }])
      }),
    ).rejects.toEqual(code('ERR_EXISTS'))
    await expect(db.transaction(tx => void tx.collection('nothing'))).rejects.toEqual(
      code('ERR_NOT_FOUND'),
    )
    await expect(db.transaction((async () => undefined) as never)).rejects.toEqual(
      code('ERR_ARGUMENT'),
    )
    const thrown = new Error('mine')
    await expect(
      db.transaction(tx => {
        tx.collection('a').delete([1])
        throw thrown
      }),
    ).rejects.toBe(thrown)
    expect([await a.count(), await b.count()]).toEqual([1, 1])
  })

  it('does a write with an idempotency key once', async () => {
    let db = await openDatabase(folder())
    const c = await db.createCollection('c', { dimension: 1 })
    const first = await c.upsert([{ id: 1, vector: [1], payload: { n: 1 } }], {
      idempotencyKey: 'k',
    })
    const again = await c.upsert([{ id: 1, vector: [1], payload: { n: 2 } }], {
      idempotencyKey: 'k',
    })
    expect(again.lsn).toBe(first.lsn)
    await db.close()
    db = await openDatabase(folder())
    const later = await db.transaction(tx => tx.collection('c').delete([1]), {
      idempotencyKey: 'k',
    })
    expect(later.lsn).toBe(first.lsn)
    expect(await db.collection('c').get(1)).toEqual({ id: 1, payload: { n: 1 } })
  })

  it('takes a collection that is there as it is, in what is left out', async () => {
    const db = await openDatabase(folder())
    const stored = { m: 8, efConstruction: 50, quantization: 'none' } as const
    await db.createCollection('c', { dimension: 2, ...stored })
    const another = code('ERR_EXISTS')
    expect((await db.createCollection('c', { dimension: 2 })).info()).toMatchObject(stored)
    expect((await db.createCollection('c', { dimension: 2, m: 8 })).info()).toMatchObject(stored)
    for (const config of [{ quantization: 'auto' }, { m: 16 }, { efConstruction: 200 }] as const) {
      await expect(db.createCollection('c', { dimension: 2, ...config })).rejects.toEqual(another)
    }
    for (const config of [{ metric: 'cosine' }, { type: 'f16' }] as const) {
      await expect(
        db.createCollection('c', { dimension: 2, ...stored, ...config }),
      ).rejects.toEqual(another)
    }
  })

  it('knows its collections by name and alias', async () => {
    const db = await openDatabase(folder(), { name: 'mine' })
    expect([db.name, db.path, db.readOnly]).toEqual(['mine', folder(), false])
    await db.createCollection('c', { dimension: 2, m: 8 })
    await expect(db.createCollection('c', { dimension: 3 })).rejects.toEqual(code('ERR_EXISTS'))
    await expect(db.createCollection('../c', { dimension: 3 })).rejects.toEqual(code('ERR_OPTION'))
    await db.setAlias('now', 'c')
    expect(db.aliases()).toEqual({ now: 'c' })
    expect(db.collection('now').name).toBe('c')
    expect(db.collections()).toEqual([
      {
        name: 'c',
        dimension: 2,
        metric: 'l2',
        type: 'f32',
        quantization: 'auto',
        m: 8,
        efConstruction: 200,
        vectors: 'memory',
        fields: {},
        size: 0,
      },
    ])
    await db.dropAlias('now')
    expect(() => db.collection('now')).toThrow(code('ERR_NOT_FOUND'))
    await db.dropCollection('c')
    expect(db.collections()).toEqual([])
    await expect(db.dropCollection('c')).rejects.toEqual(code('ERR_NOT_FOUND'))
  })

  it('is open once for writing, and shared within a process', async () => {
    const db = await openDatabase(folder())
    const same = await openDatabase(folder())
    const c = await db.createCollection('c', { dimension: 1 })
    await same.collection('c').upsert([{ id: 1, vector: [1] }])
    expect(await c.count()).toBe(1)
    await expect(Database.open(folder(), { durability: 'none' })).rejects.toEqual(
      code('ERR_OPTION'),
    )
    const worker = new Worker(
      `import('vitrine').then(async ({ Database }) => {
         const db = await Database.open(${JSON.stringify(folder())})
         await db.collection('c').upsert([{ id: 'worker', vector: [2] }])
         await db.close()
         require('node:worker_threads').parentPort.postMessage('done')
       })`,
      { eval: true },
    )
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
    await worker.terminate()
    expect(await c.has('worker')).toBe(true)
    await db.close()
    await same.collection('c').upsert([{ id: 2, vector: [1] }])
    expect(await same.collection('c').count()).toBe(3)
    const reader = await openDatabase(folder(), { readOnly: true })
    expect(await reader.collection('c').count()).toBe(3)
    await expect(reader.collection('c').delete([1])).rejects.toEqual(code('ERR_READ_ONLY'))
  })

  it('refuses everything once it is closed', async () => {
    const db = await openDatabase(folder())
    const c = await db.createCollection('c', { dimension: 1 })
    const pending = c.upsert([{ id: 1, vector: [1] }])
    const closing = db.close()
    await expect(pending).resolves.toMatchObject({ durable: true })
    await closing
    await db.close()
    await expect(c.upsert([{ id: 1, vector: [1] }])).rejects.toEqual(code('ERR_CLOSED'))
    await expect(c.search([1], { k: 1 })).rejects.toEqual(code('ERR_CLOSED'))
    await expect(c.get(1)).rejects.toEqual(code('ERR_CLOSED'))
    await expect(db.flush()).rejects.toEqual(code('ERR_CLOSED'))
    expect(() => db.collection('c')).toThrow(code('ERR_CLOSED'))
    expect(() => new Database({} as never)).toThrow(code('ERR_ARGUMENT'))
  })

  it('shares a flush among those who write at a time', async () => {
    const db = await openDatabase(folder())
    const c = await db.createCollection('c', { dimension: 1 })
    const acks = await Promise.all(
      Array.from({ length: 300 }, (_, id) => c.upsert([{ id, vector: [id] }])),
    )
    expect(acks.every(ack => ack.durable)).toBe(true)
    expect(new Set(acks.map(ack => ack.lsn)).size).toBe(300)
    expect(await c.count()).toBe(300)
    expect(db.durableLsn).toBeGreaterThanOrEqual(acks[299]?.lsn ?? 0n)
    expect(db.memoryUsage().total).toBeGreaterThan(300 * 4)
    expect(db.diskUsage().log).toBeGreaterThan(4096)
  })

  it('is copied, restored and verified', async () => {
    const db = await openDatabase(join(folder(), 'db'))
    const c = await db.createCollection('c', { dimension: 2 })
    await c.upsert([{ id: 1, vector: [1, 2], payload: { a: 1 } }])
    await db.checkpoint()
    await db.checkpoint()
    expect(await db.verify()).toEqual([])
    await db.backup(join(folder(), 'copy'))
    await Database.restore(join(folder(), 'copy'), join(folder(), 'restored'))
    await expect(
      Database.restore(join(folder(), 'copy'), join(folder(), 'restored')),
    ).rejects.toEqual(code('ERR_EXISTS'))
    const restored = await openDatabase(join(folder(), 'restored'))
    expect(await restored.collection('c').get(1)).toEqual({ id: 1, payload: { a: 1 } })
    // Damage is named, and costs nothing.
    const file = readdirSync(db.path).find(name => name.endsWith('.prim')) ?? ''
    const bytes = readFileSync(join(db.path, file))
    bytes[5000] = (bytes[5000] ?? 0) ^ 1
    writeFileSync(join(db.path, file), bytes)
    expect(await db.verify()).toEqual([
      { path: join(db.path, file), what: expect.stringContaining('damaged') },
    ])
    await db.close()
    const again = await openDatabase(db.path)
    expect(await again.collection('c').get(1)).toEqual({ id: 1, payload: { a: 1 } })
  })
})

describe('a process that is killed', () => {
  it('loses nothing that was acknowledged', async () => {
    const rounds = Number(process.env.VITRINE_KILL_ROUNDS ?? scaled(6, 3))
    const state = new Map<number, number>()
    const program = join(root, 'test', 'programs', 'write-until-killed.mjs')
    let written = 0
    let acknowledgedInAll = 0
    const apply = ([number, put, gone]: [number, number[], number[]]) => {
      for (const id of put) state.set(id, number)
      for (const id of gone) state.delete(id)
      written++
    }
    for (let round = 0; round < rounds; round++) {
      const writer = spawn(process.execPath, [program, folder(), `${round}`], {
        cwd: root,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const killAfter = 5 + ((round * 37) % 60)
      let acknowledged = 0
      let begun: [number, number[], number[]] | undefined
      for await (const line of createInterface({ input: writer.stdout })) {
        if (line !== 'done') {
          begun = JSON.parse(line)
          continue
        }
        if (begun !== undefined) apply(begun)
        begun = undefined
        if (++acknowledged === killAfter) writer.kill('SIGKILL')
      }
      expect(acknowledged).toBeGreaterThanOrEqual(killAfter)
      acknowledgedInAll += acknowledged
      const db = await openDatabase(folder())
      const found: Map<unknown, unknown>[] = []
      let next = 0
      for (const name of ['a', 'b']) {
        const collection = db.collection<NoFields, { number?: number; next?: number }>(name)
        const points = new Map<unknown, unknown>()
        for await (const point of collection.scan({ select: ['payload', 'vector'] })) {
          if (point.id === 'next') {
            next = point.payload?.next ?? 0
          } else {
            expect(point.vector?.[0]).toBe(point.payload?.number)
            points.set(point.id, point.payload?.number)
          }
        }
        found.push(points)
      }
      // Everything acknowledged; the write that was in flight in both collections, or in neither.
      if (next > written && begun !== undefined) apply(begun)
      expect(next).toBe(written)
      expect(found).toEqual([state, state])
      expect(await db.verify()).toEqual([])
      await db.close()
    }
    if (rounds <= 100) return
    process.stdout.write(`lost 0 of ${acknowledgedInAll} acknowledged in ${rounds} kills\n`)
  }, 3_600_000)
})

describe('the examples', () => {
  it.each([
    ['01-basic.mjs', '1 deleted, 3 left'],
    ['02-advanced-search.mjs', 'matches 132 132'],
    ['03-transactions.mjs', 'the same true 0 2'],
    ['04-durable.mjs', ' 0 of '],
  ])(
    '%s',
    async (name, expected) => {
      const child = spawn(process.execPath, [join('examples', name)], {
        cwd: root,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      let output = ''
      child.stdout.setEncoding('utf8').on('data', chunk => {
        output += chunk
      })
      const exit = await new Promise(done => child.once('close', done))
      expect(exit).toBe(0)
      expect(output).toContain(expected)
    },
    60_000,
  )
})
