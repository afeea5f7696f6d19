import { describe, VitrineError } from '../errors.ts'
import { nearestTo, OptionParser } from '../options.ts'
import type { Measured, MetricFamily, MetricLabels, StatsSnapshot } from '../statistics.ts'
import { type Clock, clockRule, systemClock } from './clock.ts'
import { type Distribution, distributionOf, merged, quantileOf } from './distribution.ts'
import { keyOf, type Sources, snapshotOf, toSources } from './sources.ts'

export interface HistoryOptions {
  readonly clock?: Clock
}

/** A moment, or a stretch of time, of a history. Times are milliseconds since 1970. */
export interface HistoryPoint {
  readonly from: number
  readonly to: number
  readonly value: number
}

export interface SeriesOptions {
  /** Only series with these labels; those that remain are added up. */
  readonly labels?: MetricLabels
  /** How far back, up to 86,400; default 3,600. */
  readonly seconds?: number
  /** Of a histogram the quantile, between 0 and 1; without, how many observations there were a second. */
  readonly quantile?: number
}

/** What happened between two looks at the counters. */
interface Stretch {
  readonly from: number
  readonly to: number
  /** By series: increments of counters that moved, and what gauges were at the end. */
  readonly numbers: ReadonlyMap<Series, number>
  readonly distributions: ReadonlyMap<Series, Distribution>
}

/** One of each series is there, whatever number of stretches tells of it. */
interface Series {
  readonly name: string
  readonly type: MetricFamily['type']
  readonly labels: MetricLabels
}

const fineSeconds = 10
const fineSpan = 3600
const coarseSeconds = 300
const coarseSpan = 86_400

const historyOptions = new OptionParser<Required<HistoryOptions>>('a history', {
  clock: clockRule,
})

/**
 * Remembers the last hour in steps of 10 seconds and the last day in steps of 5 minutes, of all metrics of indexes, databases and
 * collections. It holds at most 648 steps, and of each only what happened: at most as much as the table of metrics has series. Its timer
 * lets the process end.
 */
export class StatsHistory {
  readonly #sources: readonly Measured[]
  readonly #clock: Clock
  readonly #stop: () => void
  readonly #last = new Map<Measured, StatsSnapshot>()
  readonly #series = new Map<string, Series>()
  readonly #types = new Map<string, MetricFamily['type']>()
  readonly #fine: Stretch[] = []
  readonly #coarse: Stretch[] = []
  /** What is to become one of the coarse ones. */
  #growing: Stretch | undefined
  #looked: number

  /** @throws {VitrineError} `ERR_ARGUMENT` for what has no statistics; `ERR_EXISTS` where two sources have one name; `ERR_OPTION`. */
  constructor(sources: Sources, options?: HistoryOptions) {
    const { clock = systemClock } = historyOptions.parse(options)
    this.#sources = toSources(sources)
    this.#clock = clock
    this.#looked = clock.now()
    for (const source of this.#sources) {
      const snapshot = snapshotOf(source)
      if (snapshot === undefined) continue
      this.#last.set(source, snapshot)
      for (const { name, type } of snapshot.families) this.#types.set(name, type)
    }
    this.#stop = clock.every(fineSeconds * 1000, () => this.#look())
  }

  /** Stops looking; what is remembered can still be asked for. May be called again. */
  close(): void {
    this.#stop()
  }

  /** Equal to `close`. */
  [Symbol.dispose](): void {
    this.close()
  }

  /**
   * How much a counter grew a second, or how many observations a histogram had a second. Undefined before the first 10 seconds are over.
   * @param name - As docs/metrics.md has it.
   * @throws {VitrineError} `ERR_ARGUMENT` for another name, or that of a gauge; `ERR_OPTION`.
   */
  rate(name: string, options?: Omit<SeriesOptions, 'quantile'>): number | undefined {
    const { increase, seconds } = this.#increase(name, options)
    return seconds === 0 ? undefined : increase / seconds
  }

  /** How much a counter grew, or how many observations a histogram had. As `rate`; 0 before the first 10 seconds are over. */
  increase(name: string, options?: Omit<SeriesOptions, 'quantile'>): number {
    return this.#increase(name, options).increase
  }

  /**
   * What a share of a histogram's observations did not exceed, within an eleventh. Undefined where there were none.
   * @param q - Between 0 and 1.
   * @throws {VitrineError} `ERR_ARGUMENT` for what is no histogram, or another `q`; `ERR_OPTION`.
   */
  quantile(name: string, q: number, options?: Omit<SeriesOptions, 'quantile'>): number | undefined {
    this.#expect(name, ['histogram'])
    const { labels, seconds } = seriesOptions.parse({ ...options, quantile: q })
    let all: Distribution | undefined
    for (const stretch of this.#stretches(seconds)) {
      for (const found of matching(stretch.distributions, name, labels)) all = merged(all, found)
    }
    return all && quantileOf(all, q)
  }

  /** What a gauge was when it was last looked at. Undefined before the first 10 seconds are over, and of sources that are closed. */
  latest(name: string, labels?: MetricLabels): number | undefined {
    this.#expect(name, ['gauge'])
    const newest = this.#fine.at(-1)
    return newest && sumOf(matching(newest.numbers, name, labels))
  }

  /**
   * One point for each 10 seconds, or for each 5 minutes when more than an hour is asked for: of a counter how much it grew a second, of a
   * gauge what it was at the end, of a histogram its quantile. Stretches of which there is nothing to tell have none.
   * @throws {VitrineError} `ERR_ARGUMENT`, `ERR_OPTION`.
   */
  series(name: string, options?: SeriesOptions): readonly HistoryPoint[] {
    const type = this.#expect(name, ['counter', 'gauge', 'histogram'])
    const { labels, seconds, quantile } = seriesOptions.parse(options)
    return this.#stretches(seconds).flatMap(stretch => {
      const { from, to } = stretch
      const value = pointOf(stretch, { name, type, labels, quantile })
      return value === undefined ? [] : [{ from, to, value }]
    })
  }

  #increase(name: string, options: SeriesOptions | undefined) {
    const type = this.#expect(name, ['counter', 'histogram'])
    const { labels, seconds } = windowOptions.parse(options)
    const stretches = this.#stretches(seconds)
    let increase = 0
    let passed = 0
    for (const stretch of stretches) {
      increase += growthOf(stretch, name, type, labels)
      passed += (stretch.to - stretch.from) / 1000
    }
    return { increase, seconds: passed }
  }

  #expect(name: string, types: readonly MetricFamily['type'][]): MetricFamily['type'] {
    const type = this.#types.get(name)
    if (type !== undefined && types.includes(type)) return type
    const why =
      type === undefined
        ? `there is no metric ${describe(name)}; did you mean '${nearestTo(String(name), [...this.#types.keys()])}'?`
        : `${name} is a ${type}, not a ${types.join(' or ')}`
    throw new VitrineError('ERR_ARGUMENT', why)
  }

  /** The newest ones that make up so many seconds, oldest first. */
  #stretches(seconds = fineSpan): readonly Stretch[] {
    const isFine = seconds <= fineSpan
    const growing = this.#growing === undefined ? [] : [this.#growing]
    const all = isFine ? this.#fine : [...this.#coarse, ...growing]
    const end = all.at(-1)?.to ?? 0
    // Timers are late by a little.
    const slack = (isFine ? fineSeconds : coarseSeconds) / 2
    return all.filter(({ from }) => from >= end - (seconds + slack) * 1000)
  }

  #look(): void {
    const from = this.#looked
    const to = this.#clock.now()
    this.#looked = to
    // The clock was set back: the next look tells of this stretch as well.
    if (to <= from) return
    const taken = this.#sources.map(
      source => [source, snapshotOf(source, this.#last.get(source))] as const,
    )
    const numbers = new Map<Series, number>()
    const distributions = new Map<Series, Distribution>()
    for (const [source, snapshot] of taken) {
      if (snapshot === undefined) {
        this.#last.delete(source)
        continue
      }
      this.#last.set(source, snapshot)
      for (const family of snapshot.families) this.#read(family, numbers, distributions)
    }
    this.#remember({ from, to, numbers, distributions })
  }

  #read(
    family: MetricFamily,
    numbers: Map<Series, number>,
    distributions: Map<Series, Distribution>,
  ): void {
    if (family.type === 'histogram') {
      for (const sample of family.samples) {
        if (sample.count > 0) {
          distributions.set(this.#seriesOf(family, sample.labels), distributionOf(sample))
        }
      }
      return
    }
    for (const { labels, value } of family.samples) {
      if (family.type === 'gauge' || value > 0) numbers.set(this.#seriesOf(family, labels), value)
    }
  }

  #seriesOf({ name, type }: MetricFamily, labels: MetricLabels): Series {
    const key = `${name}${keyOf(labels)}`
    const known = this.#series.get(key) ?? { name, type, labels }
    this.#series.set(key, known)
    return known
  }

  #remember(stretch: Stretch): void {
    keep(this.#fine, stretch, fineSpan, fineSpan / fineSeconds)
    this.#growing = this.#growing === undefined ? stretch : joined(this.#growing, stretch)
    if (this.#growing.to - this.#growing.from < (coarseSeconds - fineSeconds / 2) * 1000) return
    keep(this.#coarse, this.#growing, coarseSpan, coarseSpan / coarseSeconds)
    this.#growing = undefined
  }
}

const seconds = (value: unknown, option: string): number => {
  if (typeof value === 'number' && value >= fineSeconds && value <= coarseSpan) return value
  throw new VitrineError(
    'ERR_OPTION',
    `${option} must be a number from ${fineSeconds} to ${coarseSpan}, not ${describe(value)}`,
    { details: { option } },
  )
}

const labels = (value: unknown, option: string): MetricLabels => {
  if (typeof value === 'object' && value !== null) return value as MetricLabels
  throw new VitrineError('ERR_OPTION', `${option} must be an object, not ${describe(value)}`, {
    details: { option },
  })
}

const windowOptions = new OptionParser<Required<Omit<SeriesOptions, 'quantile'>>>('a window', {
  labels,
  seconds,
})

const seriesOptions = new OptionParser<Required<SeriesOptions>>('a window', {
  labels,
  seconds,
  quantile: (value, option) => {
    if (typeof value === 'number' && value >= 0 && value <= 1) return value
    throw new VitrineError(
      'ERR_OPTION',
      `${option} must be a number from 0 to 1, not ${describe(value)}`,
      { details: { option } },
    )
  },
})

function keep(stretches: Stretch[], newest: Stretch, span: number, most: number): void {
  stretches.push(newest)
  const oldest = stretches.findIndex(({ to }) => to > newest.to - span * 1000)
  stretches.splice(0, Math.max(oldest, stretches.length - most))
}

/** Two stretches, of which `b` came later, as one. */
function joined(a: Stretch, b: Stretch): Stretch {
  const numbers = new Map(a.numbers)
  for (const [series, value] of b.numbers) {
    const before = series.type === 'counter' ? (numbers.get(series) ?? 0) : 0
    numbers.set(series, before + value)
  }
  const distributions = new Map(a.distributions)
  for (const [series, found] of b.distributions) {
    distributions.set(series, merged(distributions.get(series), found))
  }
  return { from: a.from, to: b.to, numbers, distributions }
}

function matching<T>(
  values: ReadonlyMap<Series, T>,
  name: string,
  wanted: MetricLabels = {},
): readonly T[] {
  const found: T[] = []
  for (const [series, value] of values) {
    const is = ([label, text]: readonly [string, string]) => series.labels[label] === text
    if (series.name === name && Object.entries(wanted).every(is)) found.push(value)
  }
  return found
}

/** Undefined of nothing. */
function sumOf(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0)
}

function growthOf(
  stretch: Stretch,
  name: string,
  type: MetricFamily['type'],
  wanted: MetricLabels | undefined,
): number {
  const values =
    type === 'histogram'
      ? matching(stretch.distributions, name, wanted).map(({ count }) => count)
      : matching(stretch.numbers, name, wanted)
  return sumOf(values) ?? 0
}

interface Wanted {
  readonly name: string
  readonly type: MetricFamily['type']
  readonly labels: MetricLabels | undefined
  readonly quantile: number | undefined
}

function pointOf(stretch: Stretch, { name, type, labels, quantile }: Wanted): number | undefined {
  if (type === 'gauge') return sumOf(matching(stretch.numbers, name, labels))
  if (quantile === undefined) {
    return growthOf(stretch, name, type, labels) / ((stretch.to - stretch.from) / 1000)
  }
  const all = matching(stretch.distributions, name, labels)
  const one = all.reduce<Distribution | undefined>(merged, undefined)
  return one && quantileOf(one, quantile)
}
