import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type CollectionHandle,
  type DatabaseHandle,
  type NativeBinding,
  native,
  type ScanHandle,
} from '../lib/binding.ts'
import { errorCodes } from '../lib/errors.ts'
import { engineInfo, Index, VitrineError } from '../lib/vitrine.ts'
import { hostileValues } from './hostile-values.ts'
import { randomNumbers } from './vectors.ts'

// Whatever is passed, a call answers or fails with a coded VitrineError: thrown by synchronous
// functions, only rejected by asynchronous ones.

type Arguments = unknown[]
type Callable = (...args: Arguments) => unknown

const folder = mkdtempSync(join(tmpdir(), 'vitrine-hostile-'))
const home = process.cwd()
beforeAll(() => process.chdir(folder)) // a hostile path may be a good one
afterAll(() => {
  process.chdir(home)
  rmSync(folder, { recursive: true, force: true })
})

const dimension = 4
const vector = () => Float32Array.of(1, 2, 3, 4)
const ids = () => Uint32Array.of(1, 2)
const output = () => ({ ids: new Uint32Array(2), distances: new Float32Array(2) })

/** An index to be spoiled, and good arguments for each of its methods. */
async function newIndex() {
  const index = new Index({ dimension })
  await index.add([1, 2, 3], Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9))
  return index
}
const search = () => ({
  k: 2,
  ef: 10,
  exact: false,
  filter: ids(),
  signal: new AbortController().signal,
  timeoutMs: 60_000,
})
const write = () => ({ signal: new AbortController().signal, onProgress: () => undefined })
let nextId = 1000
const syncMethods: Record<string, () => Arguments> = {
  has: () => [1],
  get: () => [ids()],
  ids: () => [],
  reserve: () => [10],
  searchSync: () => [vector(), search()],
  searchInto: () => [vector(), output(), search()],
  idSet: () => [ids()],
  explain: () => [vector(), search()],
  memoryUsage: () => [],
  enableStats: () => [
    {
      level: 'phases',
      histograms: true,
      slowMs: 0,
      slowMinMs: 1,
      slowFactor: 2,
      slowEntries: 3,
      sampleEvery: 2,
    },
  ],
  stats: () => [],
  resetStats: () => [],
  statsSnapshot: () => [{}],
  disableStats: () => [],
}
const asyncMethods: Record<string, () => Arguments> = {
  add: () => [[nextId++], vector(), write()],
  upsert: () => [[1], vector(), write()],
  remove: () => [[99], write()],
  search: () => [vector(), search()],
  searchBatch: () => [vector(), search()],
  analyze: () => [vector(), search()],
  optimize: () => [write()],
  save: () => ['saved', {}],
  close: () => [],
}
const accessors = ['size', 'dimension', 'metric', 'type', 'idType', 'name', 'closed']

/** Copies of good arguments in which one value, or one option, is hostile. */
function* spoiled(good: () => Arguments): Generator<[string, Arguments]> {
  for (let position = 0; position < good().length; position++) {
    for (const [name, value] of hostileValues()) {
      yield [`argument ${position} = ${name}`, good().with(position, value)]
    }
    const argument = good()[position]
    if (argument === null || typeof argument !== 'object' || ArrayBuffer.isView(argument)) continue
    if (Array.isArray(argument)) continue
    for (const key of Object.keys(argument)) {
      for (const [name, value] of hostileValues()) {
        yield [`${key} = ${name}`, good().with(position, { ...argument, [key]: value })]
      }
    }
  }
}

function expectCoded(error: unknown, what: string) {
  if (error instanceof VitrineError && Object.hasOwn(errorCodes, error.code)) return
  expect.fail(`${what} fails with ${String(error)}`)
}

function expectSync(call: () => unknown, what: string): unknown {
  try {
    return call()
  } catch (error) {
    expectCoded(error, what)
    return undefined
  }
}

async function expectAsync(call: () => unknown, what: string) {
  let promise: unknown
  try {
    promise = call()
  } catch (error) {
    expect.fail(`${what} throws ${String(error)}`)
  }
  expect(promise, what).toBeInstanceOf(Promise)
  await (promise as Promise<unknown>).catch(error => expectCoded(error, what))
}

const methodOf = (index: Index, name: string) => index[name as 'has'] as unknown as Callable

describe('a hostile value in one argument', () => {
  it.each(Object.entries(syncMethods))('of %s', async (name, good) => {
    const index = await newIndex()
    for (const [what, args] of spoiled(good)) {
      expectSync(() => methodOf(index, name).apply(index, args), `${name}, ${what}`)
    }
    expectSync(() => methodOf(index, name).apply(index, good()), name)
    await index.close()
  })

  it.each(Object.entries(asyncMethods))('of %s', async (name, good) => {
    const index = await newIndex()
    for (const [what, args] of spoiled(good)) {
      await expectAsync(() => methodOf(index, name).apply(index, args), `${name}, ${what}`)
    }
    await expectAsync(() => methodOf(index, name).apply(index, good()), name)
    await index.close()
  })

  it('of the constructor', async () => {
    const options = {
      dimension: 4,
      metric: 'l2',
      type: 'f32',
      idType: 'u32',
      m: 4,
      efConstruction: 8,
      quantization: 'none',
      capacity: 1,
      seed: 1,
      threads: 1,
      name: 'n',
    }
    for (const [what, args] of spoiled(() => [options])) {
      const made = expectSync(() => Reflect.construct(Index, args), `new Index, ${what}`)
      await (made as Index | undefined)?.close()
    }
  })

  it('of load, and of functions without arguments', async () => {
    const index = await newIndex()
    await index.save('good')
    await index.close()
    const load = Index.load as unknown as Callable
    const options = { vectors: 'memory', threads: 1, name: 'n', signal: write().signal }
    for (const [what, args] of spoiled(() => ['good', options])) {
      await expectAsync(async () => {
        const loaded = (await load(...args)) as Index
        await loaded.close()
      }, `load, ${what}`)
    }
    for (const [name, value] of hostileValues()) {
      expectSync(() => (engineInfo as Callable)(value), `engineInfo, ${name}`)
    }
  })
})

describe('a hostile this', () => {
  it('is refused by every method and accessor', async () => {
    const index = await newIndex()
    const values = [
      ...hostileValues(),
      ['a proxy of an index', new Proxy(index, {})] as const,
      ['an heir of an index', Object.create(index)] as const,
      ['the prototype', Index.prototype] as const,
    ]
    for (const [what, value] of values) {
      for (const [name, good] of Object.entries(syncMethods)) {
        expect(() => methodOf(index, name).apply(value, good()), `${name} of ${what}`).toThrow(
          VitrineError,
        )
      }
      for (const [name, good] of Object.entries(asyncMethods)) {
        const call = () => methodOf(index, name).apply(value, good())
        await expectAsync(call, `${name} of ${what}`)
        await expect(call()).rejects.toBeInstanceOf(VitrineError)
      }
      for (const name of accessors) {
        const get = Object.getOwnPropertyDescriptor(Index.prototype, name)?.get as Callable
        expect(() => get.call(value), `${name} of ${what}`).toThrow(VitrineError)
      }
      const measured = Object.getPrototypeOf(Index.prototype)
      const get = Object.getOwnPropertyDescriptor(measured, 'slowlog')?.get as Callable
      expect(() => get.call(value), `slowlog of ${what}`).toThrow(VitrineError)
    }
    expect(index.size).toBe(3)
    await index.close()
  })
})

describe('a slow-query log', () => {
  const methods = ['list', 'get', 'replay', 'clear', 'errors'] as const

  it('answers hostile arguments, or fails with a code', async () => {
    const index = await newIndex()
    index.enableStats({ slowMs: 0 })
    for (const [what, value] of hostileValues()) {
      for (const method of methods) {
        const call = index.slowlog[method].bind(index.slowlog) as unknown as Callable
        if (method === 'replay') await expectAsync(() => call(value), `${method}, ${what}`)
        else expectSync(() => call(value), `${method}, ${what}`)
      }
    }
    await index.close()
  })

  it('refuses a hostile this', async () => {
    const { slowlog } = await newIndex()
    const values = [...hostileValues(), ['a proxy of a log', new Proxy(slowlog, {})] as const]
    for (const [what, value] of values) {
      for (const method of methods) {
        const call = () => (slowlog[method] as unknown as Callable).call(value)
        if (method === 'replay') await expect(call(), what).rejects.toBeInstanceOf(VitrineError)
        else expect(call, `${method} of ${what}`).toThrow(VitrineError)
      }
    }
  })

  it('changes nothing of what hostile calls do', async () => {
    const index = await newIndex()
    index.enableStats({ slowMs: 0, sampleEvery: 1 })
    for (const name of ['searchSync', 'searchInto'] as const) {
      for (const [what, args] of spoiled(syncMethods[name]!)) {
        expectSync(() => methodOf(index, name).apply(index, args), `${name}, ${what}`)
      }
    }
    for (const name of ['search', 'searchBatch', 'add'] as const) {
      for (const [what, args] of spoiled(asyncMethods[name]!)) {
        await expectAsync(() => methodOf(index, name).apply(index, args), `${name}, ${what}`)
      }
    }
    expect(index.slowlog.errors().total).toBeGreaterThan(0)
    await index.close()
  })
})

describe('hostile values in several arguments', () => {
  it('at random', async () => {
    const seed = 2024
    const random = randomNumbers(seed)
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
    const all = { ...syncMethods, ...asyncMethods }
    const names = Object.keys(all).filter(name => name !== 'close')
    let index = await newIndex()
    for (let i = 0; i < 8000; i++) {
      const name = pick(names)
      const values = hostileValues()
      const args = all[name]!().map(argument => {
        if (random() < 0.3) return argument
        const isOptions =
          typeof argument === 'object' && argument !== null && !ArrayBuffer.isView(argument)
        if (random() < 0.5 || !isOptions) return pick(values)[1]
        const options = Object.entries(argument).map(([key, value]) => [
          key,
          random() < 0.5 ? value : pick(values)[1],
        ])
        return Object.fromEntries(options)
      })
      const call = () => methodOf(index, name).apply(index, args)
      const what = `seed ${seed}, call ${i}: ${name}`
      if (name in asyncMethods) await expectAsync(call, what)
      else expectSync(call, what)
      if (i % 500 === 0) {
        await index.close()
        index = await newIndex()
      }
    }
    expect(index.searchSync(vector(), { k: 1 }).ids).toHaveLength(1)
    await index.close()
  }, 60_000)
})

describe('a hostile value in one argument of the addon itself', () => {
  const newHandle = () =>
    native.createIndex(dimension, 'l2', 'u32', 4, 8, undefined, undefined, undefined, 'none', 'f32')
  type Name = Exclude<keyof NativeBinding, 'initialize'>
  const handle = newHandle()
  const floats = () => new Float32Array(4)
  const out = () => [new Uint32Array(2), new Float32Array(2)] as const
  const token = () => native.createCancelToken()
  const filter = native.createIdSet(handle, ids())
  const searchArguments = () => [2, 10, false, filter, 60_000]
  // A database in memory for all calls, and one more for each that closes one.
  const openMemory = () =>
    native.openDatabase('', 'none', 1000, false, true, false, undefined, undefined, 1, 'test', 0)
  let database: DatabaseHandle
  let collection: CollectionHandle
  let scan: ScanHandle
  let closable: DatabaseHandle
  beforeAll(async () => {
    database = await openMemory()
    closable = await openMemory()
    collection = await native.createCollection(...newCollection(), undefined)
    scan = await native.openScan(collection, where, undefined)
  })
  afterAll(() => native.closeDatabase(database))
  const transaction = () => native.createTransaction(database)
  const fields = ['lang', 'keyword', 'year', 'integer']
  const newCollection = () =>
    [database, 'c', dimension, 'l2', 4, 8, fields, 'none', 'f32', 'mmap'] as const
  const where = '["and",["in","lang","en"],["range","year",1,true,null,true]]'
  const collectionSearch = () => [collection, floats(), 2, 10, false, true, true, 60_000, where]
  const functions: Record<Name, () => Arguments> = {
    engineInfo: () => [],
    errorCodes: () => [],
    createIndex: () => [dimension, 'l2', 'u32', 4, 8, 1, 1, 1, 'auto', 'f32'],
    closeIndex: () => [newHandle()],
    indexSize: () => [handle],
    indexIds: () => [handle, ids()],
    hasId: () => [handle, 1],
    getVectors: () => [handle, Uint32Array.of(1), floats()],
    reserveRoom: () => [handle, 10],
    memoryUsage: () => [handle],
    createIdSet: () => [handle, ids()],
    statsFamilies: () => [],
    setStatsLevel: () => [handle, 'phases', 0],
    countSlowSearch: () => [handle, 'search'],
    resetStats: () => [handle],
    readStats: () => [handle],
    takeStatsSnapshot: () => [handle, native.takeStatsSnapshot(handle, undefined).handle],
    createWatch: () => [],
    setWatch: () => [native.createWatch()],
    readWatch: () => [native.createWatch()],
    createExporter: () => ['0.1.0', 'v20', ['db', 'op'], ['omendb']],
    exportMetrics: () => [
      native.createExporter('0.1.0', 'v20', undefined, []),
      'text',
      [handle],
      ['points', ''],
      [database],
      new Uint8Array(4),
      new Float64Array(),
      ['seen_total'],
      Float64Array.of(1),
    ],
    addPoints: () => [handle, null, floats(), new Uint32Array(1), token(), () => undefined],
    upsertPoints: () => [handle, Uint32Array.of(1), floats(), token(), () => undefined],
    removePoints: () => [handle, ids(), token(), () => undefined],
    optimizeIndex: () => [handle, token(), () => undefined],
    createCancelToken: () => [],
    cancelOperation: () => [token()],
    expireOperation: () => [token()],
    searchInto: () => [handle, floats(), ...out(), ...searchArguments()],
    search: () => [handle, floats(), ...out(), ...searchArguments(), token()],
    searchBatch: () => [handle, floats(), ...out(), ids(), ...searchArguments(), token()],
    explain: () => [handle, floats(), ...searchArguments()],
    analyze: () => [handle, floats(), ...out(), ...searchArguments(), token()],
    saveIndex: () => [handle, 'saved', 'test', token()],
    loadIndex: () => ['saved', true, 1, token()],
    openDatabase: () => ['', 'none', 1000, false, true, false, 2 ** 30, 2 ** 30, 1, 'test', 0],
    closeDatabase: () => [closable],
    databaseState: () => [database],
    databaseUsage: () => [database],
    listCollections: () => [database],
    listAliases: () => [database],
    createCollection: () => [...newCollection(), token()],
    openCollection: () => [database, 'c'],
    dropCollection: () => [database, 'none', token()],
    addField: () => [collection, 'added', 'date', token()],
    setAlias: () => [database, 'alias', 'c', token()],
    dropAlias: () => [database, 'alias', token()],
    flushDatabase: () => [database, token()],
    checkpointDatabase: () => [database, token()],
    backupDatabase: () => [database, 'saved/nowhere', token()],
    verifyDatabase: () => [database, token()],
    scrubDatabase: () => [database, token()],
    watchDatabase: () => [database, () => undefined],
    restoreBackup: () => ['saved/nowhere', 'saved/nowhere else', 'test', token()],
    createTransaction: () => [database],
    putPoints: () => [transaction(), collection, [1], floats(), ['{}'], false],
    setPayload: () => [transaction(), collection, 1, '{}', 1n],
    deletePoints: () => [transaction(), collection, [1, 'x', 2n]],
    deletePointsWhere: () => [transaction(), collection, where],
    setIdempotencyKey: () => [transaction(), 'key'],
    commitTransaction: () => [transaction(), token(), 60_000],
    writePoints: () => [collection, [1], floats(), ['{}'], false, 'key', token(), 60_000],
    collectionState: () => [collection],
    hasPoint: () => [collection, 'x'],
    getPoints: () => [collection, [1, 'x', 2n], true, true],
    countPoints: () => [collection, where, token()],
    optimizeCollection: () => [collection, token(), () => undefined],
    searchCollection: () => [...collectionSearch(), token()],
    analyzeCollection: () => [...collectionSearch(), token()],
    explainCollection: collectionSearch,
    openScan: () => [collection, where, token()],
    readScan: () => [scan, 10, true, true],
    closeScan: () => [scan],
  }

  it.each(Object.entries(functions))('%s', async (name, good) => {
    const call = native[name as Name] as Callable
    const attempt = async (args: Arguments, what: string) => {
      const result = expectSync(() => call(...args), what)
      if (result instanceof Promise) await result.catch(error => expectCoded(error, what))
    }
    // Handles of another kind, and calls with too few arguments, too many, and another `this`. No heir of a handle: since Node 24 V8
    // itself crashes where any external becomes a prototype, and no handle leaves lib/.
    const others = [newHandle(), filter, token(), { handle }, new Proxy(handle, {})]
    for (let position = 0; position < good().length; position++) {
      for (const [value, value2] of [...hostileValues(), ...others.map(o => ['handle', o])]) {
        await attempt(good().with(position, value2), `${name}, argument ${position} = ${value}`)
      }
      await attempt(good().slice(0, position), `${name} of ${position} arguments`)
    }
    await attempt([...good(), ...Array(30).fill(7)], `${name} of many arguments`)
    await attempt(good(), name)
  })

  it('initialize', () => {
    expect(Object.keys(functions)).toEqual(
      Object.keys(native).filter(name => name !== 'initialize'),
    )
    for (const [what, value] of hostileValues().filter(
      ([, value]) => typeof value !== 'function',
    )) {
      expectSync(() => native.initialize(value as typeof VitrineError, ''), what)
      if (value !== '') {
        expectSync(() => native.initialize(VitrineError, value as string), what)
      }
    }
    expect(() => native.initialize(VitrineError, 'avx1024')).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION', message: expect.stringMatching(/scalar/) }),
    )
    expect(engineInfo().instructionSet).toMatch(/^(scalar|neon|avx2|avx512)$/)
  })
})
