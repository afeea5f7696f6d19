import { isAscii } from 'node:buffer'
import {
  type DatabaseHandle,
  type ExporterHandle,
  native,
  type StatsSource,
  version,
} from '../binding.ts'
import { Database } from '../database.ts'
import { checked, describe, VitrineError } from '../errors.ts'
import { boolean, OptionParser, oneOf, type Rule } from '../options.ts'
import { Measured, type MetricLabels } from '../statistics.ts'
import { type ContentCoding, compress, contentCodings } from './compression.ts'
import { chooseCoding, chooseRepresentation } from './negotiation.ts'
import { type PromRegistry, registerIn } from './prom-client.ts'
import { MetricsRegistry } from './registry.ts'
import { type Sources, toSources } from './sources.ts'

export type { Clock } from './clock.ts'
export type { ContentCoding } from './compression.ts'
export {
  type HistoryOptions,
  type HistoryPoint,
  type SeriesOptions,
  StatsHistory,
} from './history.ts'
export { exportLog, type LogExporter, type LogExportOptions } from './log-exporter.ts'
export type { PromMetric, PromRegistry, PromValue } from './prom-client.ts'
export {
  type HistogramValue,
  type MetricDescription,
  MetricsRegistry,
  type RegistryMetric,
  type SummaryValue,
} from './registry.ts'
export type { Sources } from './sources.ts'
export type { UserMetricType } from './user-metrics.ts'

export interface MetricsOptions {
  /** Metrics of your own, which come after ours. */
  readonly registry?: MetricsRegistry
  /**
   * The labels that are exported; default: all. Series that only another label tells apart become one: counters and histograms are
   * added up, and so are gauges, but for moments and levels, of which the greatest counts, and ratios, of which the mean does.
   */
  readonly labels?: readonly string[]
  /**
   * Whether operations, their durations, vectors and the sizes of indexes are told apart by the collections of each database, in a label
   * `collection`; default false. Turns their statistics on as far as those of the database are, from the first export on. A database has
   * 200 values of the label at most: the collections that come later by name are `__other__`.
   */
  readonly collectionLabels?: boolean
  /**
   * Names that other programs gave to the same numbers, and that come out beside ours: `'omendb'` (`omendb_engine_…`), `'vectorxlite'`
   * (`vectordb_…`), `'wombat'` (`db_…`). Default: none.
   */
  readonly compat?: readonly CompatName[]
}

export type CompatName = 'omendb' | 'vectorxlite' | 'wombat'

export interface JsonOptions {
  /** `'otlp'`: as OpenTelemetry has it, an `ExportMetricsServiceRequest`. Default: `{ metrics: [{ name, type, labels, value, … }] }`. */
  readonly format?: 'otlp'
}

/** What a client of an HTTP server asked for: two of its headers. */
export interface MetricsRequest {
  readonly accept?: string | undefined
  readonly acceptEncoding?: string | undefined
}

/** What to send to it. */
export interface MetricsResponse {
  readonly contentType: string
  /** Undefined: as it is. */
  readonly contentEncoding: ContentCoding | undefined
  readonly body: Uint8Array
  /** All of that, for `response.writeHead`. */
  readonly headers: Readonly<Record<string, string>>
}

interface Source {
  readonly source: StatsSource
  readonly labels: MetricLabels
  /** The source, if it has collections. */
  readonly database: DatabaseHandle | undefined
}

const noNumbers = new Float64Array()

/** Less than this takes one packet anyway. */
const leastToCompress = 1024

const labelNames: Rule<readonly string[]> = (value, name) => {
  const isName = (label: unknown) => typeof label === 'string' && /^[a-zA-Z_]\w*$/.test(label)
  if (Array.isArray(value) && value.every(isName)) return [...value]
  throw new VitrineError('ERR_OPTION', `${name} must be an array of names of labels`, {
    details: { option: name },
  })
}

const compatName = oneOf<CompatName>('omendb', 'vectorxlite', 'wombat')

const metricsOptions = new OptionParser<Required<MetricsOptions>>('metrics', {
  registry: (value, name) => {
    if (MetricsRegistry.is(value)) return value
    throw new VitrineError(
      'ERR_OPTION',
      `${name} must be a MetricsRegistry, not ${describe(value)}`,
      { details: { option: name } },
    )
  },
  labels: labelNames,
  collectionLabels: boolean,
  compat: (value, name) => {
    if (Array.isArray(value)) return value.map(each => compatName(each, name))
    throw new VitrineError('ERR_OPTION', `${name} must be an array, not ${describe(value)}`, {
      details: { option: name },
    })
  },
})

const jsonOptions = new OptionParser<Required<JsonOptions>>('json', { format: oneOf('otlp') })

const requestOptions = new OptionParser<{ accept: string; acceptEncoding: string }>('respond', {
  accept: headerText,
  acceptEncoding: headerText,
})

/** Metrics in the formats that others read, each of one moment. Made by {@link metrics}. */
export class Metrics {
  readonly #exporter: ExporterHandle
  readonly #measured: readonly Measured[]
  readonly #sources: readonly StatsSource[]
  /** Two for each source. */
  readonly #names: readonly string[]
  readonly #databases: readonly (DatabaseHandle | undefined)[]
  readonly #options: Partial<MetricsOptions>
  readonly #registry: MetricsRegistry | undefined

  /** @internal */
  constructor(measured: readonly Measured[], options: Partial<MetricsOptions>) {
    this.#measured = measured
    const sources = measured.map(sourceOf)
    this.#sources = sources.map(({ source }) => source)
    this.#names = sources.flatMap(({ labels }) => [labels.db ?? '', labels.collection ?? ''])
    this.#databases = sources.map(({ database }) =>
      options.collectionLabels ? database : undefined,
    )
    this.#options = options
    this.#registry = options.registry
    this.#exporter = native.createExporter(
      version,
      process.version,
      options.labels,
      options.compat ?? [],
    )
  }

  /** Prometheus' text format, version 0.0.4. */
  async text(): Promise<string> {
    return textOf(await this.#export('text'))
  }

  /** OpenMetrics 1.0. */
  async openMetrics(): Promise<string> {
    return textOf(await this.#export('openmetrics'))
  }

  /** JSON, as text. @throws {VitrineError} `ERR_OPTION`. */
  async json(options?: JsonOptions): Promise<string> {
    const { format } = jsonOptions.parse(options)
    return textOf(await this.#export(format ?? 'json'))
  }

  /** Messages `io.prometheus.client.MetricFamily`, each after its length; histograms have classic and native buckets. */
  async protobuf(): Promise<Uint8Array> {
    return this.#export('protobuf')
  }

  /**
   * What an HTTP server answers: in the format that the client likes best, plain text if it does not say, and compressed by zstd, where this Node has it (22.15 or later),
   * or gzip if it may be.
   * @throws {VitrineError} `ERR_OPTION`.
   */
  async respond(request?: MetricsRequest): Promise<MetricsResponse> {
    const { accept, acceptEncoding } = requestOptions.parse(request)
    const { format, contentType } = chooseRepresentation(accept)
    const plain = await this.#export(format)
    const contentEncoding =
      plain.length < leastToCompress ? undefined : chooseCoding(acceptEncoding, contentCodings)
    const body = contentEncoding === undefined ? plain : await compress(contentEncoding, plain)
    return {
      contentType,
      contentEncoding,
      body,
      headers: {
        'content-type': contentType,
        'content-length': `${body.length}`,
        ...(contentEncoding === undefined ? {} : { 'content-encoding': contentEncoding }),
        vary: 'accept, accept-encoding',
      },
    }
  }

  /**
   * Shows every family in a registry of prom-client 15, beside what else is in there. They are read when the registry is scraped, all in one moment; a
   * source that is closed is not shown any more. Other sources may be registered there too.
   * @returns What takes these sources out again; the families go with the last.
   * @throws {VitrineError} `ERR_ARGUMENT` for what is no registry; `ERR_EXISTS` where it shows a source of the same name, or has another metric of
   *   one of the names: then nothing is registered; `ERR_OPTION` of metrics that were made with options, for a registry has its own ways; `ERR_CLOSED`.
   */
  register(registry: PromRegistry): () => void {
    const [option] = Object.keys(this.#options)
    if (option !== undefined) {
      throw new VitrineError(
        'ERR_OPTION',
        `a registry of prom-client shows metrics as they are: make these without ${option}`,
        { details: { option } },
      )
    }
    return registerIn(registry, this.#measured)
  }

  /** The pool takes the snapshots, and renders them. */
  async #export(format: string): Promise<Buffer> {
    const { layout, values, families, overflow } =
      this.#registry === undefined
        ? { layout: undefined, values: noNumbers, families: [], overflow: noNumbers }
        : MetricsRegistry.exported(this.#registry)
    return native.exportMetrics(
      this.#exporter,
      format,
      this.#sources,
      this.#names,
      this.#databases,
      layout,
      values,
      families,
      overflow,
    )
  }
}

/**
 * Metrics of databases, indexes or collections, for Prometheus, OpenTelemetry or people. All of them come in one export, each family once;
 * the label `db` is the name of a database or index. What has been closed is left out. Statistics are to be turned on first, with
 * `enableStats`: what is off counts nothing.
 *
 * An export holds up nobody: counters are copied and rendered on the engine's own threads.
 * @throws {VitrineError} `ERR_OPTION`; `ERR_ARGUMENT` for what has no statistics; `ERR_EXISTS` where two sources have one name.
 */
export function metrics(sources: Sources, options?: MetricsOptions): Metrics {
  const parsed = metricsOptions.parse(options)
  return checked(() => new Metrics(toSources(sources), parsed))
}

function sourceOf(measured: Measured): Source {
  const { source, labels } = Measured.sourceOf(measured)!
  const database = measured instanceof Database ? (source as DatabaseHandle) : undefined
  return { source, labels, database }
}

/** Of UTF-8, which is read much faster where it is all ASCII, as it mostly is. */
const textOf = (bytes: Buffer) => bytes.toString(isAscii(bytes) ? 'latin1' : 'utf8')

function headerText(value: unknown, name: string): string {
  if (typeof value === 'string') return value
  // As node:http has a header that came more than once.
  if (Array.isArray(value) && value.every(each => typeof each === 'string')) return value.join(', ')
  throw new VitrineError('ERR_OPTION', `${name} must be a string, not ${describe(value)}`, {
    details: { option: name },
  })
}
