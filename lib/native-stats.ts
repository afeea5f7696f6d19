// Statistics as native/binding makes them: native/binding/stats_object.h.

/** A row of the table of metrics. */
export interface NativeFamily {
  readonly name: string
  readonly type: string
  readonly unit: string
  readonly level: string
  readonly help: string
  /** The values that each label may have. */
  readonly labels: Readonly<Record<string, readonly string[]>>
  /** Whether samples of 0 are left out. */
  readonly sparse: boolean
}

export interface NativeSummary {
  readonly count: number
  readonly sum: number
  readonly max: number
  readonly mean: number
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly p999: number
}

export interface NativeHistogram extends NativeSummary {
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
  /** By family, and by sample. */
  readonly values: readonly (readonly (number | NativeHistogram | undefined)[])[]
}

export interface NativeStats {
  readonly totalVectors: number
  readonly totalSearches: number
  readonly totalInserts: number
  readonly totalUpserts: number
  readonly totalDeletes: number
  readonly totalErrors: number
  readonly memoryBytes: number
  readonly indexMemoryBytes: number
  readonly peakMemoryBytes: number
  readonly searchLatency?: NativeSummary
  readonly insertLatency?: NativeSummary
  readonly since: number
}
