import { basename } from 'node:path'
import { CallWatch } from './call-watch.ts'
import {
  type Operation,
  type OperationEvent,
  operationChannels,
  publishAsync,
  publishIteration,
  publishSync,
} from './channels.ts'
import { type GivenQuery, logAsync, logIteration, logSync } from './logged-calls.ts'
import { isReplay, listening, type Slowlog } from './slowlog.ts'
import { Measured } from './statistics.ts'
import { elementsOf, type VectorType } from './vector-types.ts'

/** What a call tells of itself before it runs; `undefined` is left out. */
type Told = { -readonly [K in keyof OperationEvent]?: OperationEvent[K] | undefined }

/** How a method is told of. Its arguments are as the caller gave them: nothing is known of what they are. */
interface TracedMethod {
  readonly operation: Operation
  /** Default: it returns a promise. */
  readonly kind?: 'sync' | 'iteration'
  readonly tell?: (told: Told, self: unknown, args: Arguments) => void
  /** Of what it returns, or resolves with. */
  readonly rowsOf?: (result: never, event: OperationEvent) => number | undefined
  /** Of one search that has found something. */
  readonly nearestOf?: (result: never, args: Arguments) => number | undefined
  /** Whether it resolves with what the log has acknowledged. */
  readonly logged?: true
  /** Of a search that slow-query logs are told of. May throw. */
  readonly given?: (self: unknown, args: Arguments) => GivenQuery
}

type Methods = Readonly<Record<string, TracedMethod>>

/** As many as any traced method takes. */
type Arguments = readonly [unknown, unknown, unknown]
type Method = (this: unknown, a: unknown, b: unknown, c: unknown) => unknown

const propertyOf = (value: unknown, name: string): unknown =>
  value === null || value === undefined ? undefined : (value as Record<string, unknown>)[name]

const numberOf = (value: unknown, name: string): number | undefined => {
  const found = propertyOf(value, name)
  return Number.isFinite(found) ? (found as number) : undefined
}

const lengthOf = (value: unknown) => numberOf(value, 'length')

function tellSearch(told: Told, options: unknown): void {
  told.k = numberOf(options, 'k')
  told.ef = numberOf(options, 'ef')
  told.recall = numberOf(options, 'recall')
  const exact = propertyOf(options, 'exact')
  if (typeof exact === 'boolean') told.exact = exact
  told.filtered = (propertyOf(options, 'filter') ?? propertyOf(options, 'where')) !== undefined
}

interface FoundIds {
  readonly ids: ArrayLike<unknown>
  readonly distances: ArrayLike<number>
}

const analyze: TracedMethod = {
  operation: 'search',
  tell: (told, _, [, options]) => tellSearch(told, options),
  rowsOf: ({ ids }: FoundIds) => ids.length,
  nearestOf: ({ distances }: FoundIds) => distances[0],
}

const search: TracedMethod = {
  ...analyze,
  given: (_, [vector, options]) => ({ vector, options }),
}

/** Vectors in one array, by the dimension of what they are for; of bits there are eight to an element. */
function vectorsIn(self: unknown, vectors: unknown): number | undefined {
  const length = lengthOf(vectors)
  const dimension = numberOf(self, 'dimension')
  if (length === undefined || dimension === undefined) return undefined
  return Math.floor(length / (propertyOf(self, 'type') === 'bits' ? dimension / 8 : dimension))
}

const searchBatch: TracedMethod = {
  operation: 'search',
  tell: (told, self, [queries, options]) => {
    tellSearch(told, options)
    told.batchSize = vectorsIn(self, queries)
  },
  given: (self, [queries, options]) => {
    const { type, dimension } = self as { readonly type: VectorType; readonly dimension: number }
    const elements = elementsOf(type, dimension)
    const vector = Array.isArray(queries)
      ? queries.slice(0, elements)
      : (queries as Uint8Array).subarray(0, elements)
    return { vector, options, batchSize: vectorsIn(self, queries) }
  },
}

const tellLength: TracedMethod['tell'] = (told, _, [ids]) => {
  told.batchSize = lengthOf(ids)
}

const tellWhere: TracedMethod['tell'] = (told, _, [options]) => {
  told.filtered = propertyOf(options, 'where') !== undefined
}

/** Points one by one, or in columns. */
const tellPoints: TracedMethod['tell'] = (told, _, [points]) => {
  told.batchSize = lengthOf(points) ?? lengthOf(propertyOf(points, 'ids'))
}

interface FoundHit {
  readonly distance: number
}

const one = (found: unknown) => (found === undefined ? 0 : 1)
const all = (found: readonly unknown[]) => found.length

const ofIndex: Methods = {
  optimize: { operation: 'optimize' },
  save: { operation: 'save' },
  add: {
    operation: 'insert',
    tell: (told, self, [, vectors]) => {
      told.batchSize = vectorsIn(self, vectors)
    },
  },
  upsert: {
    operation: 'upsert',
    tell: tellLength,
  },
  remove: {
    operation: 'delete',
    tell: tellLength,
  },
  get: {
    operation: 'get',
    kind: 'sync',
    tell: tellLength,
    // All of them, or it throws.
    rowsOf: (_: unknown, { batchSize }: OperationEvent) => batchSize,
  },
  search,
  analyze,
  searchSync: { ...search, kind: 'sync' },
  searchInto: {
    operation: 'search',
    kind: 'sync',
    tell: (told, _, [, out, options]) => {
      tellSearch(told, options)
      told.k ??= lengthOf(propertyOf(out, 'ids'))
    },
    rowsOf: (count: number) => count,
    nearestOf: (count: number, [, out]) =>
      count === 0 ? undefined : (out as { readonly distances: Float32Array }).distances[0],
    given: (_, [vector, out, options]) => ({
      vector,
      options: { k: lengthOf(propertyOf(out, 'ids')), ...(options as object | undefined) },
    }),
  },
  searchBatch: {
    ...searchBatch,
    rowsOf: ({ counts }: { readonly counts: Uint32Array }) =>
      counts.reduce((sum, count) => sum + count, 0),
  },
  close: { operation: 'close' },
}

const ofCollection: Methods = {
  addField: { operation: 'addField' },
  optimize: { operation: 'optimize' },
  upsert: {
    operation: 'upsert',
    tell: tellPoints,
    logged: true,
  },
  insert: {
    operation: 'insert',
    tell: tellPoints,
    logged: true,
  },
  update: { operation: 'update', logged: true },
  delete: {
    operation: 'delete',
    logged: true,
    tell: (told, _, [target]) => {
      told.batchSize = lengthOf(target)
      told.filtered = propertyOf(target, 'where') !== undefined
    },
  },
  get: { operation: 'get', rowsOf: one },
  getMany: {
    operation: 'get',
    tell: tellLength,
    rowsOf: (points: readonly unknown[]) => points.filter(point => point !== undefined).length,
  },
  has: { operation: 'get' },
  count: {
    operation: 'count',
    tell: tellWhere,
  },
  scan: {
    operation: 'scan',
    kind: 'iteration',
    tell: tellWhere,
  },
  search: {
    ...search,
    rowsOf: all,
    nearestOf: ([hit]: readonly FoundHit[]) => hit?.distance,
  },
  searchBatch: {
    ...searchBatch,
    rowsOf: (results: readonly (readonly unknown[])[]) =>
      results.reduce((sum, found) => sum + found.length, 0),
  },
  analyze: {
    ...analyze,
    rowsOf: ({ hits }: { readonly hits: readonly unknown[] }) => hits.length,
    nearestOf: ({ hits: [hit] }: { readonly hits: readonly FoundHit[] }) => hit?.distance,
  },
  recommend: {
    operation: 'search',
    tell: (told, _, [options]) => tellSearch(told, options),
    rowsOf: all,
    nearestOf: ([hit]: readonly FoundHit[]) => hit?.distance,
    given: (_, [options]) => ({ vector: undefined, options }),
  },
  import: { operation: 'import' },
  export: { operation: 'export' },
}

const tellCollection: TracedMethod['tell'] = (told, _, [name]) => {
  if (typeof name === 'string') told.collection = name
}

const ofDatabase: Methods = {
  createCollection: { operation: 'createCollection', tell: tellCollection },
  dropCollection: { operation: 'dropCollection', tell: tellCollection },
  setAlias: {
    operation: 'setAlias',
    tell: (told, self, [, name, options]) => tellCollection(told, self, [name, options, undefined]),
  },
  dropAlias: { operation: 'dropAlias' },
  transaction: { operation: 'transaction', logged: true },
  flush: { operation: 'flush' },
  checkpoint: { operation: 'checkpoint' },
  backup: { operation: 'backup' },
  verify: { operation: 'verify' },
  scrub: { operation: 'scrub' },
  close: { operation: 'close' },
}

const openedByIndex: Methods = {
  load: {
    operation: 'load',
    tell: (told, _, [, options]) => {
      const name = propertyOf(options, 'name') ?? 'index'
      if (typeof name === 'string') told.database = name
    },
  },
}

const openedByDatabase: Methods = {
  open: {
    operation: 'open',
    tell: (told, _, [path, options]) => {
      const name = propertyOf(options, 'name') ?? path
      if (typeof name === 'string') told.database = name === path ? basename(name) : name
    },
  },
  restore: {
    operation: 'restore',
    tell: (told, _, [, folder]) => {
      if (typeof folder === 'string') told.database = basename(folder)
    },
  },
}

interface Class {
  readonly name: string
  readonly prototype: object
}

/** Lets every call of a class's methods be listened to, on the channels of its operation. */
function traceClass(of: Class, ofInstances: Methods, ofClass: Methods = {}): void {
  for (const [target, methods] of [
    [of.prototype, ofInstances],
    [of, ofClass],
  ] as const) {
    for (const [name, how] of Object.entries(methods)) {
      const descriptor = Object.getOwnPropertyDescriptor(target, name)!
      const value = traced(`${of.name}.${name}`, how, descriptor.value)
      for (const property of ['name', 'length']) {
        Object.defineProperty(value, property, {
          ...Object.getOwnPropertyDescriptor(descriptor.value, property),
        })
      }
      Object.defineProperty(target, name, { ...descriptor, value })
    }
  }
}

export const traceIndex = (of: Class) => traceClass(of, ofIndex, openedByIndex)
export const traceCollection = (of: Class) => traceClass(of, ofCollection)
export const traceDatabase = (of: Class) => traceClass(of, ofDatabase, openedByDatabase)

/** The method, which makes nothing of its own as long as nobody listens. */
function traced(method: string, how: TracedMethod, original: Method): Method {
  const channels = operationChannels[how.operation]
  return function (a, b, c) {
    if (listening > 0) {
      const logs = Measured.slowlogsOf(this)
      if (logs.length > 0) return log(logs, method, how, original, this, [a, b, c])
    }
    return channels.hasSubscribers
      ? publish(method, how, original, this, [a, b, c])
      : original.call(this, a, b, c)
  }
}

function log(
  logs: readonly Slowlog[],
  method: string,
  how: TracedMethod,
  original: Method,
  self: unknown,
  args: Arguments,
): unknown {
  const { collection } = Measured.sourceOf(self)?.labels ?? {}
  const { operation, given } = how
  const logged = {
    logs,
    call: { operation, method, ...(collection === undefined ? {} : { collection }) },
    given: given === undefined || isReplay(args[0]) ? undefined : () => given(self, args),
  }
  const run = () =>
    operationChannels[operation].hasSubscribers
      ? publish(method, how, original, self, args)
      : original.apply(self, args as [unknown, unknown, unknown])
  if (how.kind === 'sync') return logSync(logged, run)
  if (how.kind === 'iteration') {
    return logIteration(logged, run() as AsyncGenerator<unknown, void, undefined>)
  }
  return logAsync(logged, run as () => Promise<unknown>)
}

function publish(
  method: string,
  how: TracedMethod,
  original: Method,
  self: unknown,
  args: Arguments,
): unknown {
  const channels = operationChannels[how.operation]
  const event = eventOf(method, how, self, args)
  const begin = () => original.apply(self, args as [unknown, unknown, unknown])
  if (how.kind === 'iteration') {
    const iterator = begin() as AsyncGenerator<unknown, void, undefined>
    return publishIteration(channels, event, measuredIteration(event, iterator))
  }
  let watch: CallWatch | undefined
  const run = () => {
    if (event.measure !== true) return begin()
    watch = new CallWatch()
    return watch.begin(begin)
  }
  const found = (result: unknown) => tellResult(event, how, result, args)
  const over = () => {
    if (watch !== undefined) event.phases = watch.phases()
  }
  if (how.kind === 'sync') return publishSync(channels, event, { run, found, over })
  return publishAsync(channels, event, { run: run as () => Promise<unknown>, found, over })
}

function tellResult(
  event: OperationEvent,
  how: TracedMethod,
  result: unknown,
  args: Arguments,
): void {
  const rows = how.rowsOf?.(result as never, event)
  if (rows !== undefined) event.returnedRows = rows
  const nearest = how.nearestOf?.(result as never, args)
  if (nearest !== undefined) event.nearestDistance = nearest
  if (how.logged === true) event.lsn = (result as { readonly lsn: bigint }).lsn
}

/** What the engine does before the first item is the call; once its start is published somebody may want it measured. */
async function* measuredIteration<T>(
  event: OperationEvent,
  iterator: AsyncGenerator<T, void, undefined>,
): AsyncGenerator<T, void, undefined> {
  if (event.measure !== true) return yield* iterator
  const watch = new CallWatch()
  try {
    const first = await watch.begin(() => iterator.next())
    if (first.done === true) return
    yield first.value
    yield* iterator
  } finally {
    await iterator.return()
    event.phases = watch.phases()
  }
}

function eventOf(
  method: string,
  how: TracedMethod,
  self: unknown,
  args: Arguments,
): OperationEvent {
  const { db, collection } = Measured.sourceOf(self)?.labels ?? {}
  const told: Told = { database: db, collection }
  try {
    how.tell?.(told, self, args)
  } catch {
    // An argument that cannot be read: the call itself says what is wrong with it.
  }
  const known = Object.entries(told).filter(([, value]) => value !== undefined)
  return {
    operation: how.operation,
    method,
    synchronous: how.kind === 'sync',
    ...Object.fromEntries(known),
  }
}
