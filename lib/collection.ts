import {
  type CollectionHandle,
  type DatabaseHandle,
  type NativeAck,
  native,
  type TransactionHandle,
} from './binding.ts'
import type { ByteChunks } from './byte-reader.ts'
import { cancellable, controlOf } from './cancellation.ts'
import {
  type CallOptions,
  type CollectionInfo,
  type CollectionSearchOptions,
  type CollectionWriteOptions,
  callOptions,
  collectionWriteOptions,
  type FilterOptions,
  filterOptions,
  type ReadOptions,
  type RecommendOptions,
  readOptions,
  recommendOptions,
  type ScanOptions,
  scanOptions,
} from './database-options.ts'
import { checked, VitrineError } from './errors.ts'
import { type Fields, type FieldType, type PayloadOf, toFieldType } from './fields.ts'
import {
  type Metric,
  type OptimizeOptions,
  optimizeOptions,
  type Quantization,
} from './index-options.ts'
import { exportPoints } from './point-export.ts'
import { importPoints } from './point-import.ts'
import {
  type Ack,
  ackOf,
  type CollectionSearchAnalysis,
  type Columns,
  type Hits,
  hitsOf,
  type Payload,
  type Point,
  type PointId,
  type PreparedPoints,
  pointsOf,
  preparePoints,
  type StoredPoint,
  selected,
  toKey,
  toKeys,
  toPayload,
} from './points.ts'
import { readExamples, recommendedVector } from './recommendation.ts'
import type { CollectionSearchPlan } from './search-plan.ts'
import {
  beginAnalysis,
  beginSearch,
  callSearch,
  mapSome,
  readSearch,
  type SearchRequest,
  splitQueries,
} from './search-request.ts'
import type { Slowlog } from './slowlog.ts'
import { Measured } from './statistics.ts'
import { traceCollection } from './traced-operations.ts'
import { type Deletion, removePoints } from './transaction.ts'
import type {
  ExportOptions,
  ExportResult,
  ImportOptions,
  ImportResult,
} from './transfer-options.ts'
import type { VectorArray, VectorShape, Vectors, VectorType } from './vector-types.ts'
import { toFilter } from './where.ts'

/** Updates of one point that give way to each other before one of them gives up. */
const mostConflicts = 1000

/** What `Database` hands to the constructor. */
export class OpenedCollection {
  readonly #ours = true
  readonly database: DatabaseHandle
  readonly collection: CollectionHandle
  readonly databaseName: string
  readonly databaseLog: Slowlog

  /** @internal */
  constructor(
    database: DatabaseHandle,
    collection: CollectionHandle,
    databaseName: string,
    databaseLog: Slowlog,
  ) {
    this.database = database
    this.collection = collection
    this.databaseName = databaseName
    this.databaseLog = databaseLog
  }

  /** @internal */
  static is(value: unknown): value is OpenedCollection {
    return typeof value === 'object' && value !== null && #ours in value
  }
}

/**
 * Points with ids, vectors and payloads in a database, which has them on disk when a write resolves.
 *
 * Each call is one transaction: done whole or not at all, visible when it resolves and not before. A
 * search sees one moment. Input is copied before a call returns. Methods only reject, with a
 * {@link VitrineError}; one of a write says in `details.outcome` whether it was `'not_applied'`, so that
 * it can be tried again, or is `'unknown'`.
 */
export class Collection<
  // biome-ignore lint/suspicious/noExplicitAny: a collection of whatever fields takes the place of this one
  F extends Fields = any,
  P extends Payload = PayloadOf<F>,
  T extends VectorType = 'f32',
> extends Measured {
  readonly #database: DatabaseHandle
  readonly #collection: CollectionHandle
  /** Asked anew each time: whoever has the collection may add one. */
  readonly #fields = (): Fields => native.collectionState(this.#collection).fields
  readonly name: string
  readonly dimension: number
  readonly metric: Metric
  /** What its vectors, and queries, are made of. */
  readonly type: T

  /** @internal */
  constructor(opened: OpenedCollection) {
    if (!OpenedCollection.is(opened)) {
      throw new VitrineError('ERR_ARGUMENT', 'collections come from database.collection(name)')
    }
    const { name, dimension, metric, type } = native.collectionState(opened.collection)
    super(opened.collection, { db: opened.databaseName, collection: name }, opened.databaseLog)
    this.#database = opened.database
    this.#collection = opened.collection
    this.name = name
    this.dimension = dimension
    this.metric = metric as Metric
    this.type = type as T
  }

  /** What it is made of, and how many points it has. @throws {VitrineError} `ERR_CLOSED`. */
  info(): CollectionInfo {
    const { metric, quantization, type, vectors, ...state } = native.collectionState(
      this.#collection,
    )
    return {
      ...state,
      vectors: vectors as CollectionInfo['vectors'],
      metric: metric as Metric,
      type: type as VectorType,
      quantization: quantization as Quantization,
    }
  }

  /** What can be filtered by. @throws {VitrineError} `ERR_CLOSED`. */
  get fields(): Fields {
    return this.#fields()
  }

  /**
   * Declares a field of a collection that may have points. Their payloads are read while searches go on, and other writes wait.
   * Nothing happens when the field is there with that type.
   * @throws {VitrineError} `ERR_EXISTS` when it is there with another type; `ERR_PAYLOAD` when a point has a value of another
   *   type, and then the field is not added.
   */
  async addField(name: string, type: FieldType, options?: CallOptions): Promise<void> {
    checked(() => toFieldType(name, type))
    return cancellable(callOptions.parse(options), token =>
      native.addField(this.#collection, name, type, token),
    )
  }

  /**
   * Links all points anew, as {@link Index.optimize} does. The next checkpoint keeps what it did.
   * @throws {VitrineError} `ERR_READ_ONLY`; `ERR_CLOSED`, also when the database is closed meanwhile.
   */
  async optimize(options?: OptimizeOptions): Promise<void> {
    return cancellable(optimizeOptions.parse(options), (token, onProgress) =>
      native.optimizeCollection(this.#collection, token, onProgress),
    )
  }

  /**
   * Adds points, or replaces those that are there, payload and all.
   * @throws {VitrineError} `ERR_PAYLOAD` names a field that has a value of another type than is declared.
   */
  async upsert(
    points: readonly Point<P, T>[] | Columns<P, T>,
    options?: CollectionWriteOptions,
  ): Promise<Ack> {
    return ackOf(await this.#put(points, false, options))
  }

  /** Adds points. @throws {VitrineError} `ERR_EXISTS` names an id that is there; nothing is written. */
  async insert(
    points: readonly Point<P, T>[] | Columns<P, T>,
    options?: CollectionWriteOptions,
  ): Promise<Ack> {
    return ackOf(await this.#put(points, true, options))
  }

  /**
   * Sets the properties of `payload` in that of a point, whose vector stays.
   * @throws {VitrineError} `ERR_NOT_FOUND`.
   */
  async update(id: PointId, payload: Partial<P>, options?: CollectionWriteOptions): Promise<Ack> {
    const parsed = collectionWriteOptions.parse(options)
    const key = checked(() => toKey(id))
    if (parsed.signal?.aborted) throw parsed.signal.reason
    const patch = JSON.parse(checked(() => toPayload(payload, this.#fields)) ?? '{}') as object
    for (let attempt = 0; ; attempt++) {
      const { keys, lsns, payloads } = native.getPoints(this.#collection, [key], true, false)
      const lsn = lsns[0]
      if (keys[0] === undefined || lsn === undefined) {
        throw new VitrineError('ERR_NOT_FOUND', `there is no point ${String(id)}`, {
          details: { outcome: 'not_applied' },
        })
      }
      const merged = JSON.stringify({ ...JSON.parse(payloads?.[0] ?? '{}'), ...patch })
      try {
        return ackOf(
          await this.#write(parsed, transaction =>
            native.setPayload(transaction, this.#collection, key, merged, lsn),
          ),
        )
      } catch (error) {
        const again = VitrineError.is(error) && error.code === 'ERR_CONFLICT'
        if (!again || attempt >= mostConflicts) throw error
      }
    }
  }

  /**
   * Removes the points with these ids that are there, or every point that a filter admits when the write has its turn.
   * @throws {VitrineError} `ERR_TOO_LARGE` for more than 100,000 points.
   */
  async delete(
    target: readonly PointId[] | Deletion<F>,
    options?: CollectionWriteOptions,
  ): Promise<Ack & { readonly deleted: number }> {
    const ack = await this.#write(collectionWriteOptions.parse(options), transaction =>
      removePoints(transaction, this.#collection, target),
    )
    return { ...ackOf(ack), deleted: ack[2] }
  }

  async get(id: PointId, options?: ReadOptions): Promise<StoredPoint<P, T> | undefined> {
    return (await this.#read([id], options))[0]
  }

  /** The points with these ids, all as of one moment; `undefined` where there is none. */
  async getMany(
    ids: readonly PointId[],
    options?: ReadOptions,
  ): Promise<(StoredPoint<P, T> | undefined)[]> {
    return this.#read(ids, options)
  }

  async #read(
    ids: readonly PointId[],
    options: ReadOptions | undefined,
  ): Promise<(StoredPoint<P, T> | undefined)[]> {
    const { select, signal } = readOptions.parse(options)
    const { payload, vector, properties } = checked(() => selected(select))
    const keys = checked(() => toKeys(ids))
    if (signal?.aborted) throw signal.reason
    const points = native.getPoints(this.#collection, keys, payload, vector)
    return pointsOf<P, T>(points, this, this.#fields, properties)
  }

  async has(id: PointId, options?: CallOptions): Promise<boolean> {
    const { signal } = callOptions.parse(options)
    const key = checked(() => toKey(id))
    if (signal?.aborted) throw signal.reason
    return native.hasPoint(this.#collection, key)
  }

  /** How many points there are, or how many a filter admits. */
  async count(options?: FilterOptions<F>): Promise<number> {
    const { where, params, ...control } = filterOptions.parse(options)
    const filter = checked(() => toFilter(where, params))
    return cancellable(control, async token =>
      filter === undefined
        ? native.collectionState(this.#collection).size
        : native.countPoints(this.#collection, filter, token),
    )
  }

  /** All points as of the moment at which iteration begins, or those that a filter admits, in no particular order. */
  async *scan(options?: ScanOptions<F>): AsyncGenerator<StoredPoint<P, T>, void, undefined> {
    const { select, where, params, batchSize = 256, ...control } = scanOptions.parse(options)
    const { payload, vector, properties } = checked(() => selected(select))
    const filter = checked(() => toFilter(where, params))
    const scan = await cancellable(control, token =>
      native.openScan(this.#collection, filter, token),
    )
    try {
      for (;;) {
        if (control.signal?.aborted) throw control.signal.reason
        const points = native.readScan(scan, batchSize, payload, vector)
        const batch = pointsOf<P, T>(points, this, this.#fields, properties)
        for (const point of batch) {
          if (point !== undefined) yield point
        }
        if (batch.length < batchSize) return
      }
    } finally {
      native.closeScan(scan)
    }
  }

  /**
   * Finds the `k` stored vectors closest to `query`.
   * @returns Hits by ascending distance; fewer than `k` if there are fewer.
   * @throws {VitrineError} `ERR_DIMENSION`, `ERR_VECTOR`, `ERR_FILTER`, `ERR_TIMEOUT`.
   */
  search(query: Vectors<T>, options: CollectionSearchOptions<F>): Promise<Hits<P, T>> {
    // Asynchronous itself it would bring a promise more to each search.
    return typeof this === 'object' && #collection in this
      ? this.#search(query, options)
      : Promise.reject(new VitrineError('ERR_ARGUMENT', 'search is of a collection'))
  }

  async #search(query: Vectors<T>, options: CollectionSearchOptions<F>): Promise<Hits<P, T>> {
    const request = readSearch(this.#collection, this.type, query, options)
    if (request.profile) {
      const { hits, ...profile } = await this.#analyze(request)
      return Object.defineProperty(hits, 'profile', { value: profile })
    }
    const found = await beginSearch(request)
    return hitsOf<P, T>(found, this, this.#fields, request.properties)
  }

  /**
   * Many searches at a time, each of which sees its own moment.
   * @param queries - `[n * dimension]`, row-major.
   */
  async searchBatch(
    queries: Vectors<T>,
    options: CollectionSearchOptions<F>,
  ): Promise<Hits<P, T>[]> {
    const batch = checked(() => splitQueries(this, queries))
    const { control } = readSearch(this.#collection, this.type, batch[0] ?? [], options)
    if (control.signal?.aborted) throw control.signal.reason
    return mapSome(batch, query => this.#search(query as VectorArray<T>, options))
  }

  /**
   * What `search` would do. Computes the filter, on this thread.
   * @throws {VitrineError} As `search` rejects.
   */
  explain(query: Vectors<T>, options: CollectionSearchOptions<F>): CollectionSearchPlan {
    const request = readSearch(this.#collection, this.type, query, options)
    const { plan, estimatedShare, share } = callSearch(native.explainCollection, request)
    return { ...plan, estimatedShare, share }
  }

  /**
   * As `search`, with the plan, what the search did and how long it took.
   * @throws {VitrineError} As `search`; `details.cost` is the {@link SearchCost} of one that failed after it began.
   */
  async analyze(
    query: Vectors<T>,
    options: CollectionSearchOptions<F>,
  ): Promise<CollectionSearchAnalysis<P, T>> {
    return this.#analyze(readSearch(this.#collection, this.type, query, options))
  }

  /**
   * Finds the `k` points that are most like the positive examples and least like the negative ones: nearest to twice the
   * mean of the former minus the mean of the latter. The examples themselves are left out.
   * @throws {VitrineError} `ERR_NOT_FOUND` names an example that is not there; as `search`.
   */
  async recommend(options: RecommendOptions<F>): Promise<Hits<P, T>> {
    const { positive, negative = [], k, ...search } = recommendOptions.parse(options)
    const liked = checked(() => toKeys(positive))
    const disliked = checked(() => toKeys(negative))
    if (liked.length === 0) {
      throw new VitrineError('ERR_OPTION', 'positive must name one point at least', {
        details: { option: 'positive' },
      })
    }
    // All of one moment.
    const { ids, vectors } = readExamples(this.#collection, [...liked, ...disliked])
    const query = recommendedVector(
      this as VectorShape<T> & { metric: Metric },
      vectors,
      liked.length,
    )
    const examples = new Set(ids)
    const most = Math.min(k + examples.size, 10_000)
    const hits = await this.#search(query, { ...search, k: most } as CollectionSearchOptions<F>)
    const others: Hits<P, T> = hits.filter(hit => !examples.has(hit.id)).slice(0, k)
    const { profile } = hits
    return profile === undefined
      ? others
      : Object.defineProperty(others, 'profile', { value: profile })
  }

  /**
   * Adds points from a file or stream, or replaces those that are there, batch by batch.
   * @param source - A path, `.gz` or not, or the bytes themselves; these need a `format`.
   * @throws {VitrineError} `ERR_FORMAT`, `ERR_CORRUPT`, `ERR_DIMENSION`, `ERR_VECTOR`, `ERR_ID` with `details.line` or
   *   `details.row`, and as writes do. `details.imported` says how many points of the source were written before.
   */
  async import(source: string | ByteChunks, options?: ImportOptions): Promise<ImportResult> {
    return importPoints(source, options, {
      shape: this,
      write: async (points, signal) =>
        ackOf(await this.#writePoints(points, false, signal === undefined ? {} : { signal })),
    })
  }

  /**
   * Writes all points, as of one moment, to a file, which replaces the one at `path` when it is whole.
   * @throws {VitrineError} `ERR_IO`; `ERR_VECTOR` where a format of integers cannot hold a component.
   */
  async export(path: string, options?: ExportOptions): Promise<ExportResult> {
    return exportPoints(path, options, this.#collection)
  }

  async #analyze(
    request: SearchRequest,
  ): Promise<CollectionSearchAnalysis<P, T> & { readonly hits: Hits<P, T> }> {
    const found = await beginAnalysis(request)
    const { plan, estimatedShare, share, counters, stopReason, phases, nanoseconds } = found
    const hits = hitsOf<P, T>(found, this, this.#fields, request.properties)
    return {
      hits,
      plan: { ...plan, estimatedShare, share },
      counters,
      stopReason,
      phases,
      nanoseconds,
    }
  }

  async #put(
    points: readonly Point<P, T>[] | Columns<P, T>,
    insert: boolean,
    options: CollectionWriteOptions | undefined,
  ): Promise<NativeAck> {
    const parsed = collectionWriteOptions.parse(options)
    const prepared = checked(() => preparePoints(points, this, this.#fields))
    return this.#writePoints(prepared, insert, parsed)
  }

  #writePoints(
    { keys, vectors, payloads }: PreparedPoints,
    insert: boolean,
    { idempotencyKey, ...control }: CollectionWriteOptions,
  ): Promise<NativeAck> {
    return cancellable(controlOf(control), token =>
      native.writePoints(
        this.#collection,
        keys,
        vectors,
        payloads,
        insert,
        idempotencyKey,
        token,
        control.timeoutMs,
      ),
    )
  }

  async #write(
    { idempotencyKey, ...control }: CollectionWriteOptions,
    fill: (transaction: TransactionHandle) => void,
  ): Promise<NativeAck> {
    const transaction = native.createTransaction(this.#database)
    if (idempotencyKey !== undefined) native.setIdempotencyKey(transaction, idempotencyKey)
    checked(() => fill(transaction))
    return cancellable(controlOf(control), token =>
      native.commitTransaction(transaction, token, control.timeoutMs),
    )
  }
}

traceCollection(Collection)
