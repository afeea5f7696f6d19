import { once } from 'node:events'
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Database, type MetricLabels, type StatsSnapshot } from '../lib/vitrine.ts'
import { randomVectors } from './vectors.ts'

const open: Database[] = []
afterEach(() => Promise.all(open.splice(0).map(database => database.close())))

async function withCollections() {
  const db = await Database.open(':memory:', { name: 'test' })
  open.push(db)
  const notes = await db.createCollection('notes', { dimension: 2, fields: { year: 'integer' } })
  const others = await db.createCollection('others', { dimension: 2 })
  return { db, notes, others }
}

const vector = (x: number) => Float32Array.of(x, 1)
const point = (id: number, year = 2000) => ({ id, vector: vector(id), payload: { year } })

/** How many operations ended so, by `op outcome`; of those that there were. */
function operationsOf(snapshot: StatsSnapshot, labels: MetricLabels) {
  const family = snapshot.families.find(({ name }) => name === 'vitrine_engine_operations_total')
  if (family === undefined || family.type === 'histogram') throw new Error('no operations')
  for (const sample of family.samples) expect(sample.labels).toMatchObject(labels)
  return Object.fromEntries(
    family.samples
      .filter(({ value }) => value > 0)
      .map(({ labels: { op, outcome }, value }) => [`${op} ${outcome}`, value]),
  )
}

const totalOf = (snapshot: StatsSnapshot, name: string, wanted: MetricLabels = {}) =>
  snapshot.families
    .flatMap(family => (family.name === name && family.type !== 'histogram' ? family.samples : []))
    .filter(({ labels }) => Object.entries(wanted).every(([key, value]) => labels[key] === value))
    .reduce((sum, { value }) => sum + value, 0)

// What is linked in the background may take some memory between the two calls.
const agreesOnMemory = (db: Database, bytes: () => number | undefined) =>
  vi.waitFor(() => expect(bytes()).toBe(db.memoryUsage().total))

describe('the statistics of a database', () => {
  it('count what is done to its collections, each call once', async () => {
    const { db, notes, others } = await withCollections()
    expect(db.stats()).toBeNull()
    db.enableStats({ level: 'phases' })
    await notes.upsert([point(1), point(2), point(3)])
    await notes.insert([point(4, 2001)])
    await others.upsert([{ id: 'x', vector: vector(1) }])
    await notes.delete([3])
    await notes.delete({ where: { year: 2001 } })
    await notes.get(1)
    await notes.getMany([1, 2])
    await notes.count({ where: { year: 2000 } })
    for await (const _ of notes.scan());
    await notes.search(vector(1), { k: 2 })
    await notes.analyze(vector(1), { k: 2, where: { year: 2000 } })
    await notes.searchBatch(Float32Array.of(1, 1, 2, 1), { k: 1 })
    await notes.has(1)
    notes.explain(vector(1), { k: 2 })
    await db.transaction(tx => {
      tx.collection('notes').upsert([point(5)])
      tx.collection('others').delete(['x'])
    })
    const snapshot = db.statsSnapshot()
    expect(operationsOf(snapshot, { db: 'test' })).toEqual({
      'upsert ok': 2,
      'insert ok': 1,
      'delete ok': 2,
      'get ok': 4,
      'count ok': 1,
      'scan ok': 1,
      'search ok': 4,
      'transaction ok': 1,
    })
    expect(totalOf(snapshot, 'vitrine_engine_vectors_indexed_total')).toBe(6)
    expect(totalOf(snapshot, 'vitrine_engine_vectors', { state: 'live' })).toBe(3)
    expect(totalOf(snapshot, 'vitrine_search_plans_total')).toBe(4)
    const stats = db.stats()
    expect(stats).toMatchObject({
      totalVectors: 3,
      totalSearches: 4,
      totalInserts: 1,
      totalUpserts: 2,
      totalDeletes: 2,
      totalErrors: 0,
      searchLatency: { count: 4 },
      insertLatency: { count: 1 },
    })
    await agreesOnMemory(db, () => db.stats()?.memoryBytes)
  })

  it('tell filters that are kept, and what searches work in, from the rest of the memory', async () => {
    const { db, notes } = await withCollections()
    const bytesOf = (kind: string) =>
      totalOf(db.statsSnapshot(), 'vitrine_engine_memory_bytes', { kind })
    const search = (year: number) => notes.search(vector(1), { k: 1, where: { year } })
    await notes.upsert(Array.from({ length: 1000 }, (_, id) => point(id, id)))
    const buffers = bytesOf('buffers')
    await notes.search(vector(1), { k: 1 }) // walks
    expect(bytesOf('buffers')).toBeGreaterThan(buffers)
    expect(bytesOf('cache')).toBe(0)
    await search(1)
    const one = bytesOf('cache')
    // A bit for each point, and one for each row.
    expect(one).toBeGreaterThan(2 * (1000 / 8))
    await search(1)
    expect(bytesOf('cache')).toBe(one)
    await search(2)
    expect(bytesOf('cache')).toBeGreaterThan(one)
    // They hold until something is written, and are forgotten when the next one is made.
    await notes.delete([1])
    await search(3)
    expect(bytesOf('cache')).toBe(one)
    await agreesOnMemory(db, () => totalOf(db.statsSnapshot(), 'vitrine_engine_memory_bytes'))
  })

  it('know the most memory that there was, whether they are on or not', async () => {
    const db = await Database.open(':memory:', { name: 'db' })
    open.push(db)
    const of = (name: string) => totalOf(db.statsSnapshot(), `vitrine_engine_${name}_bytes`)
    const kept = await db.createCollection('kept', { dimension: 64 })
    const dropped = await db.createCollection('dropped', { dimension: 64 })
    const ids = Array.from({ length: 2000 }, (_, id) => id)
    for (const each of [kept, dropped]) {
      await each.upsert({ ids, vectors: randomVectors(ids.length, 64, 1) })
    }
    // Points may still be linked once more in the background, which takes a little.
    const most = of('memory')
    expect(of('memory_peak')).toBeGreaterThanOrEqual(most)
    await db.dropCollection('dropped')
    // Searches that see a collection may still be about to let it go.
    await expect.poll(() => of('memory')).toBeLessThan(most - 64 * 4 * ids.length)
    expect(of('memory_peak')).toBeGreaterThanOrEqual(most)
    expect(db.stats()).toBeNull()
  })

  it('tell what V8 was told, soon after it was opened', async () => {
    const path = mkdtempSync(join(tmpdir(), 'vitrine-told-'))
    try {
      const ids = Array.from({ length: 2000 }, (_, id) => id)
      const written = await Database.open(path)
      const points = await written.createCollection('points', { dimension: 256 })
      await points.upsert({ ids, vectors: randomVectors(ids.length, 256, 1) })
      await written.close()
      const db = await Database.open(path)
      open.push(db)
      const told = () => totalOf(db.statsSnapshot(), 'vitrine_engine_external_memory_bytes')
      // Nothing is asked of it meanwhile.
      await expect.poll(told).toBeGreaterThan(2 ** 21)
      await db.close()
    } finally {
      rmSync(path, { recursive: true, force: true })
    }
  })

  it('count what is done to all of it, and to what it consists of', async () => {
    const { db, notes } = await withCollections()
    db.enableStats()
    notes.enableStats()
    await notes.addField('page', 'integer')
    await db.createCollection('third', { dimension: 2 })
    await expect(db.createCollection('third', { dimension: 3 })).rejects.toThrow()
    await db.setAlias('first', 'notes')
    await expect(db.setAlias('second', 'nobody')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    await db.dropAlias('first')
    await db.dropCollection('third')
    await expect(db.dropCollection('third')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    expect(operationsOf(db.statsSnapshot(), { db: 'test' })).toEqual({
      'configure ok': 5,
      'configure error': 3,
    })
    expect(operationsOf(notes.statsSnapshot(), { db: 'test' })).toEqual({ 'configure ok': 1 })
  })

  it('know what is in flight until it is settled', async () => {
    const { db, notes, others } = await withCollections()
    const inFlight = (source: typeof db | typeof notes) => {
      const family = source
        .statsSnapshot()
        .families.find(({ name }) => name === 'vitrine_engine_operations_in_flight')
      if (family?.type !== 'gauge') throw new Error('no gauge')
      return Object.fromEntries(
        family.samples.filter(({ value }) => value !== 0).map(one => [one.labels.op, one.value]),
      )
    }
    const early = notes.upsert([point(1)])
    db.enableStats()
    await early
    expect(inFlight(db)).toEqual({})
    notes.enableStats()
    const pending = [
      notes.upsert([point(2)]),
      notes.search(vector(1), { k: 1 }),
      others.search(vector(1), { k: 1 }),
      others.search(Float32Array.of(1), { k: 1 }),
      db.setAlias('first', 'notes'),
    ]
    // What failed at once has ended.
    expect(inFlight(db)).toEqual({ upsert: 1, search: 2, configure: 1 })
    expect(inFlight(notes)).toEqual({ upsert: 1, search: 1 })
    // It goes on as it began.
    db.disableStats()
    await Promise.allSettled(pending)
    expect([inFlight(db), inFlight(notes)]).toEqual([{}, {}])
    expect(operationsOf(db.statsSnapshot(), { db: 'test' })).toEqual({
      'upsert ok': 1,
      'search ok': 2,
      'search error': 1,
      'configure ok': 1,
    })
    const cancelled = new AbortController()
    db.enableStats()
    const given = notes.search(vector(1), { k: 1, signal: cancelled.signal })
    cancelled.abort()
    await expect(given).rejects.toThrow()
    await new Promise(setImmediate)
    expect(inFlight(db)).toEqual({})
  })

  it('count what came to an end with its thread as cancelled', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vitrine-statistics-worker-'))
    try {
      const shared = await Database.open(join(folder, 'db'))
      open.push(shared)
      const points = await shared.createCollection('points', { dimension: 2 })
      await points.upsert([point(1)])
      shared.enableStats()
      const program = join(import.meta.dirname, 'programs', 'leave-searches.mjs')
      const worker = new Worker(program, { workerData: join(folder, 'db') })
      const [code] = await once(worker, 'exit')
      expect(code).toBe(0)
      const snapshot = shared.statsSnapshot()
      const name = 'vitrine_engine_operations_total'
      expect(totalOf(snapshot, name, { op: 'search' })).toBe(100)
      expect(totalOf(snapshot, 'vitrine_engine_operations_in_flight')).toBe(0)
    } finally {
      await Promise.all(open.splice(0).map(database => database.close()))
      rmSync(folder, { recursive: true })
    }
  })

  it('count failures by their outcome and code', async () => {
    const { db, notes } = await withCollections()
    await notes.upsert([point(1)])
    db.enableStats()
    await expect(notes.insert([point(1)])).rejects.toMatchObject({ code: 'ERR_EXISTS' })
    await expect(
      notes.upsert([{ id: 2, vector: Float32Array.of(Number.NaN, 1) }]),
    ).rejects.toMatchObject({ code: 'ERR_VECTOR' })
    await expect(notes.search(Float32Array.of(1, Number.NaN), { k: 1 })).rejects.toMatchObject({
      code: 'ERR_VECTOR',
    })
    const snapshot = db.statsSnapshot()
    expect(operationsOf(snapshot, { db: 'test' })).toEqual({
      'insert error': 1,
      'upsert error': 1,
      'search error': 1,
    })
    const errors = (code: string) => totalOf(snapshot, 'vitrine_engine_errors_total', { code })
    expect([errors('ERR_EXISTS'), errors('ERR_VECTOR')]).toEqual([1, 2])
    expect(db.stats()).toMatchObject({ totalErrors: 3, totalSearches: 1 })
  })
})

describe('the statistics of a collection', () => {
  it('are its own, and those of all who have it open', async () => {
    const { db, notes, others } = await withCollections()
    notes.enableStats()
    expect(db.stats()).toBeNull()
    await notes.upsert([point(1), point(2)])
    await others.upsert([{ id: 1, vector: vector(1) }])
    await db.transaction(tx => tx.collection('notes').upsert([point(3)]))
    await notes.search(vector(1), { k: 1 })
    expect(operationsOf(notes.statsSnapshot(), { db: 'test', collection: 'notes' })).toEqual({
      'upsert ok': 2,
      'search ok': 1,
    })
    const again = db.collection('notes')
    expect(again.stats()).toMatchObject({ totalVectors: 3, totalUpserts: 2, totalSearches: 1 })
    notes.resetStats()
    expect(notes.stats()).toMatchObject({ totalUpserts: 0 })
    expect(again.stats()).toMatchObject({ totalUpserts: 2 })
    expect(others.stats()).toBeNull()
    expect(operationsOf(db.statsSnapshot(), { db: 'test' })).toEqual({})
  })

  it('count beside those of the database', async () => {
    const { db, notes } = await withCollections()
    notes.enableStats({ level: 'histograms' })
    db.enableStats()
    await notes.upsert([point(1)])
    await notes.search(vector(1), { k: 1 })
    for (const source of [db, notes]) {
      expect(source.stats()).toMatchObject({ totalUpserts: 1, totalSearches: 1 })
    }
    expect(notes.stats()).toMatchObject({ searchLatency: { count: 1 } })
    expect(db.stats()).not.toHaveProperty('searchLatency')
    const since = notes.statsSnapshot()
    expect(() => db.statsSnapshot({ since })).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT' }),
    )
  })

  it('end with the database', async () => {
    const { db, notes } = await withCollections()
    await db.close()
    const closed = expect.objectContaining({ code: 'ERR_CLOSED' })
    expect(() => notes.enableStats()).toThrow(closed)
    expect(() => db.stats()).toThrow(closed)
  })
})

describe('the statistics of storage', () => {
  it('are of databases that have a folder', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vitrine-storage-statistics-'))
    try {
      const db = await Database.open(join(folder, 'db'))
      open.push(db)
      db.enableStats({ level: 'histograms' })
      const notes = await db.createCollection('notes', { dimension: 2 })
      const before = db.statsSnapshot()
      await notes.upsert([point(1), point(2)])
      await db.checkpoint()
      await db.backup(join(folder, 'backup'))
      await expect(db.backup(join(folder, 'backup'))).rejects.toThrow()
      await db.flush()
      await db.verify()
      // Segments of the log are prepared in the background, between two looks as well.
      let usage = db.diskUsage()
      let since = db.statsSnapshot({ since: before })
      while (db.diskUsage().log !== usage.log) {
        usage = db.diskUsage()
        since = db.statsSnapshot({ since: before })
      }
      expect(totalOf(since, 'vitrine_storage_compactions_total', { outcome: 'ok' })).toBe(1)
      expect(operationsOf(since, { db: 'db' })).toEqual({
        'upsert ok': 1,
        'maintain ok': 4,
        'maintain error': 1,
      })
      const { bavail, bsize } = statfsSync(folder)
      const free = totalOf(since, 'vitrine_storage_free_bytes')
      expect(Math.abs(free - bavail * bsize)).toBeLessThan(2 ** 30)
      const written = (direction: string) =>
        totalOf(since, 'vitrine_storage_io_bytes_total', { direction })
      expect(written('write')).toBeGreaterThan(db.diskUsage().checkpoint)
      expect(written('read')).toBeGreaterThan(db.diskUsage().checkpoint)
      const { checkpoint, previous, log } = usage
      const disk = 'vitrine_storage_disk_bytes'
      const of = (kind: string) => totalOf(since, disk, { kind })
      expect(of('segment') + of('value_log') + of('index')).toBe(checkpoint)
      expect(of('value_log')).toBeGreaterThan(0)
      expect(of('index')).toBeGreaterThan(0)
      expect(of('snapshot')).toBe(previous)
      const size = 'vitrine_engine_index_size_bytes'
      expect(totalOf(since, size, { tier: 'disk' })).toBe(of('index'))
      expect(totalOf(since, 'vitrine_engine_open_duration_seconds')).toBeGreaterThan(0)
      expect(of('wal')).toBe(log)
      const last = totalOf(since, 'vitrine_storage_last_snapshot_timestamp_seconds')
      expect(Math.abs(last - Date.now() / 1000)).toBeLessThan(60)
      const namesOf = (snapshot: StatsSnapshot) => snapshot.families.map(({ name }) => name)
      const isStorage = (name: string) => name.startsWith('vitrine_storage_')
      expect(namesOf(since).filter(isStorage)).toHaveLength(20)
      expect(namesOf(notes.statsSnapshot()).filter(isStorage)).toEqual([])
    } finally {
      await Promise.all(open.splice(0).map(database => database.close()))
      rmSync(folder, { recursive: true })
    }
  })
})
