/**
 * How a search goes about its work: walks the graph, computes every distance that counts, or estimates them all from a line of memory each and
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
  /** Nodes that walks came to, and whose links they read. */
  readonly hops: number
  /** Of `hops`, those of a short walk that looks where a filter lies, before the plan is chosen. */
  readonly probeHops: number
  /** Nodes that the filter leaves out and whose links a `'filter-walk'` read in their stead; not among `hops`. */
  readonly secondHops: number
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
  /** Rows that a walk or a scan of sketches kept, for the hits to be taken of; 0 for exact scans. */
  readonly candidates: number
  /** Of `candidates`, those looked at closer; 0 where distances were exact already. */
  readonly reranked: number
}

/**
 * Why a search went no further. `'exhausted'`: nothing the walk kept was left to go on from. `'enough'`: by their sketches, no row that is left
 * is likely to be nearer than the hits. In the other cases another kind of search took over, and this is why: `'bounded'`, a walk under a filter
 * had cost as much as a scan of sketches; `'lost'`, fewer hits were found than there could be, so every row was compared; `'coarse'`, sketches
 * told too little, and every row was compared.
 */
export type SearchStop = 'exhausted' | 'enough' | 'bounded' | 'lost' | 'coarse'

/** Where the time of a search went, in nanoseconds; together, these are all of it. 0 for what there was no need of. */
export interface SearchPhases {
  /** Before the others: a snapshot of what there is was taken. */
  readonly prepare: number
  /** The `where` of a collection was computed, or found among those that were used before. */
  readonly filter: number
  /** The query was encoded and a plan chosen, under a filter with a look at what is near the query. */
  readonly plan: number
  /** The nodes from which the walk begins were compared. */
  readonly entries: number
  /** The walk. */
  readonly graph: number
  /** Every row that counts was compared, exactly or by sketch. */
  readonly scan: number
  /** What was near by code or sketch was looked at closer. */
  readonly rerank: number
  /** Hits were put together, and points copied. */
  readonly materialize: number
}

/** What a search did, and how long it took. */
export interface SearchCost {
  readonly counters: SearchCounters
  /** Null when there was only an exact scan, or nothing to search. */
  readonly stopReason: SearchStop | null
  readonly phases: SearchPhases
  /** On the thread that searched, without waiting. */
  readonly nanoseconds: number
}
