import { checked, describe, VitrineError } from '../errors.ts'
import { OptionParser, type Rule, text } from '../options.ts'
import type { MetricLabels } from '../statistics.ts'
import { QuantileSketch } from './quantile-sketch.ts'
import {
  layoutOf,
  typeNumbers,
  type UserFamily,
  type UserMetricType,
  type UserSeries,
  valuesOf,
} from './user-metrics.ts'

/** What a metric is to say of itself; all of it has a default. */
export interface MetricDescription {
  /** One sentence; default: none. */
  readonly help?: string
  /** Upper edges of a histogram's buckets, ascending; default 1, 2.5 and 5 times each power of ten from 0.001 to 10. */
  readonly buckets?: readonly number[]
  /** Of a summary, 0 … 1, ascending; default 0.5, 0.95 and 0.99. */
  readonly quantiles?: readonly number[]
  /** Of a state set: what there may be, each once; it has no default. */
  readonly states?: readonly string[]
}

/** One series of a registry, as it is now. */
export type RegistryMetric = {
  readonly name: string
  readonly help: string
  readonly labels: MetricLabels
  /** In milliseconds since 1970. */
  readonly timestamp: number
} & (
  | { readonly type: 'counter' | 'gauge' | 'info' | 'stateset'; readonly value: number }
  | { readonly type: 'histogram'; readonly histogram: HistogramValue }
  | { readonly type: 'summary'; readonly summary: SummaryValue }
)

export interface HistogramValue {
  /** How many observations were at most `le`; the last is Infinity. */
  readonly buckets: readonly { readonly le: number; readonly count: number }[]
  readonly sum: number
  readonly count: number
}

export interface SummaryValue {
  /** Each within a hundredth, over all that was ever recorded. */
  readonly quantiles: readonly { readonly quantile: number; readonly value: number }[]
  readonly sum: number
  readonly count: number
}

interface Family extends UserFamily {
  readonly series: Map<string, UserSeries>
  /** Of a state set. */
  readonly states: readonly string[]
}

/** Series of a metric, the one for all others included: as in the native renderer. */
const mostSeries = 1000
const other = '__other__'
const defaultBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const defaultQuantiles = [0.5, 0.95, 0.99]
const mostBounds = 200
const mostStates = 100
const noLabels: MetricLabels = {}

function ascending(min: number, max: number): Rule<readonly number[]> {
  return (value, name) => {
    const right =
      Array.isArray(value) &&
      value.length <= mostBounds &&
      value.every(
        (each, i) =>
          Number.isFinite(each) && each >= min && each <= max && (i === 0 || each > value[i - 1]),
      )
    if (right) return [...value]
    throw new VitrineError(
      'ERR_OPTION',
      `${name} must be at most ${mostBounds} finite numbers, ascending${min === 0 ? ', from 0 to 1' : ''}`,
      { details: { option: name } },
    )
  }
}

const stateNames: Rule<readonly string[]> = (value, name) => {
  const right =
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= mostStates &&
    new Set(value).size === value.length &&
    value.every(state => typeof state === 'string' && state !== '')
  if (right) return [...value]
  throw new VitrineError('ERR_OPTION', `${name} must be 1 to ${mostStates} texts, each once`, {
    details: { option: name },
  })
}

const description = new OptionParser<Required<MetricDescription>>('a metric', {
  help: text,
  buckets: ascending(-Number.MAX_VALUE, Number.MAX_VALUE),
  quantiles: ascending(0, 1),
  states: stateNames,
})

/**
 * Metrics of your own, which {@link metrics} exports beside those of a database: `metrics(db, { registry })`.
 *
 * A metric is there from its first use on, with one series for each combination of labels; `describe` gives it a text, buckets or
 * quantiles before, and must give a state set its states. Names follow the rules of Prometheus: letters, digits, `_` and `:`, those of
 * counters end with `_total`, those of infos with `_info`, state sets have no `:`, and `vitrine_` is ours. A metric has 1,000 series at most: what comes after counts in one whose labels are all `__other__`, and in
 * `vitrine_metrics_series_overflow_total`. All methods throw `ERR_ARGUMENT` for what they cannot take, and `ERR_EXISTS` for a name that is
 * taken, by a metric of another type or by one of its samples, as `x_sum` is by the histogram `x`.
 */
export class MetricsRegistry {
  readonly #families = new Map<string, Family>()
  /** Names of families and of their samples, by the family they belong to. */
  readonly #names = new Map<string, string>()
  /** Of the families as they are; undefined when there are new series. */
  #layout: Uint8Array | undefined
  /** By family, of those of which samples found no room. */
  readonly #overflow = new Map<string, number>()

  /**
   * Describes a metric before it is used; again is fine if it says the same type.
   * @throws {VitrineError} `ERR_OPTION`, also for a state set without states; `ERR_EXISTS` when it has been used.
   */
  describe(name: string, type: UserMetricType, options?: MetricDescription): void {
    checked(() => {
      if (!Object.hasOwn(typeNumbers, type)) {
        throw argument(`a metric is no ${describe(type)}`)
      }
      const known = this.#families.get(name)
      if (known !== undefined && known.series.size > 0) throw exists(name, known.type)
      if (known !== undefined && known.type !== type) throw exists(name, known.type)
      const parsed = description.parse(options)
      if (type === 'stateset' && parsed.states === undefined) {
        throw new VitrineError('ERR_OPTION', `the state set ${describe(name)} must have states`, {
          details: { option: 'states' },
        })
      }
      this.#define(name, type, parsed)
    })
  }

  /** Adds to a counter. @param value - What to add, finite and not negative; default 1. */
  incrementCounter(name: string, value = 1, labels?: MetricLabels): void {
    if (!(Number.isFinite(value) && value >= 0)) {
      throw argument(`a counter grows by a number that is not negative, not by ${describe(value)}`)
    }
    this.#seriesOf(name, 'counter', labels).value += value
  }

  setGauge(name: string, value: number): void {
    this.setGaugeWithLabels(name, value, noLabels)
  }

  setGaugeWithLabels(name: string, value: number, labels: MetricLabels): void {
    if (typeof value !== 'number') throw argument(`a gauge is a number, not ${describe(value)}`)
    this.#seriesOf(name, 'gauge', labels).value = value
  }

  recordHistogram(name: string, value: number, labels?: MetricLabels): void {
    checkObservation(value)
    const series = this.#seriesOf(name, 'histogram', labels)
    const bounds = this.#families.get(name)!.bounds
    series.counts[bucketOf(bounds, value)]! += 1
    series.value += value
  }

  /** For quantiles over all that was ever recorded, each within a hundredth. They cannot be added up: prefer histograms. */
  recordSummary(name: string, value: number, labels?: MetricLabels): void {
    checkObservation(value)
    this.#seriesOf(name, 'summary', labels).sketch!.record(value)
  }

  /** Says something by labels alone, as versions are; what the info said before is gone. Its value is 1, its name ends with `_info`. */
  setInfo(name: string, labels: MetricLabels): void {
    const family = this.#familyOf(name, 'info')
    const pairs = checked(() => labelPairs(labels))
    if (family.series.has(keyOf(pairs))) return
    family.series.clear()
    this.#addSeries(family, pairs).value = 1
  }

  /**
   * Says in which of its states something is. Each has a series, 1 or 0, with a label of the metric's own name that tells the state.
   * @param state - One that `describe` named; or some of them, or none, where that makes sense.
   */
  setState(name: string, state: string | readonly string[], labels: MetricLabels = noLabels): void {
    const family = this.#familyOf(name, 'stateset')
    const states = typeof state === 'string' ? [state] : state
    if (!Array.isArray(states)) {
      throw argument(`a state is a string, or several are an array, not ${describe(state)}`)
    }
    const set = new Set<string>(states)
    for (const each of set) {
      if (!family.states.includes(each)) {
        throw argument(`${describe(each)} is no state of ${name}: ${family.states.join(', ')}`)
      }
    }
    const pairs = labels === noLabels ? [] : checked(() => labelPairs(labels))
    if (pairs.some(([label]) => label === name)) {
      throw argument(`the label ${name} tells the state`)
    }
    for (const { state: each, series } of this.#statesOf(family, pairs)) {
      series.value = set.has(each) ? 1 : 0
    }
  }

  /** Every series, in the order of first use. */
  getAllMetrics(): readonly RegistryMetric[] {
    const timestamp = Date.now()
    return [...this.#families.values()].flatMap(family =>
      [...family.series.values()].map(series => metricOf(family, series, timestamp)),
    )
  }

  /** The text of a metric; undefined when there is no such metric. */
  getMetricHelp(name: string): string | undefined {
    return this.#families.get(name)?.help
  }

  /** @internal */
  static exported(value: unknown): {
    layout: Uint8Array
    values: Float64Array
    families: readonly string[]
    overflow: Float64Array
  } {
    const registry = value as MetricsRegistry
    const families = [...registry.#families.values()]
    registry.#layout ??= layoutOf(families)
    return {
      layout: registry.#layout,
      values: valuesOf(families),
      families: [...registry.#overflow.keys()],
      overflow: Float64Array.from(registry.#overflow.values()),
    }
  }

  /** @internal */
  static is(value: unknown): value is MetricsRegistry {
    return typeof value === 'object' && value !== null && #families in value
  }

  #seriesOf(name: string, type: UserMetricType, labels: MetricLabels = noLabels): UserSeries {
    const family = this.#familyOf(name, type)
    const pairs = labels === noLabels ? [] : checked(() => labelPairs(labels))
    const key = keyOf(pairs)
    const known = family.series.get(key)
    if (known !== undefined) return known
    const full = family.series.size >= mostSeries - 1
    if (full) this.#overflow.set(name, (this.#overflow.get(name) ?? 0) + 1)
    const shown = full ? pairs.map(([label]) => [label, other] as const) : pairs
    return this.#addSeries(family, shown)
  }

  /** The series of each state, of which there is room for all or none. */
  #statesOf(family: Family, pairs: UserSeries['labels']) {
    const all = family.states.map(state => ({
      state,
      labels: inOrder([...pairs, [family.name, state] as const]),
    }))
    const known = family.series.has(keyOf(all[0]!.labels))
    const full = !known && family.series.size + 2 * all.length > mostSeries
    if (full) {
      const { name } = family
      this.#overflow.set(name, (this.#overflow.get(name) ?? 0) + all.length)
      const others = pairs.map(([label]) => [label, other] as const)
      for (const each of all) each.labels = inOrder([...others, [name, each.state] as const])
    }
    return all.map(({ state, labels }) => ({ state, series: this.#addSeries(family, labels) }))
  }

  #familyOf(name: string, type: UserMetricType): Family {
    const family = this.#families.get(name)
    if (family === undefined && type === 'stateset') {
      throw argument(`the state set ${describe(name)} is to be described first`)
    }
    if (family !== undefined && family.type !== type) throw exists(name, family.type)
    return family ?? this.#define(name, type, {})
  }

  #addSeries(family: Family, labels: UserSeries['labels']): UserSeries {
    const key = keyOf(labels)
    const known = family.series.get(key)
    if (known !== undefined) return known
    const series: UserSeries = {
      labels,
      startedMs: Date.now(),
      value: 0,
      counts: new Float64Array(family.type === 'histogram' ? family.bounds.length + 1 : 0),
      sketch: family.type === 'summary' ? new QuantileSketch() : undefined,
    }
    family.series.set(key, series)
    this.#layout = undefined
    return series
  }

  #define(name: string, type: UserMetricType, options: MetricDescription): Family {
    checkName(name, type)
    for (const taken of namesOf(name, type)) {
      const owner = this.#names.get(taken)
      if (owner !== undefined && owner !== name) {
        throw exists(name, this.#families.get(owner)!.type, owner)
      }
    }
    for (const taken of namesOf(name, type)) this.#names.set(taken, name)
    const {
      help = '',
      buckets = defaultBuckets,
      quantiles = defaultQuantiles,
      states = [],
    } = options
    const bounds = type === 'histogram' ? buckets : type === 'summary' ? quantiles : []
    const family: Family = {
      name,
      type,
      help,
      // OpenMetrics has none of states.
      unit: type === 'stateset' ? '' : (name.match(/_(seconds|bytes|ratio)(_total)?$/)?.[1] ?? ''),
      bounds,
      states: type === 'stateset' ? states : [],
      series: new Map(),
    }
    this.#families.set(name, family)
    this.#layout = undefined
    return family
  }
}

/** Also of those that OpenMetrics gives it. */
function namesOf(name: string, type: UserMetricType): string[] {
  if (type === 'gauge' || type === 'stateset') return [name]
  if (type === 'info') return [name, name.slice(0, -'_info'.length)]
  const stem = type === 'counter' ? name.slice(0, -'_total'.length) : name
  const suffixes = type === 'counter' ? ['_total', '_created'] : ['_bucket', '_sum', '_count']
  return [stem, ...suffixes.map(suffix => stem + suffix), `${stem}_created`]
}

function checkName(name: string, type: UserMetricType): void {
  if (typeof name !== 'string' || !/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name)) {
    throw argument(`a metric cannot be called ${describe(name)}: letters, digits, _ and : only`)
  }
  if (name.startsWith('vitrine_')) {
    throw argument(`${describe(name)} cannot be a metric of yours: names with vitrine_ are ours`)
  }
  if (type === 'counter' && !/._total$/.test(name)) {
    throw argument(`the counter ${describe(name)} must end with _total`)
  }
  if (type === 'info' && !/._info$/.test(name)) {
    throw argument(`the info ${describe(name)} must end with _info`)
  }
  if (type === 'stateset' && name.includes(':')) {
    throw argument(`the state set ${describe(name)} must have no colon, for a label is named so`)
  }
  if (type !== 'counter' && /_(total|created|bucket)$/.test(name)) {
    throw argument(`${describe(name)} must not end as a sample of another type does`)
  }
}

/** In the order of their names, so that the same labels are the same series. */
function labelPairs(labels: MetricLabels): [string, string][] {
  if (typeof labels !== 'object' || labels === null) {
    throw argument(`labels must be an object, not ${describe(labels)}`)
  }
  const pairs = Object.entries(labels)
  for (const [label, value] of pairs) {
    if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(label) || label.startsWith('__')) {
      throw argument(`a label cannot be called ${describe(label)}: letters, digits and _ only`)
    }
    if (label === 'le' || label === 'quantile') throw argument(`the label ${label} is ours`)
    if (typeof value !== 'string') {
      throw argument(`the label ${label} must be a string, not ${describe(value)}`)
    }
  }
  return inOrder(pairs)
}

const inOrder = <Pair extends readonly [string, string]>(pairs: Pair[]) =>
  pairs.sort(([a], [b]) => (a < b ? -1 : 1))

const keyOf = (labels: UserSeries['labels']) =>
  labels.map(([name, value]) => `${name}\0${value.length}\0${value}`).join('')

function checkObservation(value: number): void {
  if (!Number.isFinite(value)) {
    throw argument(`what is observed must be a finite number, not ${describe(value)}`)
  }
}

/** The first bucket whose edge is not below `value`. */
function bucketOf(bounds: readonly number[], value: number): number {
  let low = 0
  let high = bounds.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (bounds[middle]! < value) low = middle + 1
    else high = middle
  }
  return low
}

function metricOf(family: Family, series: UserSeries, timestamp: number): RegistryMetric {
  const { name, help, type, bounds } = family
  const common = { name, help, labels: Object.fromEntries(series.labels), timestamp }
  if (type === 'histogram') {
    let count = 0
    const buckets = [...bounds, Number.POSITIVE_INFINITY].map((le, i) => {
      count += series.counts[i]!
      return { le, count }
    })
    return { ...common, type, histogram: { buckets, sum: series.value, count } }
  }
  if (type === 'summary') {
    const { sum, count } = series.sketch!
    const values = series.sketch!.quantiles(bounds)
    const quantiles = bounds.map((quantile, i) => ({ quantile, value: values[i]! }))
    return { ...common, type, summary: { quantiles, sum, count } }
  }
  return { ...common, type, value: series.value }
}

const argument = (message: string) => new VitrineError('ERR_ARGUMENT', message)

const exists = (name: string, type: UserMetricType, owner = name) =>
  new VitrineError('ERR_EXISTS', `'${name}' is taken by the ${type} '${owner}'`, {
    details: { metric: owner, type },
  })
