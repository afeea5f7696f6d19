import { resolve } from 'node:path'
import { type IndexHandle, type MemoryUsage, native, version } from './binding.ts'
import { type Control, cancellable, type OnProgress } from './cancellation.ts'
import { checked, coded, describe, VitrineError } from './errors.ts'
import { IdSet } from './id-set.ts'
import { abortSignal, boolean, callback, integer, OptionParser, oneOf, text } from './options.ts'
import type { SearchCounters, SearchPlan } from './search-plan.ts'
import {
  allocate,
  type Id,
  type IdArray,
  type Ids,
  type IdType,
  lengthOf,
  newIdArray,
  toIds,
  toVectors,
  type Vectors,
} from './typed-arrays.ts'

/** Lower is nearer for each: `l2` squared Euclidean, `cosine` 1 − cos, `ip` minus the inner product. */
export type Metric = 'l2' | 'cosine' | 'ip'

export interface IndexOptions<I extends IdType = 'u32'> {
  /** Components of a vector, 1 … 65,536. */
  readonly dimension: number
  /** Default `'l2'`. */
  readonly metric?: Metric
  /** Of the components: `'f32'`. */
  readonly type?: 'f32'
  /** `'u32'` (default): ids 0 … 2^32 − 1 in Uint32Arrays. `'u64'`: ids 0n … 2^64 − 1n in BigUint64Arrays. */
  readonly idType?: I
  /** Half of a node's links in the graph, 2 … 128, default 16. More finds more in hard data, and takes memory. */
  readonly m?: number
  /** Beam width of the search that links a new point, 1 … 16,384, default 200. */
  readonly efConstruction?: number
  /** How vectors are compressed for the search: `'none'`. */
  readonly quantization?: 'none'
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

export interface SaveOptions {
  /** Aborting it rejects with its reason, and leaves what was at the path. */
  readonly signal?: AbortSignal
}

export interface LoadOptions {
  /** Where the vectors are kept: `'memory'`. */
  readonly vectors?: 'memory'
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
  /** Beam width of the walk, 1 … 16,384, default `max(k, 64)`; below `k` it counts as `k`. Wider finds more and takes longer. */
  readonly ef?: number
  /** Compute every distance instead of walking the graph. */
  readonly exact?: boolean
  /** Only these points. Prepare it with `idSet` when it serves more than one search. */
  readonly filter?: Ids<I> | IdSet<I>
  /** Aborting it rejects with its reason. A synchronous search looks at it only before it starts. */
  readonly signal?: AbortSignal
  /** `ERR_TIMEOUT` after so many milliseconds, waiting included: an integer, 1 … 2^31. */
  readonly timeoutMs?: number
}

/** As many hits as there are, at most `k`: nearest first, ties by lower id. */
export interface SearchResult<I extends IdType = 'u32'> {
  readonly ids: IdArray<I>
  readonly distances: Float32Array
}

/** Hits of query `i` are at `i * k` and the `counts[i]` elements from there on. */
export interface BatchResult<I extends IdType = 'u32'> {
  /** `[n * k]`; unused elements hold the greatest id of the type. */
  readonly ids: IdArray<I>
  /** `[n * k]`; unused elements hold Infinity. */
  readonly distances: Float32Array
  /** `[n]` */
  readonly counts: Uint32Array
}

/** A search, with what it did and how long it took. */
export interface SearchAnalysis<I extends IdType = 'u32'> extends SearchResult<I> {
  readonly plan: SearchPlan
  readonly counters: SearchCounters
  /** On the thread that searched, without waiting. */
  readonly nanoseconds: number
}

type Creation = Required<IndexOptions<IdType>>

/** What an index tells of itself. */
type Description<I extends IdType> = Pick<Creation, 'dimension' | 'metric' | 'type' | 'name'> & {
  idType: I
}

/** What `load` hands to the constructor in place of options. */
class LoadedIndex {
  readonly #ours = true
  readonly handle: IndexHandle
  readonly description: Description<IdType>

  constructor(handle: IndexHandle, description: Description<IdType>) {
    this.handle = handle
    this.description = description
  }

  static is(value: unknown): value is LoadedIndex {
    return typeof value === 'object' && value !== null && #ours in value
  }
}

const indexOptions = new OptionParser<Creation>('new Index', {
  dimension: integer(1, 65_536),
  metric: oneOf('l2', 'cosine', 'ip'),
  type: oneOf('f32'),
  idType: oneOf('u32', 'u64'),
  m: integer(2, 128),
  efConstruction: integer(1, 16_384),
  quantization: oneOf('none'),
  capacity: integer(0, 2 ** 30),
  seed: integer(0, Number.MAX_SAFE_INTEGER),
  threads: integer(1, 1024),
  name: text,
})

const writeOptions = new OptionParser<Required<Control>>('a write', {
  signal: abortSignal,
  onProgress: callback<OnProgress>(),
})

const saveOptions = new OptionParser<Required<SaveOptions>>('save', { signal: abortSignal })

const loadOptions = new OptionParser<Required<LoadOptions>>('Index.load', {
  vectors: oneOf('memory'),
  threads: integer(1, 1024),
  name: text,
  signal: abortSignal,
})

interface Search {
  k: number
  ef: number
  exact: boolean
  filter: unknown
  signal: AbortSignal
  timeoutMs: number
}

const searchOptions = new OptionParser<Search>('a search', {
  k: integer(1, 10_000),
  ef: integer(1, 16_384),
  exact: boolean,
  filter: value => value,
  signal: abortSignal,
  timeoutMs: integer(1, 2 ** 31),
})

/**
 * Vectors in memory, and the graph that finds the nearest of them.
 *
 * Writes of one index run one after the other, off the event loop; each becomes visible in chunks
 * of points. Searches run beside them, and each sees the points of the moment when it began.
 * Asynchronous methods copy their input before they return and only reject; the others throw. What
 * is thrown is a {@link VitrineError}.
 *
 * An index that is no longer referenced frees its memory some time later; `close` does so at once.
 */
export class Index<I extends IdType = 'u32'> {
  readonly #handle: IndexHandle
  readonly #options: Description<I>
  #closing: Promise<void> | undefined

  /** @throws {VitrineError} `ERR_OPTION`; `ERR_OUT_OF_MEMORY` when there is none for `capacity`. */
  constructor(options: IndexOptions<I>) {
    if (LoadedIndex.is(options)) {
      this.#handle = options.handle
      this.#options = options.description as Description<I>
      return
    }
    try {
      const parsed = indexOptions.parse(options)
      const { dimension, metric = 'l2', type = 'f32', name = 'index' } = parsed
      const idType = (parsed.idType ?? 'u32') as I
      if (dimension === undefined) {
        throw missing('dimension')
      }
      const { m, efConstruction, capacity, seed, threads } = parsed
      this.#handle = native.createIndex(
        dimension,
        metric,
        idType,
        m,
        efConstruction,
        capacity,
        seed,
        threads,
      )
      this.#options = { dimension, metric, type, idType, name }
    } catch (error) {
      throw coded(error)
    }
  }

  /**
   * Opens what `save` wrote. Trusts no byte of the file.
   * @returns An index with the ids, vectors, graph and options of the saved one. The type argument
   *   is the id type that the file is known to have; `idType` tells which it has.
   * @throws {VitrineError} `ERR_IO`; `ERR_CORRUPT` if the file is damaged; `ERR_FORMAT` if it is
   *   another kind of file or of a newer release; `ERR_OUT_OF_MEMORY`.
   */
  static async load<I extends IdType = 'u32'>(
    path: string,
    options?: LoadOptions,
  ): Promise<Index<I>> {
    const { threads, name = 'index', signal } = loadOptions.parse(options)
    const file = checked(() => absolute(path))
    const { handle, dimension, metric, idType } = await cancellable(controlOf(signal), token =>
      native.loadIndex(file, threads, token),
    )
    const description: Description<IdType> = {
      dimension,
      metric: metric as Metric,
      type: 'f32',
      idType: idType as IdType,
      name,
    }
    return new Index<I>(new LoadedIndex(handle, description) as unknown as IndexOptions<I>)
  }

  /**
   * Writes the index to a file, which is replaced in one step when everything is on the device. The
   * image holds all writes that were called before; later ones do not wait for it.
   * @throws {VitrineError} `ERR_IO`, and then what was at the path is still there.
   */
  async save(path: string, options?: SaveOptions): Promise<void> {
    const { signal } = saveOptions.parse(options)
    const { handle, file } = checked(() => ({ handle: this.#handle, file: absolute(path) }))
    await cancellable(controlOf(signal), token =>
      native.saveIndex(handle, file, `vitrine ${version}`, token),
    )
  }

  /** How many points there are; 0 once closed. */
  get size(): number {
    return checked(() => (this.#closing === undefined ? native.indexSize(this.#handle) : 0))
  }

  get dimension(): number {
    return checked(() => this.#options.dimension)
  }

  get metric(): Metric {
    return checked(() => this.#options.metric)
  }

  get type(): 'f32' {
    return checked(() => this.#options.type)
  }

  get idType(): I {
    return checked(() => this.#options.idType)
  }

  get name(): string {
    return checked(() => this.#options.name)
  }

  /** Whether `close` has been called. */
  get closed(): boolean {
    return checked(() => this.#closing !== undefined)
  }

  /**
   * Adds points. All or none, unless it is aborted or memory runs out: then the chunks of points
   * that were finished stay.
   * @param ids - One for each vector; `null` gives them out in sequence, after the highest so far.
   * @param vectors - `[n * dimension]`, finite.
   * @returns The ids, in a new array.
   * @throws {VitrineError} `ERR_EXISTS` if an id is there or comes twice; `ERR_VECTOR`, `ERR_ID`,
   *   `ERR_DIMENSION`.
   */
  async add(ids: Ids<I> | null, vectors: Vectors, options?: WriteOptions): Promise<IdArray<I>> {
    const control = writeOptions.parse(options)
    const write = checked(() => {
      const { dimension, idType } = this.#options
      const rows = toVectors(vectors)
      const given = ids === null ? null : toIds(ids, idType)
      const out = newIdArray(idType, Math.floor(lengthOf(rows) / dimension))
      return { handle: this.#handle, given, rows, out }
    })
    await cancellable(control, (token, onProgress) =>
      native.addPoints(write.handle, write.given, write.rows, write.out, token, onProgress),
    )
    return write.out
  }

  /**
   * Adds points, and gives points that are there a new vector. Of an id that comes twice the last
   * counts.
   * @throws {VitrineError} `ERR_VECTOR`, `ERR_ID`, `ERR_DIMENSION`; then nothing has changed.
   */
  async upsert(ids: Ids<I>, vectors: Vectors, options?: WriteOptions): Promise<void> {
    const control = writeOptions.parse(options)
    const write = checked(() => ({
      handle: this.#handle,
      ids: toIds(ids, this.#options.idType),
      rows: toVectors(vectors),
    }))
    await cancellable(control, (token, onProgress) =>
      native.upsertPoints(write.handle, write.ids, write.rows, token, onProgress),
    )
  }

  /**
   * Removes points.
   * @returns How many of them were there.
   */
  async remove(ids: Ids<I>, options?: WriteOptions): Promise<number> {
    const control = writeOptions.parse(options)
    const write = checked(() => ({
      handle: this.#handle,
      ids: toIds(ids, this.#options.idType),
    }))
    return cancellable(control, (token, onProgress) =>
      native.removePoints(write.handle, write.ids, token, onProgress),
    )
  }

  /** Whether there is a point with this id. */
  has(id: Id<I>): boolean {
    return checked(() => native.hasId(this.#handle, id))
  }

  /**
   * The vectors of points as they were put, bit for bit: `[n * dimension]`.
   * @throws {VitrineError} `ERR_NOT_FOUND` names the first id that is not there.
   */
  get(ids: Ids<I>): Float32Array {
    return checked(() => {
      const { dimension, idType } = this.#options
      const wanted = toIds(ids, idType)
      const out = allocate(() => new Float32Array(lengthOf(wanted) * dimension))
      native.getVectors(this.#handle, wanted, out)
      return out
    })
  }

  /** The ids of all points, ascending. */
  ids(): IdArray<I> {
    return checked(() => {
      // A write may run meanwhile: once more if there are more ids than there were.
      for (let length = native.indexSize(this.#handle); ; ) {
        const out = newIdArray(this.#options.idType, length)
        const count = native.indexIds(this.#handle, out)
        if (count <= length) return out.subarray(0, count) as IdArray<I>
        length = count
      }
    })
  }

  /**
   * Makes room for `count` points in all, so that adding them allocates nothing. While a write is
   * pending this happens after it.
   * @throws {VitrineError} `ERR_OUT_OF_MEMORY`; `ERR_ARGUMENT` beyond 2^30.
   */
  reserve(count: number): void {
    // A close may overtake it: then there is nothing to make room for.
    checked(() => native.reserveRoom(this.#handle, count))?.catch(() => undefined)
  }

  /**
   * Finds the `k` points nearest to `query`, on this thread: the fastest way for one query.
   * @param query - One vector, `[dimension]`; under cosine it need not be normalised.
   * @throws {VitrineError} `ERR_DIMENSION`, `ERR_VECTOR`, `ERR_OPTION`, `ERR_TIMEOUT`, `ERR_CLOSED`.
   */
  searchSync(query: Vectors, options: SearchOptions<I>): SearchResult<I> {
    const { k, ef, exact, filter, signal, timeoutMs } = searchOptions.parse(options)
    if (k === undefined) throw missing('k')
    if (signal?.aborted) throw signal.reason
    try {
      const ids = newIdArray(this.#options.idType, k)
      const distances = new Float32Array(k)
      const count = native.searchInto(
        this.#handle,
        toVectors(query),
        ids,
        distances,
        k,
        ef,
        exact ?? false,
        this.#filter(filter),
        timeoutMs,
      )
      return shortened(ids, distances, count)
    } catch (error) {
      throw coded(error)
    }
  }

  /** As `searchSync`, off the event loop. `query` is copied first. */
  async search(query: Vectors, options: SearchOptions<I>): Promise<SearchResult<I>> {
    const search = checked(() => this.#search(query, options))
    const { ids, distances } = search
    const count = await cancellable(search.control, token =>
      native.search(
        search.handle,
        search.query,
        ids,
        distances,
        search.k,
        search.ef,
        search.exact,
        search.filter,
        search.timeoutMs,
        token,
      ),
    )
    return shortened(ids, distances, count)
  }

  /**
   * As `searchSync`, into arrays of the caller: allocates nothing. `k` is the length of `out.ids`
   * unless `options` has a smaller one.
   * @returns How many hits were written; elements beyond stay as they are.
   */
  searchInto(query: Vectors, out: SearchResult<I>, options?: Partial<SearchOptions<I>>): number {
    const { k, ef, exact, filter, signal, timeoutMs } = searchOptions.parse(options)
    if (signal?.aborted) throw signal.reason
    try {
      if (typeof out !== 'object' || out === null) {
        throw new VitrineError('ERR_ARGUMENT', `out must be an object, not ${describe(out)}`)
      }
      const { ids, distances } = out
      return native.searchInto(
        this.#handle,
        toVectors(query),
        ids,
        distances,
        k,
        ef,
        exact ?? false,
        this.#filter(filter),
        timeoutMs,
      )
    } catch (error) {
      throw coded(error)
    }
  }

  /**
   * Many searches, on all threads of the pool.
   * @param queries - `[n * dimension]`, copied first.
   */
  async searchBatch(queries: Vectors, options: SearchOptions<I>): Promise<BatchResult<I>> {
    const { k, ef, exact, filter, signal, timeoutMs } = searchOptions.parse(options)
    if (k === undefined) throw missing('k')
    const batch = checked(() => {
      const { dimension, idType } = this.#options
      const rows = toVectors(queries)
      const count = Math.floor(lengthOf(rows) / dimension)
      return {
        handle: this.#handle,
        rows,
        filter: this.#filter(filter),
        ids: newIdArray(idType, count * k),
        distances: allocate(() => new Float32Array(count * k)),
        counts: allocate(() => new Uint32Array(count)),
      }
    })
    const { ids, distances, counts } = batch
    await cancellable(controlOf(signal), token =>
      native.searchBatch(
        batch.handle,
        batch.rows,
        ids,
        distances,
        counts,
        k,
        ef,
        exact ?? false,
        batch.filter,
        timeoutMs,
        token,
      ),
    )
    return { ids, distances, counts }
  }

  /**
   * A filter that is prepared once for many searches. It goes by id: points that come and go later
   * are in it, or not, as their ids are.
   * @param ids - In any order; they need not be there.
   */
  idSet(ids: Ids<I>): IdSet<I> {
    return checked(() => {
      const { idType } = this.#options
      return new IdSet(native.createIdSet(this.#handle, toIds(ids, idType)), idType)
    })
  }

  /** How a search would go about its work, without running it. */
  explain(query: Vectors, options: SearchOptions<I>): SearchPlan {
    const { k, ef, exact, filter, timeoutMs } = searchOptions.parse(options)
    if (k === undefined) throw missing('k')
    return checked(() =>
      native.explain(
        this.#handle,
        toVectors(query),
        k,
        ef,
        exact ?? false,
        this.#filter(filter),
        timeoutMs,
      ),
    )
  }

  /** As `search`, with the plan, what the search did and how long it took. */
  async analyze(query: Vectors, options: SearchOptions<I>): Promise<SearchAnalysis<I>> {
    const search = checked(() => this.#search(query, options))
    const { ids, distances } = search
    const { count, plan, counters, nanoseconds } = await cancellable(search.control, token =>
      native.analyze(
        search.handle,
        search.query,
        ids,
        distances,
        search.k,
        search.ef,
        search.exact,
        search.filter,
        search.timeoutMs,
        token,
      ),
    )
    return { ...shortened(ids, distances, count), plan, counters, nanoseconds }
  }

  /** Bytes of memory, by what they are for. */
  memoryUsage(): MemoryUsage {
    return checked(() => native.memoryUsage(this.#handle))
  }

  /**
   * Ends the index: new calls are refused with `ERR_CLOSED`, pending searches and writes reject
   * with it, a pending `save` is finished, and the memory is freed. May be called again.
   */
  async close(): Promise<void> {
    await checked(() => {
      this.#closing ??= native.closeIndex(this.#handle)
      return this.#closing
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #search(query: Vectors, options: SearchOptions<I>) {
    const { k, ef, exact, filter, signal, timeoutMs } = searchOptions.parse(options)
    if (k === undefined) throw missing('k')
    return {
      handle: this.#handle,
      query: toVectors(query),
      ids: newIdArray(this.#options.idType, k),
      distances: allocate(() => new Float32Array(k)),
      k,
      ef,
      exact: exact ?? false,
      filter: this.#filter(filter),
      timeoutMs,
      control: controlOf(signal),
    }
  }

  #filter(filter: unknown) {
    if (filter === undefined) return undefined
    return IdSet.handleOf(filter) ?? toIds(filter, this.#options.idType)
  }
}

function controlOf(signal: AbortSignal | undefined): Control {
  return signal === undefined ? {} : { signal }
}

/** The path, from the current folder of this moment. The binding judges what is no path. */
function absolute(path: string): string {
  return typeof path === 'string' && path !== '' ? resolve(path) : path
}

function missing(option: string): VitrineError {
  return new VitrineError('ERR_OPTION', `${option} is required`, { details: { option } })
}

function shortened<I extends IdType>(
  ids: IdArray<I>,
  distances: Float32Array,
  count: number,
): SearchResult<I> {
  if (count === ids.length) return { ids, distances }
  return { ids: ids.subarray(0, count) as IdArray<I>, distances: distances.subarray(0, count) }
}
