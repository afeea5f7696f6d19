/**
 * How a search goes about its work: walks the graph, computes every distance that counts, or estimates them all by a bit a dimension and
 * then looks closer at the nearest (`'sketch'`).
 */
export type PlanKind =
  | 'nothing'
  | 'walk'
  | 'scan'
  | 'filter-scan'
  | 'filter-walk'
  | 'filter-pass'
  | 'sketch'

/** Why: what spoke for this kind of plan. */
export type PlanReason =
  | 'default'
  | 'exact-asked'
  | 'empty'
  | 'zero-query'
  | 'few-allowed'
  | 'far-filter'
  | 'some-allowed'
  | 'much-allowed'
  | 'no-graph'
  | 'recall'

/** What `explain` tells about a search. */
export interface SearchPlan {
  readonly kind: PlanKind
  readonly reason: PlanReason
  /** Beam width of the walk; 0 for scans. */
  readonly ef: number
  /** Rows of the index: one for each different vector. */
  readonly rows: number
  /** Rows that the filter allows; `rows` without a filter. */
  readonly allowedRows: number
  /** The share of allowed rows near the query, 0 … 1; null when nobody looked. */
  readonly localShare: number | null
  /** Whether the walk also follows the edges that keep sparse filters connected. */
  readonly fillEdges: boolean
  /** What the walk compares; `'none'` for vectors as they are, which bytes and bits are under `'auto'`, and for scans. */
  readonly quantization: 'none' | 'sq8' | 'rq4'
  /** How `ef` came of the `recall` that was asked for; null when none was. */
  readonly recall: RecallPlan | null
}

/** What is known of the recall that a search will have. */
export interface RecallPlan {
  /** What was asked for. */
  readonly target: number
  /**
   * What the beam width rests on: `'default'`, one that is wide enough nearly everywhere, until the index has been measured, and while
   * it has fewer than a thousand rows; `'calibrated'`, searches for a sample of its own points; `'corrected'`, also some of the
   * searches that asked for a recall, which were checked against all points.
   */
  readonly source: 'default' | 'calibrated' | 'corrected'
  /** The mean recall that is expected at this beam width, 0 … 1; null for `'default'`. */
  readonly expected: number | null
  /** The 95 % interval of the mean; null for `'default'`. */
  readonly low: number | null
  readonly high: number | null
  /** Points of the index that were searched for. */
  readonly sampled: number
  /** Searches that were checked. */
  readonly checked: number
}

/** What `explain` tells about a search of a collection. */
export interface CollectionSearchPlan extends SearchPlan {
  /** The share of points that the filter was expected to admit, 0 … 1; 1 without one. */
  readonly estimatedShare: number
  /** The share that it admits. */
  readonly share: number
}

/** What one search did. */
export interface SearchCounters {
  /** Nodes whose links were read. */
  readonly hops: number
  /** Distances to the nodes that the walk began from. */
  readonly entryEvaluations: number
  /** Distances to nodes met on the way. */
  readonly graphEvaluations: number
  /** Distances computed by a scan. */
  readonly scanEvaluations: number
  /** Distances estimated by a scan of sketches. */
  readonly sketchEvaluations: number
  /** Distances to points that were near by code or sketch, looked at closer. */
  readonly rerankEvaluations: number
  /** Nodes walked through that cannot be hits: removed, not yet visible, or left out by the filter. */
  readonly transitNodes: number
}
