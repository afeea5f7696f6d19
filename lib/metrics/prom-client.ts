import { describe, VitrineError } from '../errors.ts'
import type { Measured, MetricFamily } from '../statistics.ts'
import { type CollectedFamily, collect, toSources } from './sources.ts'

/** One line of a scrape; of a histogram `metricName` is the name with its suffix. */
export interface PromValue {
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
  readonly metricName?: string
}

/** A metric, as a registry of prom-client asks for it. */
export interface PromMetric {
  /** A registry of OpenMetrics takes `_total` off. */
  name: string
  readonly help: string
  readonly type: MetricFamily['type']
  /** Of the processes of a cluster. */
  readonly aggregator: 'sum'
  get(): Promise<Omit<PromMetric, 'get' | 'reset'> & { readonly values: readonly PromValue[] }>
  /** Does nothing: what the engine counts only grows. */
  reset(): void
}

/** What is needed of a `Registry` of prom-client 15; importing this needs no package. */
export interface PromRegistry {
  registerMetric(metric: never): void
  getSingleMetric(name: string): unknown
  removeSingleMetric(name: string): void
}

/** What one registry shows, for all who registered something there. */
class Bridge {
  readonly #registry: PromRegistry
  readonly #metrics = new Map<string, PromMetric>()
  /** What the metrics of one scrape have in common: a registry asks for all of them before it awaits any. */
  #scrape: ReadonlyMap<string, CollectedFamily> | undefined
  readonly sources = new Set<Measured>()

  constructor(registry: PromRegistry) {
    this.#registry = registry
  }

  add(sources: readonly Measured[]): void {
    const families = new Map(
      sources.flatMap(source => source.statsSnapshot().families.map(each => [each.name, each])),
    )
    const missing: PromMetric[] = []
    for (const [name, family] of families) {
      const known = this.#metrics.get(name)
      const there = this.#registry.getSingleMetric(name)
      if (there === undefined) missing.push(known ?? this.#metricOf(family))
      else if (there !== known) {
        throw new VitrineError('ERR_EXISTS', `the registry has another metric ${name}`, {
          details: { name },
        })
      }
    }
    for (const metric of missing) {
      this.#metrics.set(metric.name, metric)
      this.#registry.registerMetric(metric as never)
    }
    for (const source of sources) this.sources.add(source)
  }

  remove(sources: readonly Measured[]): void {
    for (const source of sources) this.sources.delete(source)
    if (this.sources.size > 0) return
    for (const [name, metric] of this.#metrics) {
      if (this.#registry.getSingleMetric(name) === metric) this.#registry.removeSingleMetric(name)
    }
    this.#metrics.clear()
  }

  #metricOf({ name, help, type }: MetricFamily): PromMetric {
    return {
      name,
      help,
      type,
      aggregator: 'sum',
      get: async () => {
        const parts = this.#collected().get(name)?.parts ?? []
        const shown = this.#metrics.get(name)?.name ?? name
        const values = parts.flatMap(({ family }) => valuesOf(family))
        return { name: shown, help, type, aggregator: 'sum', values }
      },
      reset: () => undefined,
    }
  }

  #collected(): ReadonlyMap<string, CollectedFamily> {
    if (this.#scrape === undefined) {
      this.#scrape = new Map(collect(this.sources).map(each => [each.family.name, each]))
      queueMicrotask(() => {
        this.#scrape = undefined
      })
    }
    return this.#scrape
  }
}

const bridges = new WeakMap<PromRegistry, Bridge>()

/** Shows all metrics of `sources` in `registry`: see `Metrics.register`. */
export function registerIn(registry: PromRegistry, sources: readonly Measured[]): () => void {
  for (const method of ['registerMetric', 'getSingleMetric', 'removeSingleMetric'] as const) {
    if (typeof (registry as PromRegistry | null | undefined)?.[method] !== 'function') {
      throw new VitrineError(
        'ERR_ARGUMENT',
        `registry must be a Registry of prom-client, not ${describe(registry)}`,
      )
    }
  }
  const bridge = bridges.get(registry) ?? new Bridge(registry)
  const added = toSources(sources, bridge.sources)
  bridge.add(added)
  bridges.set(registry, bridge)
  let registered = true
  return () => {
    if (registered) bridge.remove(added)
    registered = false
  }
}

function valuesOf(family: MetricFamily): readonly PromValue[] {
  // Objects of our own: a registry puts its default labels into them.
  if (family.type !== 'histogram')
    return family.samples.map(({ labels, value }) => ({ labels, value }))
  return family.samples.flatMap(({ labels, buckets, count, sum }) => [
    ...buckets.map(bucket => ({
      metricName: `${family.name}_bucket`,
      labels: { ...labels, le: bucket.le === Number.POSITIVE_INFINITY ? '+Inf' : bucket.le },
      value: bucket.count,
    })),
    { metricName: `${family.name}_sum`, labels, value: sum },
    { metricName: `${family.name}_count`, labels, value: count },
  ])
}
