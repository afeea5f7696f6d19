import { native, type StatsSnapshotHandle, type StatsSource } from './binding.ts'
import type { EngineStats, LatencySummary } from './engine-stats.ts'
import { checked, VitrineError } from './errors.ts'
import type { NativeFamily, NativeHistogram, NativeStatsSnapshot } from './native-stats.ts'
import { boolean, fraction, integer, numberFrom, OptionParser, oneOf } from './options.ts'
import { Slowlog } from './slowlog.ts'

/**
 * How much is counted: `'counters'` how often what was done, and how it ended; `'histograms'` also how long each operation took and how much
 * it did; `'phases'` also how long it waited before; `'cpu'` also how long it had a processor, which takes two system calls an operation.
 */
export type StatsLevel = 'counters' | 'histograms' | 'phases' | 'cpu'

export interface StatsOptions {
  /** Default `'counters'`. */
  readonly level?: StatsLevel
  /** Whether there are to be histograms, whatever `level` says; default false. */
  readonly histograms?: boolean
  /**
   * What share of the searches is repeated exactly in the background, to learn how many of the true neighbours they find, 0 … 1: 0.001 for one
   * in a thousand. Default 0, none. Not those that compute every distance anyway, and not `analyze`. Which ones is left to chance. It takes a
   * hundredth of one processor at most, and a tenth of a second at once; what would take more is counted as skipped. `stats().recall` is what comes of it.
   */
  readonly recallSampleRate?: number
  /**
   * From how many milliseconds on a query is logged in `slowlog`, 0 … : 100 is a good beginning. `'adaptive'`: from
   * `slowFactor` times what the slowest hundredth of the latest takes at least, and not below `slowMinMs`; 100 until 128 queries have been seen.
   * Without it none is.
   */
  readonly slowMs?: number | 'adaptive'
  /** Above 0, default 1. */
  readonly slowMinMs?: number
  /** 1 … , default 3. */
  readonly slowFactor?: number
  /** Shapes of slow queries that `slowlog` keeps, and as many of sampled ones: 1 … 1024, default 128. */
  readonly slowEntries?: number
  /** Each how many queries one is logged in `slowlog` as a sample, 1 … 2^31. Without it none is. */
  readonly sampleEvery?: number
}

export interface StatsSnapshotOptions {
  /** An earlier stats snapshot of the same thing: counters and histograms then hold what came after it. */
  readonly since?: StatsSnapshot
}

/** Labels, `db` among them, the name of the index or database, and of a collection `collection`. */
export type MetricLabels = Readonly<Record<string, string>>

/** One metric, with a sample for each combination of its labels. */
export type MetricFamily = ScalarFamily | HistogramFamily

interface FamilyDescription {
  /** As Prometheus has it, such as `vitrine_engine_operations_total`. */
  readonly name: string
  readonly help: string
  readonly unit: '' | 'seconds' | 'bytes' | 'ratio'
}

export interface ScalarFamily extends FamilyDescription {
  readonly type: 'counter' | 'gauge'
  readonly samples: readonly { readonly labels: MetricLabels; readonly value: number }[]
}

export interface HistogramFamily extends FamilyDescription {
  readonly type: 'histogram'
  /** Those into which something was observed. */
  readonly samples: readonly HistogramSample[]
}

/** A histogram in the formats of Prometheus and OpenTelemetry, from the same cells, without loss. */
export interface HistogramSample extends LatencySummary {
  readonly labels: MetricLabels
  /** How many observations were at most `le`; the last is Infinity. */
  readonly buckets: readonly { readonly le: number; readonly count: number }[]
  /** Bucket `i` of `counts` holds what is above 2^((offset + i) / 8), and at most 2^((offset + i + 1) / 8). */
  readonly exponential: {
    readonly scale: number
    /** What is at most this is in `zeroCount`. */
    readonly zeroThreshold: number
    readonly zeroCount: number
    readonly offset: number
    readonly counts: readonly number[]
  }
}

/** A copy of all counters. They only grow, whoever resets what: subtract, by `since`, to know what happened meanwhile. */
export class StatsSnapshot {
  readonly #handle: StatsSnapshotHandle
  readonly level: 'off' | StatsLevel
  /** From when on it counts: the first time that statistics were asked for, or the snapshot that was given as `since`. */
  readonly since: Date
  readonly taken: Date
  /** Of storage there are some for databases alone, and for those that have a folder. */
  readonly families: readonly MetricFamily[]

  /** @internal */
  constructor(handle: StatsSnapshotHandle, taken: NativeStatsSnapshot, labels: MetricLabels) {
    this.#handle = handle
    this.level = taken.level as 'off' | StatsLevel
    this.since = new Date(taken.since)
    this.taken = new Date(taken.taken)
    this.families = native.statsFamilies().flatMap((family, i) => {
      const values = taken.values[i]!
      return values.length === 0 ? [] : [familyOf(family, values, labels)]
    })
  }

  /** @internal */
  static handleOf(value: unknown): StatsSnapshotHandle | undefined {
    return typeof value === 'object' && value !== null && #handle in value
      ? value.#handle
      : undefined
  }
}

const statsOptions = new OptionParser<Required<StatsOptions>>('enableStats', {
  level: oneOf('counters', 'histograms', 'phases', 'cpu'),
  histograms: boolean,
  recallSampleRate: fraction,
  slowMs: (value, name) => (value === 'adaptive' ? value : numberFrom(0)(value, name)),
  slowMinMs: numberFrom(Number.MIN_VALUE),
  slowFactor: numberFrom(1),
  slowEntries: integer(1, 1024),
  sampleEvery: integer(1, 2 ** 31),
})

const snapshotOptions = new OptionParser<{ since: StatsSnapshotHandle }>('statsSnapshot', {
  since: value => {
    const handle = StatsSnapshot.handleOf(value)
    if (handle !== undefined) return handle
    throw new VitrineError('ERR_OPTION', 'since must be a stats snapshot', {
      details: { option: 'since' },
    })
  },
})

/**
 * Statistics, which are off until somebody turns them on. What is done to a collection counts in its own, and in those of its database: either
 * may be on without the other. All who have a database or collection open in a process share its statistics; `resetStats` is for one object.
 */
export abstract class Measured {
  readonly #source: StatsSource
  readonly #labels: MetricLabels
  readonly #slowlog: Slowlog
  readonly #slowlogAbove: Slowlog | undefined

  /** @internal @param above - Of the database, where it is a collection's. */
  constructor(source: StatsSource, labels: MetricLabels, above?: Slowlog) {
    this.#source = source
    this.#labels = labels
    this.#slowlogAbove = above
    this.#slowlog = new Slowlog(this, method =>
      native.countSlowSearch(source, method === 'Index.searchBatch' ? 'batch' : 'search'),
    )
  }

  /** @internal */
  static sourceOf(value: unknown): { source: StatsSource; labels: MetricLabels } | undefined {
    return typeof value === 'object' && value !== null && #source in value
      ? { source: value.#source, labels: value.#labels }
      : undefined
  }

  /** @internal Those that want to know what is done to it. */
  static slowlogsOf(value: unknown): Slowlog[] {
    if (typeof value !== 'object' || value === null || !(#slowlog in value)) return []
    const logs = [value.#slowlog, value.#slowlogAbove]
    return logs.filter(log => log?.enabled) as Slowlog[]
  }

  /** Slow queries, a sample of all, and errors; empty until `enableStats` is called with `slowMs` or `sampleEvery`. */
  get slowlog(): Slowlog {
    return checked(() => this.#slowlog)
  }

  /**
   * Turns statistics on, or changes how much is counted. Operations that have begun go on as they were. Counters go on from where they were.
   * @throws {VitrineError} `ERR_OPTION`, `ERR_CLOSED`.
   */
  enableStats(options?: StatsOptions): void {
    const {
      level = 'counters',
      histograms = false,
      recallSampleRate = 0,
      ...log
    } = statsOptions.parse(options)
    const { slowMs, sampleEvery } = log
    const { slowMinMs: minMs = 1, slowFactor: factor = 3, slowEntries: entries = 128 } = log
    const named = histograms && level === 'counters' ? 'histograms' : level
    checked(() => {
      native.setStatsLevel(this.#source, named, recallSampleRate)
      this.#slowlog.configure(
        slowMs === undefined && sampleEvery === undefined
          ? undefined
          : { slowMs, minMs, factor, entries, sampleEvery },
      )
    })
  }

  /** Turns statistics off, and the slow-query log; what was counted and logged is kept. */
  disableStats(): void {
    checked(() => {
      native.setStatsLevel(this.#source, 'off', 0)
      this.#slowlog.configure(undefined)
    })
  }

  /** Figures for people; null while statistics are off. */
  stats(): EngineStats | null {
    const read = checked(() => native.readStats(this.#source))
    return read === null ? null : { ...read, since: new Date(read.since) }
  }

  /** Lets `stats` begin anew. Other readers, and stats snapshots, do not notice. */
  resetStats(): void {
    checked(() => native.resetStats(this.#source))
  }

  /**
   * All counters of this moment, for programs. Takes well under a millisecond, and holds up no operation.
   * @throws {VitrineError} `ERR_OPTION`; `ERR_ARGUMENT` when `since` is of something else.
   */
  statsSnapshot(options?: StatsSnapshotOptions): StatsSnapshot {
    const { since } = snapshotOptions.parse(options)
    return checked(() => {
      const taken = native.takeStatsSnapshot(this.#source, since)
      return new StatsSnapshot(taken.handle, taken, this.#labels)
    })
  }
}

function familyOf(
  family: NativeFamily,
  values: NativeStatsSnapshot['values'][number],
  common: MetricLabels,
): MetricFamily {
  const { name, type, unit, help } = family
  const labels = labelsOf(family, common)
  const description = { name, help, unit: unit as FamilyDescription['unit'] }
  if (type === 'histogram') {
    const samples = (values as readonly (NativeHistogram | undefined)[]).flatMap((histogram, i) =>
      histogram === undefined ? [] : [sampleOf(labels[i]!, histogram)],
    )
    return { ...description, type, samples }
  }
  const samples = (values as readonly (number | undefined)[]).flatMap((value, i) =>
    value === undefined ? [] : [{ labels: labels[i]!, value }],
  )
  return { ...description, type: type as 'counter' | 'gauge', samples }
}

/** For each sample, in their order: the last label changes first. */
function labelsOf(family: NativeFamily, common: MetricLabels): MetricLabels[] {
  return Object.entries(family.labels).reduce<MetricLabels[]>(
    (before, [name, values]) =>
      before.flatMap(labels => values.map(value => ({ ...labels, [name]: value }))),
    [common],
  )
}

function sampleOf(labels: MetricLabels, histogram: NativeHistogram): HistogramSample {
  const { edges, cumulativeCounts, scale, zeroThreshold, zeroCount, offset, counts, ...summary } =
    histogram
  return {
    labels,
    ...summary,
    buckets: edges.map((le, i) => ({ le, count: cumulativeCounts[i]! })),
    exponential: { scale, zeroThreshold, zeroCount, offset, counts },
  }
}
