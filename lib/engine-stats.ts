// Figures for people.

/** What many observations come to, in seconds. Of a quantile the cell is exact, and so it is within a ninth. */
export interface LatencySummary {
  readonly count: number
  readonly sum: number
  /** Exact, unless a longer one came before the reset: then as exact as a quantile. */
  readonly max: number
  readonly mean: number
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly p999: number
}

/** Figures since statistics were turned on, or since `resetStats`. `total…` are calls that have ended, failures among them. */
export interface EngineStats {
  /** Points that are there now. */
  readonly totalVectors: number
  /** Searches, by whatever method; an `Index.searchBatch` is one, however many queries it has. */
  readonly totalSearches: number
  readonly totalInserts: number
  readonly totalUpserts: number
  readonly totalDeletes: number
  /** Calls of any kind that did not end well: failed, refused, cancelled or out of time. */
  readonly totalErrors: number
  /** Now, as `memoryUsage` has it. */
  readonly memoryBytes: number
  /** Of which for the graph and codes. */
  readonly indexMemoryBytes: number
  /** The most that was seen after a write, ever. */
  readonly peakMemoryBytes: number
  /** Of single searches, on the thread that searched; from level `'histograms'` on. */
  readonly searchLatency?: LatencySummary
  readonly insertLatency?: LatencySummary
  readonly since: Date
}
