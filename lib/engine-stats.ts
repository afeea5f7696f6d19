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

/**
 * How many of the true neighbours searches find, by those that `recallSampleRate` had repeated exactly. Searches that compute every distance are
 * not among them. `vitrine_recall_probe_…` of `statsSnapshot` has the same apart by `k`, and over any time.
 */
export interface RecallSummary {
  /** Found neighbours, to true ones: 0 … 1. */
  readonly ratio: number
  /**
   * With `high` the 95 % interval of Wilson for `ratio`, which takes each neighbour for a trial of its own. They are not quite: a hard query misses
   * many at once. So the true interval is somewhat wider; were all neighbours of a search found or missed together, √k times.
   */
  readonly low: number
  readonly high: number
  /** Searches that were repeated, to their end. */
  readonly probes: number
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
  /** None as long as no search has been repeated. */
  readonly recall?: RecallSummary
  readonly since: Date
}
