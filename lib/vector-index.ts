import { chmod } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type IndexHandle, type MemoryUsage, native, version } from './binding.ts'
import { type Control, cancellable } from './cancellation.ts'
import { checked, coded, describe, VitrineError } from './errors.ts'
import { replaceable } from './file-replacement.ts'
import { IdSet } from './id-set.ts'
import {
  beamOf,
  type IndexOptions,
  type LoadOptions,
  loadOptions,
  type Metric,
  type OptimizeOptions,
  optimizeOptions,
  type SaveOptions,
  type SearchOptions,
  saveOptions,
  searchIntoOptions,
  searchOptions,
  type WriteOptions,
  writeOptions,
} from './index-options.ts'
import { createIndex, type Description, LoadedIndex } from './loaded-index.ts'
import type { SearchPlan } from './search-plan.ts'
import {
  type BatchResult,
  type SearchAnalysis,
  type SearchResult,
  scratchOf,
  shortened,
} from './search-results.ts'
import { Measured } from './statistics.ts'
import { traceIndex } from './traced-operations.ts'
import {
  allocate,
  type Id,
  type IdArray,
  type Ids,
  type IdType,
  lengthOf,
  newIdArray,
  toIds,
} from './typed-arrays.ts'
import {
  elementsOf,
  newVectorArray,
  toVectors,
  type VectorArray,
  type Vectors,
  type VectorType,
} from './vector-types.ts'

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
export class Index<I extends IdType = 'u32', T extends VectorType = 'f32'> extends Measured {
  readonly #handle: IndexHandle
  readonly #options: Description<I, T>
  #closing: Promise<void> | undefined

  /** @throws {VitrineError} `ERR_OPTION`; `ERR_OUT_OF_MEMORY` when there is none for `capacity`. */
  constructor(options: IndexOptions<I, T>) {
    const { handle, description } = LoadedIndex.is(options) ? options : createIndex(options)
    super(handle, { db: description.name })
    this.#handle = handle
    this.#options = description as Description<I, T>
  }

  /**
   * Opens what `save` wrote. Trusts no byte of the file. With `vectors: 'mmap'` the vectors stay there: the index answers the same, in a
   * fraction of the memory, opens within milliseconds and is for reading only; a part of the file that a call needs and that is damaged is
   * `ERR_CORRUPT` then, and others go on.
   * @returns An index with the ids, vectors, graph and options of the saved one. The type arguments
   *   are what the file is known to have; `idType` and `type` tell what it has.
   * @throws {VitrineError} `ERR_IO`; `ERR_CORRUPT` if the file is damaged; `ERR_FORMAT` if it is
   *   another kind of file or of a newer release; `ERR_OUT_OF_MEMORY`.
   */
  static async load<I extends IdType = 'u32', T extends VectorType = 'f32'>(
    path: string,
    options?: LoadOptions,
  ): Promise<Index<I, T>> {
    const { vectors = 'memory', threads, name = 'index', signal } = loadOptions.parse(options)
    const file = checked(() => absolute(path))
    const { handle, dimension, metric, idType, type } = await cancellable(
      controlOf(signal),
      token => native.loadIndex(file, vectors === 'mmap', threads, token),
    )
    const description: Description<IdType, VectorType> = {
      dimension,
      metric: metric as Metric,
      type: type as VectorType,
      idType: idType as IdType,
      name,
    }
    return new Index<I, T>(new LoadedIndex(handle, description) as unknown as IndexOptions<I, T>)
  }

  /**
   * Writes the index to a file, which is replaced in one step when everything is on the device. The
   * image holds all writes that were called before; later ones do not wait for it.
   * @throws {VitrineError} `ERR_IO`, and then what was at the path is still there.
   */
  async save(path: string, options?: SaveOptions): Promise<void> {
    const { signal } = saveOptions.parse(options)
    const { handle, file } = checked(() => ({
      handle: this.#handle,
      file: replaceable(absolute(path)),
    }))
    await cancellable(controlOf(signal), token =>
      native.saveIndex(handle, file.path, `vitrine ${version}`, token),
    )
    if (file.mode !== undefined) await chmod(file.path, file.mode)
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

  /** What its vectors, and queries, are made of. */
  get type(): T {
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
   * @param vectors - `[n * dimension]`, finite; of bits `[n * dimension / 8]`.
   * @returns The ids, in a new array.
   * @throws {VitrineError} `ERR_EXISTS` if an id is there or comes twice; `ERR_VECTOR`, `ERR_ID`,
   *   `ERR_DIMENSION`.
   */
  async add(ids: Ids<I> | null, vectors: Vectors<T>, options?: WriteOptions): Promise<IdArray<I>> {
    const control = writeOptions.parse(options)
    const write = checked(() => {
      const { dimension, idType, type } = this.#options
      const rows = toVectors(vectors, type)
      const given = ids === null ? null : toIds(ids, idType)
      const out = newIdArray(idType, Math.floor(lengthOf(rows) / elementsOf(type, dimension)))
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
  async upsert(ids: Ids<I>, vectors: Vectors<T>, options?: WriteOptions): Promise<void> {
    const control = writeOptions.parse(options)
    const write = checked(() => ({
      handle: this.#handle,
      ids: toIds(ids, this.#options.idType),
      rows: toVectors(vectors, this.#options.type),
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

  /**
   * Links all points anew, now that all are there: at the same `ef` searches miss a tenth to a half fewer neighbours
   * afterwards. It takes about as long as to add them. Searches and writes go on meanwhile.
   * @throws {VitrineError} `ERR_READ_ONLY` where vectors are mapped; `ERR_CLOSED`.
   */
  async optimize(options?: OptimizeOptions): Promise<void> {
    const control = optimizeOptions.parse(options)
    const handle = checked(() => this.#handle)
    return cancellable(control, (token, onProgress) =>
      native.optimizeIndex(handle, token, onProgress),
    )
  }

  /**
   * Whether there is a point with this id.
   * @throws {VitrineError} `ERR_CORRUPT`, `ERR_IO` where vectors are mapped.
   */
  has(id: Id<I>): boolean {
    return checked(() => native.hasId(this.#handle, id))
  }

  /**
   * The vectors of points as they were put, bit for bit: `[n * dimension]`, of bits `[n * dimension / 8]`.
   * @throws {VitrineError} `ERR_NOT_FOUND` names the first id that is not there; `ERR_CORRUPT`, `ERR_IO` where vectors are mapped.
   */
  get(ids: Ids<I>): VectorArray<T> {
    return checked(() => {
      const { dimension, idType, type } = this.#options
      const wanted = toIds(ids, idType)
      const out = newVectorArray(type, lengthOf(wanted) * elementsOf(type, dimension))
      native.getVectors(this.#handle, wanted, out)
      return out
    })
  }

  /**
   * The ids of all points, ascending.
   * @throws {VitrineError} `ERR_CORRUPT`, `ERR_IO` where vectors are mapped.
   */
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
  searchSync(query: Vectors<T>, options: SearchOptions<I>): SearchResult<I> {
    const search = searchOptions.parse(options)
    const { k, exact, filter, signal, timeoutMs } = search
    if (signal?.aborted) throw signal.reason
    try {
      const { ids, distances } = scratchOf(this.#options.idType, k)
      const count = native.searchInto(
        this.#handle,
        toVectors(query, this.#options.type),
        ids,
        distances,
        k,
        beamOf(search),
        exact ?? false,
        this.#filter(filter),
        timeoutMs,
      )
      return { ids: ids.slice(0, count) as IdArray<I>, distances: distances.slice(0, count) }
    } catch (error) {
      throw coded(error)
    }
  }

  /** As `searchSync`, off the event loop. `query` is copied first. */
  async search(query: Vectors<T>, options: SearchOptions<I>): Promise<SearchResult<I>> {
    const search = checked(() => this.#search(query, options))
    const { ids, distances } = search
    const count = await cancellable(search.control, token =>
      native.search(
        search.handle,
        search.query,
        ids,
        distances,
        search.k,
        search.beam,
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
  searchInto(query: Vectors<T>, out: SearchResult<I>, options?: Partial<SearchOptions<I>>): number {
    const search = searchIntoOptions.parse(options)
    const { k, exact, filter, signal, timeoutMs } = search
    if (signal?.aborted) throw signal.reason
    try {
      if (typeof out !== 'object' || out === null) {
        throw new VitrineError('ERR_ARGUMENT', `out must be an object, not ${describe(out)}`)
      }
      const { ids, distances } = out
      return native.searchInto(
        this.#handle,
        toVectors(query, this.#options.type),
        ids,
        distances,
        k,
        beamOf(search),
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
  async searchBatch(queries: Vectors<T>, options: SearchOptions<I>): Promise<BatchResult<I>> {
    const search = searchOptions.parse(options)
    const { k, exact, filter, signal, timeoutMs } = search
    const beam = beamOf(search)
    const batch = checked(() => {
      const { dimension, idType, type } = this.#options
      const rows = toVectors(queries, type)
      const count = Math.floor(lengthOf(rows) / elementsOf(type, dimension))
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
        beam,
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
  explain(query: Vectors<T>, options: SearchOptions<I>): SearchPlan {
    const search = searchOptions.parse(options)
    const { k, exact, filter, timeoutMs } = search
    return checked(() =>
      native.explain(
        this.#handle,
        toVectors(query, this.#options.type),
        k,
        beamOf(search),
        exact ?? false,
        this.#filter(filter),
        timeoutMs,
      ),
    )
  }

  /**
   * As `search`, with the plan, what the search did and how long it took.
   * @throws {VitrineError} As `search`; `details.cost` is the {@link SearchCost} of one that failed after it began.
   */
  async analyze(query: Vectors<T>, options: SearchOptions<I>): Promise<SearchAnalysis<I>> {
    const search = checked(() => this.#search(query, options))
    const { ids, distances } = search
    const { count, ...analysis } = await cancellable(search.control, token =>
      native.analyze(
        search.handle,
        search.query,
        ids,
        distances,
        search.k,
        search.beam,
        search.exact,
        search.filter,
        search.timeoutMs,
        token,
      ),
    )
    return { ...shortened(ids, distances, count), ...analysis }
  }

  /** Bytes of memory, by what they are for. Mapped vectors are the file's, and not among them. */
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

  #search(query: Vectors<T>, options: SearchOptions<I>) {
    const search = searchOptions.parse(options)
    const { k, exact, filter, signal, timeoutMs } = search
    return {
      handle: this.#handle,
      query: toVectors(query, this.#options.type),
      ids: newIdArray(this.#options.idType, k),
      distances: allocate(() => new Float32Array(k)),
      k,
      beam: beamOf(search),
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

traceIndex(Index)

function controlOf(signal: AbortSignal | undefined): Control {
  return signal === undefined ? {} : { signal }
}

/** The path, from the current folder of this moment. The binding judges what is no path. */
function absolute(path: string): string {
  return typeof path === 'string' && path !== '' ? resolve(path) : path
}
