import type { Attributes, HrTime } from '@opentelemetry/api'
import { version } from '../binding.ts'
import { type CollectedFamily, collect, type Sources, toSources } from '../metrics/sources.ts'
import type { HistogramSample, MetricFamily, StatsSnapshot } from '../statistics.ts'

// The types of @opentelemetry/sdk-metrics as far as a reader looks, so that nothing of it need be installed. Enumerations are their numbers.

const integers = 0
const doubles = 1

interface DataPoint<T> {
  readonly startTime: HrTime
  readonly endTime: HrTime
  readonly attributes: Attributes
  readonly value: T
}

interface ExponentialHistogram {
  readonly count: number
  readonly sum: number
  readonly max: number
  readonly scale: number
  readonly zeroCount: number
  readonly positive: { readonly offset: number; readonly bucketCounts: number[] }
  readonly negative: { readonly offset: number; readonly bucketCounts: number[] }
}

interface Described {
  readonly descriptor: {
    readonly name: string
    readonly description: string
    readonly unit: string
    readonly valueType: 0 | 1
  }
  /** Cumulative. */
  readonly aggregationTemporality: 1
}

/** One metric, as a reader of OpenTelemetry has it: a sum (3), a gauge (2) or an exponential histogram (1). */
export type ProducedMetric = Described &
  (
    | {
        readonly dataPointType: 3
        readonly isMonotonic: true
        readonly dataPoints: DataPoint<number>[]
      }
    | { readonly dataPointType: 2; readonly dataPoints: DataPoint<number>[] }
    | {
        readonly dataPointType: 1
        readonly dataPoints: DataPoint<ExponentialHistogram>[]
      }
  )

interface EmptyResource {
  readonly attributes: Attributes
  merge<R>(other: R | null): R
  getRawAttributes(): []
}

/** What `metricProducer` gives; takes the place of the SDK's `MetricProducer`. */
export interface StatsMetricProducer {
  collect(): Promise<{
    readonly resourceMetrics: {
      /** Nothing: a reader takes that of its own provider. */
      readonly resource: EmptyResource
      readonly scopeMetrics: {
        readonly scope: { readonly name: string; readonly version: string }
        readonly metrics: ProducedMetric[]
      }[]
    }
    readonly errors: unknown[]
  }>
}

const resource: EmptyResource = {
  attributes: {},
  // An empty one adds nothing to another; without another it stays what it is.
  merge: <R>(other: R | null): R => other ?? (resource as R),
  getRawAttributes: () => [],
}

/**
 * Hands all metrics of indexes, databases and collections to a metric reader of OpenTelemetry: counters as cumulative sums, gauges, and histograms as
 * exponential ones of scale 3, which hold exactly what was counted. They are read when the reader collects; a source that is closed has none any more.
 * ```ts
 * new PeriodicExportingMetricReader({ exporter, metricProducers: [metricProducer(db)] })
 * ```
 * Names are those of docs/metrics.md with dots for underscores, without unit and `_total`; labels become attributes. Needs no package but the reader's.
 * @throws {VitrineError} `ERR_ARGUMENT` for what has no statistics; `ERR_EXISTS` where two sources have one name.
 */
export function metricProducer(sources: Sources): StatsMetricProducer {
  const all = toSources(sources)
  return {
    collect: async () => ({
      resourceMetrics: {
        resource,
        scopeMetrics: [
          {
            scope: { name: 'vitrine', version },
            metrics: collect(all)
              .map(metricOf)
              .filter(({ dataPoints }) => dataPoints.length > 0),
          },
        ],
      },
      errors: [],
    }),
  }
}

const suffixes: Readonly<Record<string, string>> = { seconds: 's', bytes: 'By', ratio: '1' }

/** Name and unit as OpenTelemetry has them: `vitrine.engine.operation.duration` in `s`. */
export function otelName({ name, type, unit }: Pick<MetricFamily, 'name' | 'type' | 'unit'>) {
  const bare = type === 'counter' ? name.replace(/_total$/, '') : name
  const suffix = unit === '' && bare.endsWith('_ratio') ? 'ratio' : unit
  const short =
    suffix !== '' && bare.endsWith(`_${suffix}`) ? bare.slice(0, -suffix.length - 1) : bare
  return { name: short.replaceAll('_', '.'), unit: suffixes[suffix] ?? '' }
}

function metricOf({ family, parts }: CollectedFamily): ProducedMetric {
  const { name, unit } = otelName(family)
  const described: Described = {
    descriptor: {
      name,
      description: family.help,
      unit,
      valueType: unit === 's' || unit === '1' ? doubles : integers,
    },
    aggregationTemporality: 1,
  }
  if (family.type === 'histogram') {
    return {
      ...described,
      dataPointType: 1,
      dataPoints: parts.flatMap(part =>
        part.family.type === 'histogram'
          ? part.family.samples.map(sample => ({
              ...timesOf(part.snapshot),
              attributes: { ...sample.labels },
              value: histogramOf(sample),
            }))
          : [],
      ),
    }
  }
  const dataPoints = parts.flatMap(part =>
    part.family.type === 'histogram'
      ? []
      : part.family.samples.map(({ labels, value }) => ({
          ...timesOf(part.snapshot),
          attributes: { ...labels },
          value,
        })),
  )
  return family.type === 'counter'
    ? { ...described, dataPointType: 3, isMonotonic: true, dataPoints }
    : { ...described, dataPointType: 2, dataPoints }
}

function histogramOf({ count, sum, max, exponential }: HistogramSample): ExponentialHistogram {
  const { scale, zeroCount, offset, counts } = exponential
  return {
    count,
    sum,
    max,
    scale,
    zeroCount,
    positive: { offset, bucketCounts: [...counts] },
    negative: { offset: 0, bucketCounts: [] },
  }
}

const timesOf = ({ since, taken }: StatsSnapshot) => ({
  startTime: timeOf(since),
  endTime: timeOf(taken),
})

/** In seconds and nanoseconds. */
function timeOf(date: Date): HrTime {
  const milliseconds = date.getTime()
  return [Math.floor(milliseconds / 1000), (milliseconds % 1000) * 1_000_000]
}
