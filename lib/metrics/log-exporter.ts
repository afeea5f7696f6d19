import type { Writable } from 'node:stream'
import { describe, VitrineError } from '../errors.ts'
import { integer, OptionParser } from '../options.ts'
import type { Measured, MetricFamily, StatsSnapshot } from '../statistics.ts'
import { type Clock, clockRule, systemClock } from './clock.ts'
import { type Sources, snapshotOf, toSources } from './sources.ts'

export interface LogExportOptions {
  /** Between two lines, 1 … 2^31 - 1; default 60,000. */
  readonly intervalMs?: number
  readonly clock?: Clock
}

const logExportOptions = new OptionParser<Required<LogExportOptions>>('exportLog', {
  intervalMs: integer(1, 2 ** 31 - 1),
  clock: clockRule,
})

/** What writes the lines. */
export interface LogExporter {
  /** Lines that were not written, because the stream had not taken those before. Their counts are in the line that came after. */
  readonly dropped: number
  /** What the stream failed with, if it did: then nothing is written any more. */
  readonly error: Error | undefined
  /** Writes a last line, whether the stream waits or not, and resolves when the stream has it. Does not end the stream. May be called again. */
  close(): Promise<void>
  /** Equal to `close`. */
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Writes a line of JSON every so often:
 * `{"time":"2026-01-31T12:00:00.000Z","seconds":60,"dropped":0,"metrics":[…]}`, where `seconds` is how long ago the line before was, and
 * `dropped` how many lines were left out since. Of a metric it has `name`, `type`, `labels` and `value`: of a counter how much it grew since the line
 * before, of a gauge what it is; of a histogram, in place of `value`, `count`, `sum`, `max`, `p50`, `p95`, `p99` and `p999` of what came since. What did
 * not happen is left out. A stream that does not keep up gets fewer lines, and nothing is kept for it. The timer lets the process end.
 * @param stream - Such as `process.stdout`; one of objects is not for this.
 * @throws {VitrineError} `ERR_ARGUMENT` for what has no statistics, or is no stream; `ERR_EXISTS` where two sources have one name; `ERR_OPTION`.
 */
export function exportLog(
  sources: Sources,
  stream: Writable,
  options?: LogExportOptions,
): LogExporter {
  const all = toSources(sources)
  if (typeof stream?.write !== 'function' || typeof stream.on !== 'function') {
    throw new VitrineError(
      'ERR_ARGUMENT',
      `stream must be a writable stream, not ${describe(stream)}`,
    )
  }
  const { intervalMs = 60_000, clock = systemClock } = logExportOptions.parse(options)
  return new Exporter(all, stream, intervalMs, clock)
}

class Exporter implements LogExporter {
  readonly #sources: readonly Measured[]
  readonly #stream: Writable
  readonly #clock: Clock
  readonly #stop: () => void
  readonly #onError = (error: Error): void => {
    this.#error = error
    this.#stop()
  }
  /** What the line that was written last told of each source. */
  readonly #told = new Map<Measured, StatsSnapshot>()
  #written: number
  #dropped = 0
  #droppedSince = 0
  #error: Error | undefined
  #closing: Promise<void> | undefined

  constructor(sources: readonly Measured[], stream: Writable, intervalMs: number, clock: Clock) {
    this.#sources = sources
    this.#stream = stream
    this.#clock = clock
    this.#written = clock.now()
    this.#take()
    stream.on('error', this.#onError)
    this.#stop = clock.every(intervalMs, () => this.#tick())
  }

  get dropped(): number {
    return this.#dropped
  }

  get error(): Error | undefined {
    return this.#error
  }

  async close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#stop()
    if (this.#error === undefined && this.#stream.writable) {
      const line = this.#line()
      // A stream that is destroyed meanwhile may leave the callback out.
      await new Promise<void>(done => {
        this.#stream.once('close', done)
        this.#stream.write(line, () => {
          this.#stream.off('close', done)
          done()
        })
      })
    }
    this.#stream.off('error', this.#onError)
  }

  #tick(): void {
    if (!this.#stream.writable) return
    if (this.#stream.writableNeedDrain) {
      this.#dropped++
      this.#droppedSince++
      return
    }
    this.#stream.write(this.#line())
  }

  #line(): string {
    const now = this.#clock.now()
    const metrics = this.#take().flatMap(({ families }) => families.flatMap(entriesOf))
    const line = {
      time: new Date(now).toISOString(),
      seconds: (now - this.#written) / 1000,
      dropped: this.#droppedSince,
      metrics,
    }
    this.#written = now
    this.#droppedSince = 0
    return `${JSON.stringify(line)}\n`
  }

  /** What came since the last time, of those sources that are open. */
  #take(): readonly StatsSnapshot[] {
    return this.#sources.flatMap(source => {
      const snapshot = snapshotOf(source, this.#told.get(source))
      if (snapshot === undefined) return []
      this.#told.set(source, snapshot)
      return [snapshot]
    })
  }
}

function entriesOf(family: MetricFamily): readonly object[] {
  const { name, type } = family
  if (family.type !== 'histogram') {
    return family.samples
      .filter(({ value }) => type === 'gauge' || value > 0)
      .map(({ labels, value }) => ({ name, type, labels, value }))
  }
  return family.samples
    .filter(({ count }) => count > 0)
    .map(({ labels, count, sum, max, p50, p95, p99, p999 }) => ({
      name,
      type,
      labels,
      count,
      sum,
      max,
      p50,
      p95,
      p99,
      p999,
    }))
}
