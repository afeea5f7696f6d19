import { type ErrorHistory, ErrorRing, type LoggedError } from './error-history.ts'
import { checked, describe, VitrineError } from './errors.ts'
import type { AnalyzedSearch } from './plan-tree.ts'
import { copyQuery, type QueryCopy, type QueryOptions } from './query-copy.ts'
import { AdaptiveThreshold } from './slow-threshold.ts'

/** Queries of one shape: alike in all but their vectors and the values that they compare with. */
export interface SlowQuery {
  /** For `get` and `replay`. */
  readonly id: number
  /** What they have in common, for people: `'Collection.search k=10 where={"year":{"$gte":"?"}}'`. */
  readonly shape: string
  /** Such as `'Collection.search'` or `'Index.searchInto'`. */
  readonly method: string
  readonly collection?: string
  /** How many of the shape were slow, or sampled; a batch is one. */
  readonly count: number
  /**
   * What the slowest of them took, seen from the caller: of an asynchronous one until it settled, waiting for a thread and for the event loop
   * included. Of a batch what it took by how many queries it has. `analyze` tells what the engine takes.
   */
  readonly milliseconds: number
  /** What was slow at the time of that one; Infinity in a sample of an index or database without `slowMs`. */
  readonly thresholdMs: number
  readonly meanMilliseconds: number
  readonly first: Date
  readonly last: Date
  /** Of that slowest one; 1 unless it was a batch. */
  readonly batchSize: number
}

/** With the slowest query of its shape, whole; of a batch the first of its queries. */
export interface LoggedQuery extends SlowQuery {
  /** None when it took more than 512 KiB. Of `recommend` there is no vector. */
  readonly query?: { readonly vector?: unknown; readonly options: QueryOptions }
}

/** Slow ones, or the sample of all. */
export type SlowlogKind = 'slow' | 'sample'

/** @internal What `enableStats` was given, with defaults. */
export interface SlowlogSettings {
  readonly slowMs: number | 'adaptive' | undefined
  readonly minMs: number
  readonly factor: number
  readonly entries: number
  readonly sampleEvery: number | undefined
}

/** @internal A search that is over. */
export interface FinishedSearch {
  readonly shape: string
  readonly method: string
  readonly collection?: string | undefined
  /** Per query. */
  readonly milliseconds: number
  readonly batchSize: number
  readonly query?: QueryCopy
}

/** @internal Where a search is logged, and what was slow when it ended. */
export interface Verdict {
  readonly kind: SlowlogKind
  readonly thresholdMs: number
}

interface Searchable {
  analyze(vector: unknown, options: unknown): Promise<AnalyzedSearch>
  recommend?(options: unknown): Promise<object[] & { readonly profile?: AnalyzedSearch }>
}

/** An index, a collection, or a database with its collections. */
type Owner = Searchable | { collection(name: string): Searchable }

type Entry = { -readonly [K in keyof LoggedQuery]: LoggedQuery[K] }

/** Options of recommendations that are run once more, which are no queries of the program. */
const replayed = new WeakSet<object>()

export const isReplay = (options: unknown) =>
  typeof options === 'object' && options !== null && replayed.has(options)

/** How many logs of this environment are on: while it is 0 nobody asks further. */
export let listening = 0

/** Logs that are on and that nobody can reach any more: whose index or database was forgotten. */
const collected = new FinalizationRegistry<undefined>(() => {
  listening--
})

/**
 * Queries that took long, kept whole so that they can be run again; a sample of all queries beside them; and the errors of every call. On while
 * `enableStats` says so by `slowMs` or `sampleEvery`; what was logged stays until `clear`. It is of one object and of the
 * collections that were had from it, in this thread: others who have the same database open have their own. `analyze` is not logged.
 *
 * Each shape has one place, however often it comes, and the one that has not come for longest gives way. A query takes 512 KiB at most.
 */
export class Slowlog {
  readonly #owner: Owner
  readonly #countSlow: (method: string) => void
  #settings: SlowlogSettings | undefined
  #adaptive: AdaptiveThreshold | undefined
  #untilSample = 0
  #nextId = 1
  readonly #kept: Readonly<Record<SlowlogKind, Map<string, Entry>>> = {
    slow: new Map(),
    sample: new Map(),
  }
  readonly #errors = new ErrorRing()

  /** @internal @param countSlow - Told of each slow query, by method. */
  constructor(owner: object, countSlow: (method: string) => void = () => undefined) {
    this.#owner = owner as Owner
    this.#countSlow = countSlow
  }

  /** Whether anything is logged now. */
  get enabled(): boolean {
    return checked(() => this.#settings !== undefined)
  }

  /** From here on a query is slow, in milliseconds; changes when it is adaptive. Infinity when none is. */
  get thresholdMs(): number {
    return checked(() => {
      const slowMs = this.#settings?.slowMs
      return slowMs === 'adaptive' ? this.#adaptive!.milliseconds : (slowMs ?? Infinity)
    })
  }

  /** Shapes, that which came last first. @param kind - Default `'slow'`. @throws {VitrineError} `ERR_ARGUMENT`. */
  list(kind: SlowlogKind = 'slow'): SlowQuery[] {
    return checked(() => {
      if (kind !== 'slow' && kind !== 'sample') {
        throw new VitrineError(
          'ERR_ARGUMENT',
          `kind must be 'slow' or 'sample', not ${describe(kind)}`,
        )
      }
      return [...this.#kept[kind].values()].reverse().map(({ query, ...entry }) => entry)
    })
  }

  /** With the query, in arrays of its own; undefined when it has given way to others, or never was. */
  get(id: number): LoggedQuery | undefined {
    return checked(() => {
      const entry = this.#find(id)
      if (entry?.query === undefined) return entry && { ...entry }
      return { ...entry, query: copyQuery(entry.query.vector, entry.query.options) }
    })
  }

  /**
   * Runs a query again, on the points that are there now, and tells what it did: what `analyze` tells.
   * @throws {VitrineError} `ERR_NOT_FOUND` when it, or its collection, is not there any more; `ERR_TOO_LARGE` when it was too large to be kept; as
   *   `analyze`.
   */
  async replay(id: number): Promise<AnalyzedSearch> {
    const { owner, entry } = checked(() => ({ owner: this.#owner, entry: this.get(id) }))
    if (entry === undefined) {
      throw new VitrineError('ERR_NOT_FOUND', `there is no logged query ${describe(id)}`)
    }
    const { query, collection, method } = entry
    if (query === undefined) {
      throw new VitrineError('ERR_TOO_LARGE', 'the query was too large to be kept')
    }
    const target = 'analyze' in owner ? owner : owner.collection(collection ?? '')
    if (!method.endsWith('.recommend')) return target.analyze(query.vector, query.options)
    const options = { ...query.options, profile: true }
    replayed.add(options)
    const hits = await target.recommend!(options)
    return { hits, ...hits.profile! } as AnalyzedSearch
  }

  /** Calls that failed, searches or not. */
  errors(): ErrorHistory {
    return checked(() => this.#errors.read())
  }

  /** Forgets what was logged, and goes on. */
  clear(): void {
    checked(() => {
      this.#kept.slow.clear()
      this.#kept.sample.clear()
      this.#errors.clear()
    })
  }

  /** @internal */
  configure(settings: SlowlogSettings | undefined): void {
    if (settings !== undefined && this.#settings === undefined) {
      listening++
      collected.register(this, undefined, this)
    } else if (settings === undefined && this.#settings !== undefined) {
      listening--
      collected.unregister(this)
    }
    this.#settings = settings
    this.#adaptive =
      settings?.slowMs === 'adaptive'
        ? new AdaptiveThreshold(settings.minMs, settings.factor)
        : undefined
    this.#untilSample = settings?.sampleEvery ?? 0
    if (settings === undefined) return
    for (const kept of Object.values(this.#kept)) makeRoom(kept, settings.entries)
  }

  /** @internal Of a search that took so long; undefined when it is not logged. */
  judge(milliseconds: number): Verdict | undefined {
    const { thresholdMs } = this
    this.#adaptive?.observe(milliseconds)
    const every = this.#settings?.sampleEvery
    const sampled = every !== undefined && --this.#untilSample <= 0
    if (sampled) this.#untilSample = every
    if (milliseconds >= thresholdMs) return { kind: 'slow', thresholdMs }
    return sampled ? { kind: 'sample', thresholdMs } : undefined
  }

  /** @internal */
  add({ kind, thresholdMs }: Verdict, search: FinishedSearch): void {
    const settings = this.#settings
    if (settings === undefined) return
    const { shape, method, collection, milliseconds, batchSize, query } = search
    if (kind === 'slow') this.#countSlow(method)
    const key = JSON.stringify([collection, shape, query === undefined])
    const now = new Date()
    const kept = this.#kept[kind]
    const before = kept.get(key)
    const count = (before?.count ?? 0) + 1
    const mean = before?.meanMilliseconds ?? 0
    // The slowest is the one that is kept.
    const slowest =
      before === undefined || milliseconds > before.milliseconds
        ? { milliseconds, thresholdMs, batchSize, query }
        : before
    const entry: Entry = {
      id: before?.id ?? this.#nextId++,
      shape,
      method,
      count,
      milliseconds: slowest.milliseconds,
      thresholdMs: slowest.thresholdMs,
      meanMilliseconds: mean + (milliseconds - mean) / count,
      first: before?.first ?? now,
      last: now,
      batchSize: slowest.batchSize,
    }
    if (collection !== undefined) entry.collection = collection
    if (slowest.query !== undefined) entry.query = slowest.query
    kept.delete(key) // so that it is the last
    kept.set(key, entry)
    makeRoom(kept, settings.entries)
  }

  /** @internal */
  addError(call: Pick<LoggedError, 'operation' | 'method' | 'collection'>, error: unknown): void {
    this.#errors.add(call, error)
  }

  #find(id: number): Entry | undefined {
    for (const kept of Object.values(this.#kept)) {
      for (const entry of kept.values()) if (entry.id === id) return entry
    }
    return undefined
  }
}

function makeRoom(kept: Map<string, Entry>, most: number): void {
  for (const key of kept.keys()) {
    if (kept.size <= most) return
    kept.delete(key)
  }
}
