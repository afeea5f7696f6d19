// What a MetricsRegistry holds, as the native renderer takes it: native/exposition/user_metrics.h.

import type { QuantileSketch } from './quantile-sketch.ts'

export type UserMetricType = 'counter' | 'gauge' | 'histogram' | 'summary' | 'info' | 'stateset'

/** What one combination of labels of a metric has. */
export interface UserSeries {
  /** By name. */
  readonly labels: readonly (readonly [string, string])[]
  readonly startedMs: number
  /** Of a counter or gauge; of a histogram the sum; of an info 1, of a state 1 or 0. */
  value: number
  /** Observations by bucket, one more than bounds. */
  readonly counts: Float64Array
  readonly sketch: QuantileSketch | undefined
}

export interface UserFamily {
  readonly name: string
  readonly type: UserMetricType
  readonly help: string
  readonly unit: string
  /** Edges of a histogram, quantiles of a summary. */
  readonly bounds: readonly number[]
  readonly series: ReadonlyMap<string, UserSeries>
}

/** In the order of SeriesType. */
export const typeNumbers = {
  counter: 0,
  gauge: 1,
  histogram: 2,
  summary: 3,
  info: 4,
  stateset: 5,
} as const satisfies Record<UserMetricType, number>

/** What does not change while only numbers do. */
export function layoutOf(families: readonly UserFamily[]): Uint8Array {
  const writer = new LayoutWriter()
  writer.whole(families.length)
  for (const { name, type, help, unit, bounds, series } of families) {
    writer.byte(typeNumbers[type])
    writer.text(name)
    writer.text(help)
    writer.text(unit)
    writer.whole(bounds.length)
    for (const bound of bounds) writer.double(bound)
    writer.whole(series.size)
    for (const { labels, startedMs } of series.values()) {
      writer.double(startedMs)
      writer.whole(labels.length)
      for (const [label, value] of labels) {
        writer.text(label)
        writer.text(value)
      }
    }
  }
  return writer.bytes()
}

/** The numbers, in the order of the layout. */
export function valuesOf(families: readonly UserFamily[]): Float64Array {
  const widths = families.map(({ type, bounds }) => {
    if (type === 'histogram') return bounds.length + 2
    return type === 'summary' ? bounds.length + 2 : 1
  })
  const length = families.reduce((sum, { series }, i) => sum + series.size * widths[i]!, 0)
  const values = new Float64Array(length)
  let at = 0
  for (const { type, bounds, series } of families) {
    for (const { value, counts, sketch } of series.values()) {
      if (type === 'histogram') {
        values.set(counts, at)
        at += counts.length
        values[at++] = value
      } else if (sketch !== undefined) {
        values.set(sketch.quantiles(bounds), at)
        at += bounds.length
        values[at++] = sketch.sum
        values[at++] = sketch.count
      } else {
        values[at++] = value
      }
    }
  }
  return values
}

/** Appends to bytes that grow. */
class LayoutWriter {
  #bytes = Buffer.alloc(4096)
  #length = 0

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }
  byte(value: number): void {
    this.#reserve(1)
    this.#length = this.#bytes.writeUInt8(value, this.#length)
  }
  whole(value: number): void {
    this.#reserve(4)
    this.#length = this.#bytes.writeUInt32LE(value, this.#length)
  }
  double(value: number): void {
    this.#reserve(8)
    this.#length = this.#bytes.writeDoubleLE(value, this.#length)
  }
  text(value: string): void {
    this.#reserve(4 + value.length * 3)
    const length = this.#bytes.write(value, this.#length + 4)
    this.whole(length)
    this.#length += length
  }

  #reserve(more: number): void {
    if (this.#bytes.length - this.#length >= more) return
    const grown = Buffer.alloc(Math.max(this.#bytes.length * 2, this.#length + more))
    this.#bytes.copy(grown)
    this.#bytes = grown
  }
}
