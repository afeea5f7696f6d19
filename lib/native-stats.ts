// Statistics as native/binding makes them: native/binding/stats_object.h.

import type { EngineStats, LatencySummary } from './engine-stats.ts'

/** A row of the table of metrics. */
export interface NativeFamily {
  readonly name: string
  readonly type: string
  readonly unit: string
  readonly level: string
  /** What has it: `'everything'` that is measured, `'database'`, or `'folder'`: databases that have one. */
  readonly scope: string
  readonly help: string
  /** The values that each label may have. */
  readonly labels: Readonly<Record<string, readonly string[]>>
}

export interface NativeHistogram extends LatencySummary {
  readonly edges: readonly number[]
  readonly cumulativeCounts: readonly number[]
  readonly scale: number
  readonly zeroThreshold: number
  readonly zeroCount: number
  readonly offset: number
  readonly counts: readonly number[]
}

/** Times are in milliseconds since 1970. */
export interface NativeStatsSnapshot {
  readonly level: string
  readonly since: number
  readonly taken: number
  /** By family, and by sample, undefined where nothing is told; none of families that it does not have. */
  readonly values: readonly (readonly (number | NativeHistogram | undefined)[])[]
}

export type NativeStats = Omit<EngineStats, 'since'> & { readonly since: number }
