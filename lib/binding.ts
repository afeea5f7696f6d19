import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import type { OperationPhase } from './channels.ts'
import { VitrineError } from './errors.ts'
import type { Fields } from './fields.ts'
import type { NativeFamily, NativeStats, NativeStatsSnapshot } from './native-stats.ts'
import type { SearchCost, SearchPlan } from './search-plan.ts'
import type { VectorArray } from './vector-types.ts'

declare const kind: unique symbol
interface Handle<K extends string> {
  readonly [kind]: K
}
export type IndexHandle = Handle<'index'>
export type IdSetHandle = Handle<'id set'>
/** Cancels one operation. */
export type CancelToken = Handle<'cancel token'>
export type DatabaseHandle = Handle<'database'>
export type CollectionHandle = Handle<'collection'>
export type TransactionHandle = Handle<'transaction'>
export type ScanHandle = Handle<'scan'>
export type StatsSnapshotHandle = Handle<'stats snapshot'>
export type ExporterHandle = Handle<'exporter'>
export type WatchHandle = Handle<'watch'>
/** What has statistics. */
export type StatsSource = IndexHandle | DatabaseHandle | CollectionHandle

type NativeIds = Uint32Array | BigUint64Array
type Filter = IdSetHandle | NativeIds | undefined
type Progress = (done: number, total: number) => void

/** What a point of a collection is called. */
export type NativeKey = string | number | bigint

/** Points in parallel arrays; `keys` has a hole where there is no point. */
export interface NativePoints {
  readonly keys: readonly (NativeKey | undefined)[]
  /** Missing where no point has one. */
  readonly payloads?: readonly (string | undefined)[]
  readonly vectors?: VectorArray
}

/** What a search of a collection found. */
export interface NativeHits extends NativePoints {
  readonly distances: readonly number[]
}

/** What a search of a collection would do, and how much its filter admits. */
export interface NativeCollectionPlan {
  readonly plan: SearchPlan
  readonly estimatedShare: number
  readonly share: number
}

/** What became of a write; an array, which takes the binding a third of the time of an object. */
export type NativeAck = readonly [lsn: bigint, durable: boolean, deleted: number]

/** Bytes of memory. */
export interface MemoryUsage {
  readonly total: number
  readonly vectors: number
  readonly graph: number
  readonly codes: number
  readonly ids: number
  readonly other: number
}

/** The functions of native/binding. Each checks every argument again. */
export interface NativeBinding {
  initialize(errorClass: typeof VitrineError, instructionSet: string): void
  engineInfo(): { instructionSet: string; threads: number }
  errorCodes(): string[]

  createIndex(
    dimension: number,
    metric: string,
    idType: string,
    m: number | undefined,
    efConstruction: number | undefined,
    capacity: number | undefined,
    seed: number | undefined,
    threads: number | undefined,
    quantization: string,
    type: string,
  ): IndexHandle
  closeIndex(index: IndexHandle): Promise<void>
  indexSize(index: IndexHandle): number
  /** Writes as many ids as fit, in ascending order; returns how many there are. */
  indexIds(index: IndexHandle, out: NativeIds): number
  hasId(index: IndexHandle, id: number | bigint): boolean
  getVectors(index: IndexHandle, ids: NativeIds, out: VectorArray): void
  /** At once; or, while a write is pending, after it. */
  reserveRoom(index: IndexHandle, count: number): Promise<void> | undefined
  memoryUsage(index: IndexHandle): MemoryUsage
  createIdSet(index: IndexHandle, ids: NativeIds): IdSetHandle

  statsFamilies(): NativeFamily[]
  setStatsLevel(source: StatsSource, level: string, recallSampleRate: number): void
  /** Does nothing when it is closed, or not counted. @param operation - `'search'` or `'batch'`. */
  countSlowSearch(source: StatsSource, operation: string): void
  /** For `readStats` alone. */
  resetStats(source: StatsSource): void
  /** Null while statistics are off. */
  readStats(source: StatsSource): NativeStats | null
  takeStatsSnapshot(
    source: StatsSource,
    since: StatsSnapshotHandle | undefined,
  ): NativeStatsSnapshot & { readonly handle: StatsSnapshotHandle }
  /** Times are told from now on. */
  createWatch(): WatchHandle
  /** Of the operations that begin until it is set anew. */
  setWatch(watch: WatchHandle | undefined): void
  /** Of those that have been settled. */
  readWatch(watch: WatchHandle): OperationPhase[]

  /** `labels` are those that are exported; undefined: all. */
  createExporter(
    version: string,
    node: string,
    labels: readonly string[] | undefined,
    compat: readonly string[],
  ): ExporterHandle
  exportMetrics(
    exporter: ExporterHandle,
    format: string,
    /** What is closed is left out. */
    sources: readonly StatsSource[],
    /** Of the database and of the collection, for each source. */
    names: readonly string[],
    /** Those whose collections are told apart, for each source. */
    databases: readonly (DatabaseHandle | undefined)[],
    /** The user's metrics, as lib/metrics/user-metrics.ts writes them. */
    layout: Uint8Array | undefined,
    values: Float64Array,
    /** Those of which samples found no room, and how many of each. */
    families: readonly string[],
    overflow: Float64Array,
  ): Promise<Buffer>

  /** `out` receives the ids; with `null` they are given out in sequence. */
  addPoints(
    index: IndexHandle,
    ids: NativeIds | null,
    vectors: VectorArray,
    out: NativeIds,
    token: CancelToken | undefined,
    onProgress: Progress | undefined,
  ): Promise<void>
  upsertPoints(
    index: IndexHandle,
    ids: NativeIds,
    vectors: VectorArray,
    token: CancelToken | undefined,
    onProgress: Progress | undefined,
  ): Promise<void>
  removePoints(
    index: IndexHandle,
    ids: NativeIds,
    token: CancelToken | undefined,
    onProgress: Progress | undefined,
  ): Promise<number>
  createCancelToken(): CancelToken
  cancelOperation(token: CancelToken): void
  /** The time of a write of a database is over. */
  expireOperation(token: CancelToken): void

  /** Without `k` there are as many hits as `ids` has room for. */
  searchInto(
    index: IndexHandle,
    query: VectorArray,
    ids: NativeIds,
    distances: Float32Array,
    k: number | undefined,
    beam: number | undefined,
    exact: boolean,
    filter: Filter,
    timeoutMs: number | undefined,
  ): number
  search(
    index: IndexHandle,
    query: VectorArray,
    ids: NativeIds,
    distances: Float32Array,
    k: number,
    beam: number | undefined,
    exact: boolean,
    filter: Filter,
    timeoutMs: number | undefined,
    token: CancelToken | undefined,
  ): Promise<number>
  searchBatch(
    index: IndexHandle,
    queries: VectorArray,
    ids: NativeIds,
    distances: Float32Array,
    counts: Uint32Array,
    k: number,
    beam: number | undefined,
    exact: boolean,
    filter: Filter,
    timeoutMs: number | undefined,
    token: CancelToken | undefined,
  ): Promise<void>
  explain(
    index: IndexHandle,
    query: VectorArray,
    k: number,
    beam: number | undefined,
    exact: boolean,
    filter: Filter,
    timeoutMs: number | undefined,
  ): SearchPlan
  analyze(
    index: IndexHandle,
    query: VectorArray,
    ids: NativeIds,
    distances: Float32Array,
    k: number,
    beam: number | undefined,
    exact: boolean,
    filter: Filter,
    timeoutMs: number | undefined,
    token: CancelToken | undefined,
  ): Promise<SearchCost & { count: number; plan: SearchPlan }>

  optimizeIndex(
    index: IndexHandle,
    token: CancelToken | undefined,
    onProgress: Progress | undefined,
  ): Promise<void>
  saveIndex(
    index: IndexHandle,
    path: string,
    creator: string,
    token: CancelToken | undefined,
  ): Promise<void>
  loadIndex(
    path: string,
    mapped: boolean,
    threads: number | undefined,
    token: CancelToken | undefined,
  ): Promise<{
    handle: IndexHandle
    dimension: number
    metric: string
    idType: string
    type: string
  }>

  openDatabase(
    path: string,
    durability: string,
    intervalMs: number | undefined,
    readOnly: boolean,
    create: boolean,
    errorIfExists: boolean,
    maxMemoryBytes: number | undefined,
    maxDiskBytes: number | undefined,
    threads: number | undefined,
    creator: string,
    /** 0: never. */
    scrubBytesPerSecond: number | undefined,
  ): Promise<DatabaseHandle>
  /** Calls it when scrubbing finds damage; it must not hold the handle. */
  watchDatabase(database: DatabaseHandle, callback: (path: string, what: string) => void): void
  closeDatabase(database: DatabaseHandle): Promise<void>
  databaseState(database: DatabaseHandle): {
    readOnly: boolean
    degraded: boolean
    lastLsn: bigint
    durableLsn: bigint
  }
  databaseUsage(database: DatabaseHandle): {
    vectors: number
    graph: number
    codes: number
    ids: number
    payloads: number
    fields: number
    other: number
    log: number
    checkpoint: number
    previous: number
  }
  listCollections(database: DatabaseHandle): string[]
  listAliases(database: DatabaseHandle): Record<string, string>
  createCollection(
    database: DatabaseHandle,
    name: string,
    dimension: number,
    metric: string,
    m: number | undefined,
    efConstruction: number | undefined,
    /** Names, each followed by its type. */
    fields: readonly string[],
    quantization: string | undefined,
    type: string,
    vectors: string | undefined,
    token: CancelToken | undefined,
  ): Promise<CollectionHandle>
  openCollection(database: DatabaseHandle, name: string): CollectionHandle
  dropCollection(
    database: DatabaseHandle,
    name: string,
    token: CancelToken | undefined,
  ): Promise<void>
  addField(
    collection: CollectionHandle,
    name: string,
    type: string,
    token: CancelToken | undefined,
  ): Promise<void>
  setAlias(
    database: DatabaseHandle,
    alias: string,
    name: string,
    token: CancelToken | undefined,
  ): Promise<void>
  dropAlias(database: DatabaseHandle, alias: string, token: CancelToken | undefined): Promise<void>
  flushDatabase(database: DatabaseHandle, token: CancelToken | undefined): Promise<void>
  checkpointDatabase(database: DatabaseHandle, token: CancelToken | undefined): Promise<void>
  backupDatabase(
    database: DatabaseHandle,
    folder: string,
    token: CancelToken | undefined,
  ): Promise<void>
  verifyDatabase(
    database: DatabaseHandle,
    token: CancelToken | undefined,
  ): Promise<{ path: string; what: string }[]>
  scrubDatabase(
    database: DatabaseHandle,
    token: CancelToken | undefined,
  ): Promise<{ path: string; what: string }[]>
  restoreBackup(
    from: string,
    to: string,
    creator: string,
    token: CancelToken | undefined,
  ): Promise<void>

  createTransaction(database: DatabaseHandle): TransactionHandle
  putPoints(
    transaction: TransactionHandle,
    collection: CollectionHandle,
    keys: readonly NativeKey[],
    vectors: VectorArray,
    payloads: readonly (string | undefined)[] | undefined,
    insert: boolean,
  ): void
  setPayload(
    transaction: TransactionHandle,
    collection: CollectionHandle,
    key: NativeKey,
    payload: string,
    expectedLsn: bigint,
  ): void
  deletePoints(
    transaction: TransactionHandle,
    collection: CollectionHandle,
    keys: readonly NativeKey[],
  ): void
  deletePointsWhere(
    transaction: TransactionHandle,
    collection: CollectionHandle,
    where: string,
  ): void
  setIdempotencyKey(transaction: TransactionHandle, key: string): void
  commitTransaction(
    transaction: TransactionHandle,
    token: CancelToken | undefined,
    timeoutMs: number | undefined,
  ): Promise<NativeAck>
  writePoints(
    collection: CollectionHandle,
    keys: readonly NativeKey[],
    vectors: VectorArray,
    payloads: readonly (string | undefined)[] | undefined,
    insert: boolean,
    idempotencyKey: string | undefined,
    token: CancelToken | undefined,
    timeoutMs: number | undefined,
  ): Promise<NativeAck>

  optimizeCollection(
    collection: CollectionHandle,
    token: CancelToken | undefined,
    onProgress: Progress | undefined,
  ): Promise<void>
  collectionState(collection: CollectionHandle): {
    name: string
    metric: string
    quantization: string
    type: string
    vectors: string
    dimension: number
    m: number
    efConstruction: number
    size: number
    fields: Fields
  }
  countPoints(
    collection: CollectionHandle,
    where: string,
    token: CancelToken | undefined,
  ): Promise<number>
  hasPoint(collection: CollectionHandle, key: NativeKey): boolean
  getPoints(
    collection: CollectionHandle,
    keys: readonly NativeKey[],
    payload: boolean,
    vector: boolean,
  ): NativePoints & { readonly lsns: readonly (bigint | undefined)[] }
  searchCollection(
    collection: CollectionHandle,
    query: VectorArray,
    k: number,
    beam: number | undefined,
    exact: boolean,
    payload: boolean,
    vector: boolean,
    timeoutMs: number | undefined,
    where: string | undefined,
    token: CancelToken | undefined,
  ): Promise<NativeHits>
  analyzeCollection(
    collection: CollectionHandle,
    query: VectorArray,
    k: number,
    beam: number | undefined,
    exact: boolean,
    payload: boolean,
    vector: boolean,
    timeoutMs: number | undefined,
    where: string | undefined,
    token: CancelToken | undefined,
  ): Promise<NativeHits & NativeCollectionPlan & SearchCost>
  explainCollection(
    collection: CollectionHandle,
    query: VectorArray,
    k: number,
    beam: number | undefined,
    exact: boolean,
    payload: boolean,
    vector: boolean,
    timeoutMs: number | undefined,
    where: string | undefined,
  ): NativeCollectionPlan
  openScan(
    collection: CollectionHandle,
    where: string | undefined,
    token: CancelToken | undefined,
  ): Promise<ScanHandle>
  readScan(scan: ScanHandle, count: number, payload: boolean, vector: boolean): NativePoints
  closeScan(scan: ScanHandle): void
}

const require = createRequire(import.meta.url)
const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** The addon, loaded with this module: from build/Release, or the prebuilt one for this platform. */
export const native: NativeBinding = load()

export const version = (
  JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
).version

function load(): NativeBinding {
  const loadFrom = require('node-gyp-build') as (folder: string) => NativeBinding
  let binding: NativeBinding
  try {
    binding = loadFrom(root)
  } catch (cause) {
    throw noBinary(cause)
  }
  binding.initialize(VitrineError, process.env.VITRINE_ISA ?? '')
  return binding
}

function noBinary(cause: unknown): VitrineError {
  const { platform, arch, version } = process
  const script = join(root, 'scripts', 'build-native.mjs')
  return new VitrineError(
    'ERR_NO_BINARY',
    `vitrine has no native binary for ${platform}-${arch}, Node ${version}. ` +
      `To build one (this takes a C++20 compiler, make and python3): node ${fromHere(script)}`,
    { details: { platform, arch, node: version }, cause },
  )
}

function fromHere(path: string): string {
  try {
    return relative(process.cwd(), path)
  } catch {
    return path // the current folder has been deleted
  }
}
