import { cpSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import {
  type Collection,
  Database,
  type Hit,
  type Point,
  type PointId,
  type StoredPoint,
  type Where,
} from '../lib/vitrine.ts'
import { fields, type ModelPayload, randomFilter, randomPayload } from './filter-model.ts'
import { distances, randomNumbers } from './vectors.ts'

type Metric = keyof typeof distances
type OwnCollection = Collection<typeof fields, ModelPayload>
type OwnPoint = Point<ModelPayload> & { readonly vector: Float32Array }
/** What a collection should hold. */
type Points = Map<PointId, OwnPoint>
type Models = Record<string, Points>

/** Integers that f32 and distances between such hold exactly. */
const component = (random: () => number) => Math.floor(random() * 9) - 4

/** 5 and 5n are one id, 5 and '5' are two. */
const someIds: readonly PointId[] = [
  ...[0, 1, 2, 3, 5, 8, 2 ** 32, 2 ** 53 - 1],
  ...[5n, 2n ** 53n, 2n ** 64n - 1n],
  ...['5', 'a', 'b', 'B', ' ', '\u0000', '\u{1f600}', 'x'.repeat(1024)],
]
const keyOf = (id: PointId) =>
  typeof id === 'bigint' && id <= Number.MAX_SAFE_INTEGER ? Number(id) : id

const refused = (code: string) => expect.objectContaining({ name: 'VitrineError', code })

/**
 * Random calls of a database with two collections and of a model of it, a `Map` for each, which must tell the same. What is random
 * follows from the seed alone.
 */
export class ModelRun {
  readonly #random: () => number
  readonly #folder: string
  readonly #durability: 'commit' | 'interval' | 'none'
  readonly #configs: Record<string, { dimension: number; metric: Metric }> = {}
  #db: Database | undefined
  #copies = 0
  #keys = 0
  #models: Models = { a: new Map(), b: new Map() }
  /** The calls so far, for who looks into a failure. */
  readonly calls: string[] = []

  /** @param folder - Empty; it belongs to the run. */
  constructor(seed: number, folder: string) {
    this.#random = randomNumbers(seed)
    this.#folder = folder
    this.#durability = this.#pick(['commit', 'interval', 'none'])
    for (const name of ['a', 'b']) {
      this.#configs[name] = {
        dimension: 1 + this.#below(4),
        metric: this.#pick(['l2', 'cosine', 'ip']),
      }
    }
  }

  /** Makes up to 200 calls, and closes the database. */
  async run(): Promise<void> {
    await this.#open()
    for (let left = 1 + this.#below(200); left > 0; left--) {
      const [name, call] = this.#pickCall()
      this.calls.push(name)
      await call.call(this)
    }
    await this.#compare()
    await this.#reopen()
    await this.#compare()
    await this.close()
  }

  async close(): Promise<void> {
    await this.#db?.close()
  }

  #pickCall(): [string, () => Promise<void>] {
    const calls: [number, string, () => Promise<void>][] = [
      [20, 'upsert', this.#upsert],
      [8, 'insert', this.#insert],
      [8, 'update', this.#update],
      [8, 'delete', this.#delete],
      [4, 'delete where', this.#deleteWhere],
      [10, 'transaction', this.#transaction],
      [4, 'write with a key', this.#writeOnce],
      [12, 'read', this.#read],
      [6, 'scan', this.#scan],
      [20, 'search', this.#search],
      [6, 'call with bad arguments', this.#callWrongly],
      [2, 'abort', this.#abort],
      [2, 'flush', () => this.#database.flush()],
      [2, 'checkpoint', () => this.#database.checkpoint()],
      [2, 'drop and create', this.#dropAndCreate],
      [2, 'reopen', this.#reopen],
      [1, 'open what a kill would leave', this.#openCopy],
    ]
    let dice = this.#below(calls.reduce((sum, [weight]) => sum + weight, 0))
    for (const [weight, name, call] of calls) {
      dice -= weight
      if (dice < 0) return [name, call]
    }
    throw new Error('the weights do not add up')
  }

  get #database(): Database {
    if (this.#db === undefined) throw new Error('the database is not open')
    return this.#db
  }

  get #path(): string {
    return join(this.#folder, `db-${this.#copies}`)
  }

  async #open(): Promise<void> {
    this.#db = await Database.open(this.#path, { durability: this.#durability })
    for (const name of ['a', 'b']) await this.#create(name)
  }

  #create(name: string): Promise<unknown> {
    const config = { ...this.#configs[name]!, fields, m: 4, efConstruction: 20 }
    return this.#database.createCollection<typeof fields, ModelPayload>(name, config)
  }

  #collection(name: string): OwnCollection {
    return this.#database.collection<typeof fields, ModelPayload>(name) as OwnCollection
  }

  /** A collection, its model, and what its vectors are. */
  #some() {
    const name = this.#pick(['a', 'b'])
    const config = this.#configs[name]!
    return { name, c: this.#collection(name), points: this.#models[name]!, ...config }
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }
  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)] as T
  }
  #vector(dimension: number): Float32Array {
    return Float32Array.from({ length: dimension }, () => component(this.#random))
  }
  #ids(): PointId[] {
    return Array.from({ length: 1 + this.#below(5) }, () => this.#pick(someIds))
  }
  #points(dimension: number): OwnPoint[] {
    return this.#ids().map(id => ({
      id,
      vector: this.#vector(dimension),
      ...(this.#random() < 0.8 && { payload: randomPayload(this.#random) }),
    }))
  }
  #filter() {
    const { where, sql, params, admits } = randomFilter(this.#random, 2)
    const filter = this.#random() < 0.5 ? { where: where as Where } : { where: sql, params }
    return { filter, admits: ({ payload = {} }: OwnPoint) => admits(payload) }
  }

  async #upsert(): Promise<void> {
    const { c, points, dimension } = this.#some()
    const some = this.#points(dimension)
    const columns = {
      ids: some.map(({ id }) => id),
      vectors: Float32Array.from(some.flatMap(({ vector }) => [...vector])),
      payloads: some.map(({ payload }) => payload),
    }
    await c.upsert(this.#random() < 0.5 ? some : columns)
    put(points, some)
  }

  async #insert(): Promise<void> {
    const { c, points, dimension } = this.#some()
    const some = this.#points(dimension)
    if (isNew(points, some)) {
      await c.insert(some)
      put(points, some)
    } else {
      await expect(c.insert(some)).rejects.toEqual(refused('ERR_EXISTS'))
    }
  }

  async #update(): Promise<void> {
    const { c, points } = this.#some()
    const id = this.#pick(someIds)
    const patch = randomPayload(this.#random)
    const point = points.get(keyOf(id))
    if (point === undefined) {
      await expect(c.update(id, patch)).rejects.toEqual(refused('ERR_NOT_FOUND'))
    } else {
      await c.update(id, patch)
      points.set(keyOf(id), { ...point, payload: { ...point.payload, ...patch } })
    }
  }

  async #delete(): Promise<void> {
    const { c, points } = this.#some()
    const ids = this.#ids()
    const { deleted } = await c.delete(ids)
    expect(deleted).toBe(ids.filter(id => points.delete(keyOf(id))).length)
  }

  async #deleteWhere(): Promise<void> {
    const { c, points } = this.#some()
    const { filter, admits } = this.#filter()
    const gone = [...points].filter(([, point]) => admits(point))
    const { deleted } = await c.delete(filter)
    expect(deleted).toBe(gone.length)
    for (const [key] of gone) points.delete(key)
  }

  /** Done whole, or not at all where one of its points exists. */
  async #transaction(): Promise<void> {
    const after: Models = { a: new Map(this.#models.a), b: new Map(this.#models.b) }
    let fits = true
    const writing = this.#database.transaction(tx => {
      for (let left = 1 + this.#below(4); left > 0; left--) {
        const { name, dimension } = this.#some()
        const target = tx.collection<typeof fields, ModelPayload>(name)
        const points = after[name]!
        const some = this.#points(dimension)
        const dice = this.#below(6)
        if (dice === 0) {
          target.delete(some.map(({ id }) => id))
          for (const { id } of some) points.delete(keyOf(id))
        } else if (dice === 1) {
          const { filter, admits } = this.#filter()
          target.delete(filter)
          for (const [key, point] of points) if (admits(point)) points.delete(key)
        } else if (dice === 2) {
          target.insert(some)
          fits &&= isNew(points, some)
          put(points, some)
        } else {
          target.upsert(some)
          put(points, some)
        }
      }
    })
    if (fits) {
      await writing
      this.#models = after
    } else {
      await expect(writing).rejects.toEqual(refused('ERR_EXISTS'))
    }
  }

  async #writeOnce(): Promise<void> {
    const { c, points, dimension } = this.#some()
    const some = this.#points(dimension)
    const idempotencyKey = `key ${this.#keys++}`
    const { lsn } = await c.upsert(some, { idempotencyKey })
    put(points, some)
    const again = await c.delete([...points.keys()], { idempotencyKey })
    expect([again.lsn, again.deleted]).toEqual([lsn, 0])
  }

  async #read(): Promise<void> {
    const { c, points } = this.#some()
    const ids = this.#ids()
    const expected = ids.map(id => points.get(keyOf(id)))
    expect(await c.getMany(ids, { select: ['payload', 'vector'] })).toEqual(expected)
    expect(await c.has(ids[0]!)).toBe(expected[0] !== undefined)
    const { filter, admits } = this.#filter()
    expect(await c.count(filter)).toBe([...points.values()].filter(admits).length)
  }

  async #scan(): Promise<void> {
    const { c, points } = this.#some()
    const { filter, admits } = this.#filter()
    const found = await this.#scanned(c, { ...filter, batchSize: 1 + this.#below(20) })
    expect(found).toEqual(new Map([...points].filter(([, point]) => admits(point))))
  }

  async #scanned(c: OwnCollection, options: object): Promise<Map<PointId, StoredPoint>> {
    const found = new Map<PointId, StoredPoint>()
    for await (const point of c.scan({ ...options, select: ['payload', 'vector'] })) {
      expect(found.has(point.id)).toBe(false)
      found.set(point.id, point)
    }
    return found
  }

  /** Exact or not: so few points are all found. */
  async #search(): Promise<void> {
    const { c, points, dimension, metric } = this.#some()
    const query = this.#vector(dimension)
    const { filter, admits } = this.#random() < 0.5 ? this.#filter() : {}
    const k = 1 + this.#below(this.#random() < 0.3 ? 40 : 5)
    const exact = this.#random() < 0.5
    const hits = await c.search(query, { k, exact, select: ['payload', 'vector'], ...filter })
    const admitted = [...points.values()].filter(point => admits?.(point) ?? true)
    const nearest = admitted.map(({ vector }) => distances[metric](query, vector))
    expectNear(hits, nearest.sort((a, b) => a - b).slice(0, k))
    expect(new Set(hits.map(({ id }) => id)).size).toBe(hits.length)
    for (const { distance, ...point } of hits) {
      expect(point).toEqual(points.get(point.id))
      expect(distance).toBeCloseTo(distances[metric](query, point.vector!), 5)
    }
  }

  /** Nothing that is refused changes anything, which later calls see. */
  async #callWrongly(): Promise<void> {
    const { c, dimension } = this.#some()
    const [point] = this.#points(dimension)
    const [attempt, code] = this.#pick<[() => Promise<unknown>, string]>([
      [() => c.upsert([{ ...point!, vector: this.#vector(dimension + 1) }]), 'ERR_DIMENSION'],
      [() => c.upsert([point!, { ...point!, id: -1 }]), 'ERR_ID'],
      [
        () => c.upsert([point!, { ...point!, vector: Array(dimension).fill(Number.NaN) }]),
        'ERR_VECTOR',
      ],
      [() => c.upsert([point!, { ...point!, payload: { year: '1' } as never }]), 'ERR_PAYLOAD'],
      [() => c.upsert([point!], { idempotencykey: 'k' } as never), 'ERR_OPTION'],
      [() => c.delete({ where: { nothing: 1 } as never }), 'ERR_FILTER'],
      [() => c.search(this.#vector(dimension), { k: 0 }), 'ERR_OPTION'],
      [() => this.#database.dropCollection('nothing'), 'ERR_NOT_FOUND'],
    ])
    await expect(attempt()).rejects.toEqual(refused(code))
  }

  async #abort(): Promise<void> {
    const { c, dimension } = this.#some()
    const reason = new Error('no longer')
    const signal = AbortSignal.abort(reason)
    await expect(c.upsert(this.#points(dimension), { signal })).rejects.toBe(reason)
  }

  async #dropAndCreate(): Promise<void> {
    const { name } = this.#some()
    await this.#database.setAlias('alias', name)
    expect(await this.#database.collection('alias').count()).toBe(this.#models[name]!.size)
    await this.#database.dropCollection(name)
    expect(this.#database.aliases()).toEqual({})
    await this.#create(name)
    this.#models[name] = new Map()
  }

  async #reopen(): Promise<void> {
    // Without a log, checkpoints alone keep anything.
    if (this.#durability === 'none') await this.#database.checkpoint()
    await this.close()
    await this.#open()
  }

  /** The files as they are while the database is open: those that are being prepared are not needed. */
  async #openCopy(): Promise<void> {
    if (this.#durability === 'none') return
    const from = this.#path
    const before = this.#database
    this.#copies++
    for (const name of readdirSync(from)) {
      if (!name.endsWith('.tmp')) cpSync(join(from, name), join(this.#path, name))
    }
    await before.close()
    await this.#open()
  }

  async #compare(): Promise<void> {
    for (const name of ['a', 'b']) {
      const c = this.#collection(name)
      expect(await c.count()).toBe(this.#models[name]!.size)
      expect(await this.#scanned(c, {})).toEqual(this.#models[name])
    }
    expect(await this.#database.verify()).toEqual([])
  }
}

function put(points: Points, some: readonly OwnPoint[]): void {
  for (const point of some) points.set(keyOf(point.id), { ...point, id: keyOf(point.id) })
}

function isNew(points: Points, some: readonly OwnPoint[]): boolean {
  const keys = new Set(some.map(({ id }) => keyOf(id)))
  return keys.size === some.length && [...keys].every(key => !points.has(key))
}

function expectNear(hits: readonly Hit[], nearest: readonly number[]): void {
  expect(hits).toHaveLength(nearest.length)
  for (const [i, { distance }] of hits.entries()) expect(distance).toBeCloseTo(nearest[i]!, 5)
}
