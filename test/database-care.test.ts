import { channel } from 'node:diagnostics_channel'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { type Collection, type DamageEvent, Database } from '../lib/vitrine.ts'
import { quarantineBytes } from './child-process.ts'
import { databaseFolders } from './databases.ts'
import { randomVectors } from './vectors.ts'

const { folder, openDatabase } = databaseFolders('care')

const code = (code: string) => expect.objectContaining({ name: 'VitrineError', code })
const range = (count: number, first = 0) => Array.from({ length: count }, (_, i) => first + i)

async function fill(collection: Collection, count: number, dimension: number) {
  const vectors = randomVectors(count, dimension, 7)
  await collection.upsert({ ids: range(count), vectors })
}

describe('codes of a collection', () => {
  it('are those of its configuration, and stay over checkpoint and reopening', async () => {
    let db = await openDatabase(folder())
    const dimension = 40
    const config = { dimension, quantization: 'sq8' } as const
    const c = await db.createCollection('coded', config)
    const plain = await db.createCollection('plain', { ...config, quantization: 'none' })
    await fill(c, 1500, dimension)
    await fill(plain, 1500, dimension)
    const query = randomVectors(1, dimension, 8)
    expect(c.explain(query, { k: 5 })).toMatchObject({ quantization: 'sq8', share: 1 })
    expect(plain.explain(query, { k: 5 })).toMatchObject({ quantization: 'none' })
    const { codes, total, ...rest } = db.memoryUsage()
    expect(codes).toBeGreaterThan(1500 * dimension)
    expect(total).toBe(Object.values(rest).reduce((sum, bytes) => sum + bytes, codes))
    const exact = await c.search(query, { k: 10, exact: true })
    expect(await c.search(query, { k: 10, ef: 1000 })).toEqual(exact)
    await db.checkpoint()
    await db.close()
    db = await openDatabase(folder())
    expect(db.collection('coded').info().quantization).toBe('sq8')
    expect(db.collection('coded').explain(query, { k: 5 }).quantization).toBe('sq8')
    expect(await db.collection('coded').search(query, { k: 10, ef: 1000 })).toEqual(exact)
    await expect(db.createCollection('coded', { ...config, quantization: 'rq4' })).rejects.toEqual(
      code('ERR_EXISTS'),
    )
    expect((await db.createCollection('new', { dimension })).info().quantization).toBe('auto')
    expect(await db.verify()).toEqual([])
  })
})

describe('what a reader selects', () => {
  it('is the payload, some of its properties, the vector, or neither', async () => {
    const db = await openDatabase(':memory:')
    const fields = { at: 'date', a: 'integer' } as const
    const c = await db.createCollection<typeof fields, object>('c', { dimension: 2, fields })
    const at = new Date(5)
    const payload = { a: 1, b: { c: 2 }, at, ['__proto__']: 'own' }
    await c.upsert([
      { id: 1, vector: [1, 2], payload },
      { id: 2, vector: [3, 4] },
    ])
    const some = { select: { payload: ['b', 'at', '__proto__', 'missing', 'toString'] } } as const
    const chosen = { id: 1, payload: { b: { c: 2 }, at, ['__proto__']: 'own' } }
    expect(await c.getMany([1, 2], some)).toEqual([chosen, { id: 2 }])
    expect(Object.getPrototypeOf((await c.get(1, some))?.payload)).toBe(Object.prototype)
    expect(await c.search([1, 2], { k: 1, ...some })).toEqual([{ ...chosen, distance: 0 }])
    const scanned = []
    for await (const point of c.scan({ ...some, where: { a: 1 } })) scanned.push(point)
    expect(scanned).toEqual([chosen])
    expect(await c.get(1, { select: { payload: [], vector: true } })).toEqual({
      id: 1,
      payload: {},
      vector: Float32Array.of(1, 2),
    })
    for (const wrong of [{ payload: [1] }, { payload: 'a' }, { vector: ['a'] }, { payload: {} }]) {
      await expect(c.get(1, { select: wrong as never })).rejects.toEqual(code('ERR_OPTION'))
    }
  })

  it('can have a profile of the search beside it', async () => {
    const db = await openDatabase(':memory:')
    const c = await db.createCollection('c', { dimension: 2, fields: { n: 'integer' } })
    const points = range(20).map(id => ({ id, vector: [id, 1], payload: { n: id % 2 } }))
    await c.upsert(points)
    const hits = await c.search([3, 1], { k: 2, where: { n: 1 }, profile: true })
    expect(hits).toEqual(await c.search([3, 1], { k: 2, where: { n: 1 } }))
    expect(JSON.stringify(hits)).not.toContain('profile')
    expect(hits.profile).toMatchObject({
      plan: { share: 0.5, estimatedShare: expect.any(Number), allowedRows: 10 },
      counters: { scanEvaluations: 10, candidates: 0 },
      stopReason: null,
      phases: { scan: expect.any(Number), graph: 0 },
      nanoseconds: expect.any(Number),
    })
    expect((await c.search([3, 1], { k: 2 })).profile).toBeUndefined()
    const [one, two] = await c.searchBatch([3, 1, 4, 1], { k: 1, profile: true })
    expect([one?.profile?.plan.rows, two?.profile?.plan.rows]).toEqual([20, 20])
    const like = await c.recommend({ positive: [3], k: 2, profile: true })
    expect(like.profile?.plan.rows).toBe(20)
    expect(like).toHaveLength(2)
  })
})

describe('a call that nobody waits for any more', () => {
  it('rejects with the reason of its signal, and does nothing', async () => {
    const db = await openDatabase(folder())
    const c = await db.createCollection('c', { dimension: 2 })
    await c.upsert([{ id: 1, vector: [1, 2] }])
    const signal = AbortSignal.abort(new Error('enough'))
    const enough = expect.objectContaining({ message: 'enough' })
    const calls: Promise<unknown>[] = [
      c.upsert([{ id: 2, vector: [1, 2] }], { signal }),
      c.insert([{ id: 2, vector: [1, 2] }], { signal }),
      c.update(1, { a: 1 }, { signal }),
      c.delete([1], { signal }),
      c.get(1, { signal }),
      c.getMany([1], { signal }),
      c.has(1, { signal }),
      c.count({ signal }),
      c.scan({ signal }).next(),
      c.search([1, 2], { k: 1, signal }),
      c.searchBatch([1, 2], { k: 1, signal }),
      c.recommend({ positive: [1], k: 1, signal }),
      c.analyze([1, 2], { k: 1, signal }),
      c.addField('f', 'integer', { signal }),
      db.createCollection('d', { dimension: 2 }, { signal }),
      db.dropCollection('c', { signal }),
      db.setAlias('a', 'c', { signal }),
      db.dropAlias('a', { signal }),
      db.transaction(tx => tx.collection('c').delete([1]), { signal }),
      db.flush({ signal }),
      db.checkpoint({ signal }),
      db.backup(join(folder(), 'backup'), { signal }),
      db.verify({ signal }),
      db.scrub({ signal }),
      Database.restore(folder(), join(folder(), 'restored'), { signal }),
    ]
    for (const call of calls) await expect(call).rejects.toEqual(enough)
    expect(await c.get(1)).toEqual({ id: 1 })
    expect(await c.count()).toBe(1)
    expect(db.collections().map(info => info.name)).toEqual(['c'])
    expect(db.aliases()).toEqual({})
    await expect(db.flush({ singal: signal } as never)).rejects.toEqual(code('ERR_OPTION'))
  })

  it('is not applied when its time was over before its turn came, and unknown afterwards', async () => {
    const db = await openDatabase(folder())
    const dimension = 256
    const config = { dimension, quantization: 'none', m: 4, efConstruction: 20 } as const
    const c = await db.createCollection('c', config)
    // Writes that take their time: those behind wait for their turn.
    const busy = range(3).map(i =>
      c.upsert({ ids: range(3000, i * 3000), vectors: randomVectors(3000, dimension, i) }),
    )
    const late = c.upsert([{ id: 'late', vector: new Float32Array(dimension) }], { timeoutMs: 1 })
    const failure = await late.catch(error => error)
    expect(failure).toEqual(code('ERR_TIMEOUT'))
    expect(failure.details).toEqual({ outcome: 'not_applied' })
    await Promise.all(busy)
    expect(await c.has('late')).toBe(false)
    // It has its turn at once, unless the machine is busy, and links so many points that its time is over then.
    const begun = await c
      .upsert(
        { ids: range(3000, 9000), vectors: randomVectors(3000, dimension, 9) },
        { timeoutMs: 20 },
      )
      .catch(error => error)
    await db.flush()
    await c.upsert([{ id: 'next', vector: new Float32Array(dimension) }], { timeoutMs: 2 ** 31 })
    const outcome = begun.details?.outcome
    if (begun.lsn === undefined) expect(begun).toEqual(code('ERR_TIMEOUT'))
    if (outcome === 'not_applied') expect(await c.count()).toBe(9001)
    else expect(outcome === undefined || outcome === 'unknown').toBe(true)
    expect([9001, 12_001]).toContain(await c.count())
    await db.transaction(tx => tx.collection('c').delete(['next']), { timeoutMs: 60_000 })
    expect(await c.has('next')).toBe(false)
    for (const timeoutMs of [0, -1, 1.5, '5', 2 ** 32]) {
      const options = { timeoutMs } as never
      await expect(c.delete([1], options)).rejects.toEqual(code('ERR_OPTION'))
    }
  })
})

describe('close', () => {
  it('gives back the memory of a database, whoever still holds its objects', async () => {
    const dimension = 4096
    const vectors = randomVectors(250, dimension, 1)
    const held: object[] = []
    const round = async () => {
      const db = await openDatabase(join(folder(), `${held.length}`), { durability: 'none' })
      const collection = await db.createCollection('c', { dimension, m: 2, efConstruction: 1 })
      await collection.upsert({ ids: range(250), vectors })
      await db.close()
      held.push(db, collection)
    }
    for (let i = 0; i < 4; i++) await round()
    const before = process.memoryUsage.rss()
    for (let i = 0; i < 20; i++) await round()
    // 20 databases of 4 MiB each.
    expect(process.memoryUsage.rss() - before).toBeLessThan(40 * 2 ** 20 + quarantineBytes)
  })
})

describe('a graph that is damaged', () => {
  it('is built anew while searches are exact and the database says that it is degraded', async () => {
    const dimension = 16
    let db = await openDatabase(folder())
    await fill(await db.createCollection('c', { dimension }), 1500, dimension)
    await db.checkpoint()
    await db.close()
    const name = readdirSync(folder())
      .filter(name => name.endsWith('.graph'))
      .sort()
      .at(-1)!
    const path = join(folder(), name)
    const bytes = readFileSync(path)
    bytes[bytes.length >> 1]! ^= 4
    writeFileSync(path, bytes)

    db = await openDatabase(folder())
    expect(db.degraded).toBe(true)
    const c = db.collection('c')
    const query = randomVectors(1, dimension, 9)
    expect(c.explain(query, { k: 10 })).toMatchObject({ reason: 'no-graph' })
    const hits = await c.search(query, { k: 10, ef: 10 })
    expect(hits).toEqual(await c.search(query, { k: 10, exact: true }))
    expect(readdirSync(folder())).toContain(`quarantined-${name}`)
    while (c.explain(query, { k: 10 }).reason === 'no-graph') await sleep(5)
    await db.checkpoint()
    expect(db.degraded).toBe(false)
    expect(await db.verify()).toEqual([])
  })
})

describe('scrubbing', () => {
  it('finds a bit that flipped in a file that nobody reads, and heals it', async () => {
    const db = await openDatabase(folder(), { name: 'scrubbed', scrubBytesPerSecond: 0 })
    const c = await db.createCollection('c', { dimension: 8 })
    for (let round = 0; round < 2; round++) {
      await fill(c, 200, 8)
      await db.checkpoint()
    }
    expect(await db.scrub()).toEqual([])
    const events: DamageEvent[] = []
    const listen = (event: unknown) => events.push(event as DamageEvent)
    channel('vitrine:damage').subscribe(listen)
    try {
      const name = readdirSync(folder()).find(name => name.endsWith('.graph'))!
      const path = join(folder(), name)
      const bytes = readFileSync(path)
      bytes[bytes.length >> 1]! ^= 4
      writeFileSync(path, bytes)
      const report = await db.scrub()
      expect(report).toEqual([{ path, what: expect.stringContaining(name) }])
      expect(db.degraded).toBe(false)
      expect(readdirSync(folder())).toContain(`quarantined-${name}`)
      expect(await db.verify()).toEqual([])
      while (events.length === 0) await new Promise(resolve => setImmediate(resolve))
      expect(events).toEqual([{ database: 'scrubbed', ...report[0] }])
    } finally {
      channel('vitrine:damage').unsubscribe(listen)
    }
    expect(await c.count()).toBe(200)
  })
})

describe('limits', () => {
  it('of memory refuse what would exceed them before it is logged, and nothing else', async () => {
    const db = await openDatabase(folder(), { maxMemoryBytes: 6e6 })
    const dimension = 128
    const c = await db.createCollection('c', { dimension, m: 4, efConstruction: 10 })
    let failure: unknown
    let lsn = db.lastLsn
    let count = 0
    for (let round = 0; failure === undefined; round++) {
      lsn = db.lastLsn
      failure = await c
        .upsert({ ids: range(200, count), vectors: randomVectors(200, dimension, round) })
        .then(() => undefined)
        .catch(error => error)
      if (failure === undefined) count += 200
      expect(db.memoryUsage().total).toBeLessThanOrEqual(6e6)
    }
    expect(failure).toEqual(code('ERR_OUT_OF_MEMORY'))
    expect(failure).toMatchObject({ details: { outcome: 'not_applied' } })
    expect(db.lastLsn).toBe(lsn)
    expect(await c.count()).toBe(count)
    expect(count).toBeGreaterThan(2000)
    expect(await c.search(randomVectors(1, dimension, 1), { k: 3 })).toHaveLength(3)
    expect(await c.delete(range(400))).toMatchObject({ deleted: 400 })
  })

  it('of disk refuse what would exceed them, and room can be made', async () => {
    const maxDiskBytes = 20e6
    const db = await openDatabase(folder(), { maxDiskBytes })
    const c = await db.createCollection('c', { dimension: 2 })
    const payload = { text: 'x'.repeat(900_000) }
    let failure: unknown
    for (let round = 0; failure === undefined; round++) {
      expect(round).toBeLessThan(100)
      const lsn = db.lastLsn
      failure = await c
        .upsert([{ id: round, vector: [round, 1], payload }])
        .then(() => undefined)
        .catch(error => error)
      if (failure !== undefined) expect(db.lastLsn).toBe(lsn)
      expect(db.diskUsage().total).toBeLessThanOrEqual(maxDiskBytes)
    }
    expect(failure).toEqual(code('ERR_TOO_LARGE'))
    expect(failure).toMatchObject({ details: { outcome: 'not_applied' } })
    expect(await c.count()).toBeGreaterThan(2)
    expect(await c.delete(range(100))).toMatchObject({ deleted: expect.any(Number) })
    await db.checkpoint()
    await db.checkpoint()
    await c.upsert([{ id: 2, vector: [1, 1], payload }])
    expect(await c.count()).toBe(1)
  })
})

describe('databases of one process', () => {
  // Whoever opens one waits for threads of the pool, and one of these may end another one, with its last search.
  it('open while another one is closed and still searched', async () => {
    const [first, second] = [join(folder(), 'first'), join(folder(), 'second')]
    for (const [path, count, dimension] of [
      [first, 3000, 64],
      [second, 10_000, 128],
    ] as const) {
      const db = await openDatabase(path)
      const c = await db.createCollection('c', { dimension, m: 4, efConstruction: 16 })
      await fill(c, count, dimension)
      await db.checkpoint()
      await db.close()
    }
    const query = randomVectors(1, 64, 9)
    for (let round = 0; round < 8; round++) {
      const db = await openDatabase(first)
      const c = db.collection('c')
      const searches = range(100 + 150 * round).map(() => c.search(query, { k: 10, exact: true }))
      const closed = db.close()
      const other = await openDatabase(second)
      await Promise.all([closed, Promise.allSettled(searches)])
      expect(await other.collection('c').count()).toBe(10_000)
      await other.close()
    }
  }, 60_000)
})
