import { type Fields, toFields } from './fields.ts'
import { type Metric, metricRule, type Quantization, typeRule } from './index-options.ts'
import {
  abortSignal,
  boolean,
  integer,
  OptionParser,
  oneOf,
  share,
  text,
  wellFormed,
} from './options.ts'
import type { PointId, Select } from './points.ts'
import type { VectorType } from './vector-types.ts'
import type { Where } from './where.ts'

/**
 * When a write resolves: `'commit'`, when it outlives a power cut; `'interval'`, when it outlives the process, and a power cut
 * `intervalMs` later; `'none'`, at once, and only checkpoints keep it.
 */
export type Durability = 'commit' | 'interval' | 'none'

export interface DatabaseOptions {
  /** The label in metrics; the folder's name by default. */
  readonly name?: string
  /** Default `'commit'`. */
  readonly durability?: Durability
  /** Between two flushes with `'interval'`, 1 … 3,600,000; default 1,000. */
  readonly intervalMs?: number
  /** Writes nothing, and takes no lock; stays at the moment at which it was opened, whatever others write. */
  readonly readOnly?: boolean
  /** Make the folder, and a database in it, where there is none; default true. */
  readonly create?: boolean
  readonly errorIfExists?: boolean
  /** Writes that would take more are refused with `ERR_OUT_OF_MEMORY`. */
  readonly maxMemoryBytes?: number
  /** Writes that would take more are refused with `ERR_TOO_LARGE`. */
  readonly maxDiskBytes?: number
  /**
   * How fast files that nobody reads are looked at in the background, so that damage is found while memory has everything, and
   * healed: bytes a second, default 8,000,000; 0 switches it off. A pass comes a minute after opening, and an hour after the last one.
   */
  readonly scrubBytesPerSecond?: number
  /** Of the pool, for one write; default: as many as the processor runs at once. */
  readonly threads?: number
}

/** What a collection is made of; it does not change afterwards, but for fields that are added. */
export interface CollectionConfig<F extends Fields = Fields, T extends VectorType = 'f32'> {
  /** 1 … 65,536; of bits a multiple of 8. */
  readonly dimension: number
  /** Default `'l2'`, of bits `'hamming'`. */
  readonly metric?: Metric
  /** Of the components, default `'f32'`: what vectors and queries come in, see {@link Vectors}. */
  readonly type?: T
  /** What searches compare before they rank by exact distances; default `'auto'`. */
  readonly quantization?: Quantization
  /** Degree parameter of the graph, 2 … 128, default 16. */
  readonly m?: number
  /** 1 … 16,384, default 200. */
  readonly efConstruction?: number
  /**
   * Where the vectors are kept. `'memory'` (default). `'mmap'`: those of the newest checkpoint stay in its file, which is mapped: the
   * system keeps in memory what is used of them, and takes it back. What is written since is in memory until the next checkpoint.
   * Checkpoints copy all of the file, and a file that is damaged or cut short while it is open may give wrong answers or end the process.
   * Of a database in memory they are in memory.
   */
  readonly vectors?: 'memory' | 'mmap'
  /**
   * The properties of payloads that can be filtered by, at most 64, each with the type that its value has unless it is
   * `null` or missing: `{ lang: 'keyword', tags: 'keyword[]', year: 'integer' }`.
   */
  readonly fields?: F
}

export interface CollectionInfo extends Required<CollectionConfig<Fields, VectorType>> {
  readonly name: string
  /** How many points it has. */
  readonly size: number
}

/** Bytes of memory. */
export interface DatabaseMemoryUsage {
  readonly total: number
  readonly vectors: number
  readonly graph: number
  readonly codes: number
  readonly ids: number
  readonly payloads: number
  /** What filters are computed from. */
  readonly fields: number
  readonly other: number
}

/** Bytes of disk: the log with what is prepared of it, the newest checkpoint, and the one before. */
export interface DiskUsage {
  readonly total: number
  readonly log: number
  readonly checkpoint: number
  readonly previous: number
}

/** What every asynchronous method takes. */
export interface CallOptions {
  /** Aborting it rejects with its reason; of what was begun then nothing is known but that it ends. */
  readonly signal?: AbortSignal
}

/** What verification found to be damaged. */
export interface Damage {
  readonly path: string
  readonly what: string
}

/** A message of the diagnostics channel `vitrine:damage`. */
export interface DamageEvent extends Damage {
  /** The name of the database. */
  readonly database: string
}

/** What `verify` found: nothing where everything is whole. */
export type VerifyReport = readonly Damage[]

export interface TransactionOptions {
  /** Aborting it before the write's turn comes leaves everything as it is. */
  readonly signal?: AbortSignal
  /**
   * `ERR_TIMEOUT` after so many milliseconds, 1 … 2^31. `details.outcome` says `'not_applied'` of a write that was still waiting for its
   * turn, and `'unknown'` of one that was on its way to the device.
   */
  readonly timeoutMs?: number
  /**
   * Of several transactions with the same key only the first is done, for ten minutes or a million writes: so that one
   * whose outcome is unknown can be tried again.
   */
  readonly idempotencyKey?: string
}

export type CollectionWriteOptions = TransactionOptions

export interface ReadOptions extends CallOptions {
  readonly select?: Select
}

/** Which points count: all of them without `where`. */
export interface FilterOptions<F extends Fields = Fields> extends CallOptions {
  /** An object, or a condition of SQL: `"lang = 'en' AND year >= ?"`. */
  readonly where?: Where<F> | string
  /** What the `?` of SQL text stand for, in their order. */
  readonly params?: readonly unknown[]
}

export interface ScanOptions<F extends Fields = Fields> extends ReadOptions, FilterOptions<F> {
  /** Points that are read at a time, 1 … 100,000; default 256. */
  readonly batchSize?: number
}

export interface CollectionSearchOptions<F extends Fields = Fields>
  extends ReadOptions,
    FilterOptions<F> {
  /** How many hits at most, 1 … 10,000. */
  readonly k: number
  /** Beam width of the walk, 1 … 16,384, default `max(k, 64)`. */
  readonly ef?: number
  /** Instead of `ef`: the share of the true `k` nearest to be found, as for an `Index`. */
  readonly recall?: number
  /** Compute every distance instead of walking the graph. */
  readonly exact?: boolean
  /** Lets the array of hits have a property `profile`: what the search did, and how long it took. */
  readonly profile?: boolean
  /** `ERR_TIMEOUT` after so many milliseconds. */
  readonly timeoutMs?: number
}

export interface RecommendOptions<F extends Fields = Fields> extends CollectionSearchOptions<F> {
  /** Points whose like is wanted, one at least. */
  readonly positive: readonly PointId[]
  /** Points whose like is not wanted. */
  readonly negative?: readonly PointId[]
}

const bytes = integer(1, Number.MAX_SAFE_INTEGER)
const any = (value: unknown) => value as never

export const databaseOptions = new OptionParser<Required<DatabaseOptions>>('Database.open', {
  name: text,
  durability: oneOf('commit', 'interval', 'none'),
  intervalMs: integer(1, 3_600_000),
  readOnly: boolean,
  create: boolean,
  errorIfExists: boolean,
  maxMemoryBytes: bytes,
  maxDiskBytes: bytes,
  threads: integer(1, 1024),
  scrubBytesPerSecond: integer(0, Number.MAX_SAFE_INTEGER),
})

export const collectionConfig = new OptionParser<
  Required<CollectionConfig<Fields, VectorType>>,
  'dimension'
>(
  'createCollection',
  {
    dimension: integer(1, 65_536),
    metric: metricRule,
    type: typeRule,
    quantization: oneOf('none', 'sq8', 'rq4', 'auto'),
    m: integer(2, 128),
    efConstruction: integer(1, 16_384),
    vectors: oneOf('memory', 'mmap'),
    fields: toFields,
  },
  ['dimension'],
)

const timeoutMs = integer(1, 2 ** 31)
const writeRules = { idempotencyKey: wellFormed, signal: abortSignal, timeoutMs }

export const collectionWriteOptions = new OptionParser<Required<CollectionWriteOptions>>(
  'a write',
  writeRules,
)

export const transactionOptions = new OptionParser<Required<TransactionOptions>>(
  'transaction',
  writeRules,
)

export const callOptions = new OptionParser<Required<CallOptions>>('this call', {
  signal: abortSignal,
})

export const readOptions = new OptionParser<Required<ReadOptions>>('a read', {
  select: any,
  signal: abortSignal,
})

export const filterOptions = new OptionParser<Required<FilterOptions>>('count', {
  where: any,
  params: any,
  signal: abortSignal,
})

/** What `delete` takes in place of ids. */
export const deletion = new OptionParser<Required<Omit<FilterOptions, 'signal'>>, 'where'>(
  'delete',
  { where: any, params: any },
  ['where'],
)

export const scanOptions = new OptionParser<Required<ScanOptions>>('scan', {
  select: any,
  where: any,
  params: any,
  signal: abortSignal,
  batchSize: integer(1, 100_000),
})

const searchRules = {
  k: integer(1, 10_000),
  ef: integer(1, 16_384),
  recall: share,
  exact: boolean,
  select: any,
  where: any,
  params: any,
  profile: boolean,
  signal: abortSignal,
  timeoutMs,
}

export const collectionSearchOptions = new OptionParser<Required<CollectionSearchOptions>, 'k'>(
  'a search',
  searchRules,
  ['k'],
)

export const recommendOptions = new OptionParser<Required<RecommendOptions>, 'k' | 'positive'>(
  'recommend',
  { ...searchRules, positive: any, negative: any },
  ['k', 'positive'],
)
