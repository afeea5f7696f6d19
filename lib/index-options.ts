import type { Control, OnProgress } from './cancellation.ts'
import { VitrineError } from './errors.ts'
import type { IdSet } from './id-set.ts'
import {
  abortSignal,
  boolean,
  callback,
  integer,
  OptionParser,
  oneOf,
  share,
  text,
} from './options.ts'
import type { Ids, IdType } from './typed-arrays.ts'
import type { VectorType } from './vector-types.ts'

/**
 * Lower is nearer for each: `l2` squared Euclidean, `cosine` 1 − cos, `ip` minus the inner product. Of bits: `hamming`, how many differ,
 * and `jaccard`, 1 − |a ∧ b| / |a ∨ b|, which is 0 between two vectors without a bit.
 */
export type Metric = 'l2' | 'cosine' | 'ip' | 'hamming' | 'jaccard'

/**
 * What a search compares before it computes the distances of its hits: whole vectors (`none`), eight bits a component (`sq8`), or four
 * (`rq4`); `auto` chooses by the first thousand vectors.
 */
export type Quantization = 'none' | 'sq8' | 'rq4' | 'auto'

export interface IndexOptions<I extends IdType = 'u32', T extends VectorType = 'f32'> {
  /** Components of a vector, 1 … 65,536; of bits a multiple of 8. */
  readonly dimension: number
  /** Default `'l2'`, of bits `'hamming'`. */
  readonly metric?: Metric
  /** Of the components, default `'f32'`: what vectors and queries come in, see {@link Vectors}. */
  readonly type?: T
  /** `'u32'` (default): ids 0 … 2^32 − 1 in Uint32Arrays. `'u64'`: ids 0n … 2^64 − 1n in BigUint64Arrays. */
  readonly idType?: I
  /** Half of a node's links in the graph, 2 … 128, default 16. More finds more in hard data, and takes memory. */
  readonly m?: number
  /** Beam width of the search that links a new point, 1 … 16,384, default 200. */
  readonly efConstruction?: number
  /**
   * Searches and writes on codes are two to five times faster than on vectors. Those are kept too: distances of hits are exact, and memory
   * grows by an eighth of them (`rq4`, four bits a component) or a quarter (`sq8`, eight bits). Codes are made when there are a thousand
   * points. `'auto'` (default) then chooses: none up to 32 dimensions, `sq8` below 96 or where four bits would not tell neighbours apart,
   * else `rq4`. `explain` tells which a search uses. Vectors of bytes and bits are walked on as they are, exactly, unless those of bytes are
   * asked for `rq4`; they take no `sq8`. Floats that all are whole numbers from 0 to 255 are kept as bytes beside their codes, a byte a
   * component, and hits are compared by those.
   */
  readonly quantization?: Quantization
  /** Points to make room for at once, default 0. The index grows beyond it. */
  readonly capacity?: number
  /** Of what is left to chance, 0 … 2^53 − 1, default 0. With one thread and one seed, equal writes make equal graphs. */
  readonly seed?: number
  /** Threads of the pool that one write or batch uses at most, default all. */
  readonly threads?: number
  /** The label in metrics, default `'index'`. */
  readonly name?: string
}

export interface WriteOptions {
  /** Aborting it rejects with its reason; what was written until then (whole chunks of points) stays. */
  readonly signal?: AbortSignal
  /** Called now and then, and at the end, with how many points are done. What it throws cancels the write. */
  readonly onProgress?: OnProgress
}

export interface OptimizeOptions {
  /** Aborting it rejects with its reason; what was linked until then stays. */
  readonly signal?: AbortSignal
  /** Called now and then, and at the end, with how many rows of how many are done. What it throws ends it. */
  readonly onProgress?: OnProgress
}

export interface SaveOptions {
  /** Aborting it rejects with its reason, and leaves what was at the path. */
  readonly signal?: AbortSignal
}

export interface LoadOptions {
  /**
   * Where the vectors are kept. `'memory'` (default): they are read. `'mmap'`: they stay in the file, and the index is for reading only. Ids,
   * graph and codes, which are an eighth to a third of an index with codes, are read into memory when they are first needed, so that opening
   * takes milliseconds. So are blocks of vectors, where they stay. What is read is checked: `ERR_CORRUPT` or `ERR_IO` from the call that
   * needs it. As long as the index is open the file may be replaced, as `save` does, or removed, but not changed or cut short in place.
   */
  readonly vectors?: 'memory' | 'mmap'
  /** Threads of the pool that loading and later one write or batch use at most, default all. */
  readonly threads?: number
  /** The label in metrics, default `'index'`. */
  readonly name?: string
  /** Aborting it rejects with its reason. */
  readonly signal?: AbortSignal
}

export interface SearchOptions<I extends IdType = 'u32'> {
  /** Hits wanted, 1 … 10,000. */
  readonly k: number
  /** Beam width of the walk, 1 … 16,384, default `max(k, 64)`; below `k` it counts as `k`, on codes below `k + 2` as that. Wider finds more and takes longer. */
  readonly ef?: number
  /**
   * Instead of `ef`: the share of the true `k` nearest to be found, on average over many searches, between 0 and 1, say 0.95. The beam
   * width that reaches it is measured on points of the index when it is first asked for, in the background, and corrected by checking a
   * few of the searches; `explain` tells what is known. Until then a wide one is used; `searchBatch` of 64 queries or more waits for the
   * measurement. Where no beam reaches it every distance is computed. `ERR_OPTION` together with `ef` or `exact`.
   */
  readonly recall?: number
  /** Compute every distance instead of walking the graph. */
  readonly exact?: boolean
  /** Only these points. Prepare it with `idSet` when it serves more than one search. */
  readonly filter?: Ids<I> | IdSet<I>
  /** Aborting it rejects with its reason. A synchronous search looks at it only before it starts. */
  readonly signal?: AbortSignal
  /** `ERR_TIMEOUT` after so many milliseconds, waiting included: an integer, 1 … 2^31. */
  readonly timeoutMs?: number
}

export const metricRule = oneOf('l2', 'cosine', 'ip', 'hamming', 'jaccard')
export const typeRule = oneOf('f32', 'f16', 'bf16', 'i8', 'u8', 'bits')

export const indexOptions = new OptionParser<
  Required<IndexOptions<IdType, VectorType>>,
  'dimension'
>(
  'new Index',
  {
    dimension: integer(1, 65_536),
    metric: metricRule,
    type: typeRule,
    idType: oneOf('u32', 'u64'),
    m: integer(2, 128),
    efConstruction: integer(1, 16_384),
    quantization: oneOf('none', 'sq8', 'rq4', 'auto'),
    capacity: integer(0, 2 ** 30),
    seed: integer(0, Number.MAX_SAFE_INTEGER),
    threads: integer(1, 1024),
    name: text,
  },
  ['dimension'],
)

export const writeOptions = new OptionParser<Required<Omit<Control, 'timeoutMs'>>>('a write', {
  signal: abortSignal,
  onProgress: callback<OnProgress>(),
})

export const optimizeOptions = new OptionParser<Required<OptimizeOptions>>('optimize', {
  signal: abortSignal,
  onProgress: callback<OnProgress>(),
})

export const saveOptions = new OptionParser<Required<SaveOptions>>('save', { signal: abortSignal })

export const loadOptions = new OptionParser<Required<LoadOptions>>('Index.load', {
  vectors: oneOf('memory', 'mmap'),
  threads: integer(1, 1024),
  name: text,
  signal: abortSignal,
})

/** The options of a search before its filter has been looked at. */
interface Search {
  k: number
  ef: number
  recall: number
  exact: boolean
  filter: unknown
  signal: AbortSignal
  timeoutMs: number
}

const searchRules = {
  k: integer(1, 10_000),
  ef: integer(1, 16_384),
  recall: share,
  exact: boolean,
  filter: (value: unknown) => value,
  signal: abortSignal,
  timeoutMs: integer(1, 2 ** 31),
}

export const searchOptions = new OptionParser<Search, 'k'>('a search', searchRules, ['k'])

/** How wide a search is, as the binding takes it: its `ef`, or its `recall`, which is below 1. */
export function beamOf(search: {
  readonly ef?: number
  readonly recall?: number
  readonly exact?: boolean
}): number | undefined {
  const { ef, recall, exact } = search
  if (recall === undefined) return ef
  if (ef === undefined && exact !== true) return recall
  throw new VitrineError(
    'ERR_OPTION',
    `recall and ${ef === undefined ? 'exact' : 'ef'} exclude each other`,
    { details: { option: 'recall' } },
  )
}

/** The arrays that come with the call say what `k` is. */
export const searchIntoOptions = new OptionParser<Search>('a search', searchRules)
