import type {
  CollectionSearchPlan,
  PlanKind,
  PlanReason,
  RecallPlan,
  SearchCost,
  SearchPlan,
  SearchStop,
} from './search-plan.ts'

const kinds: Record<PlanKind, string> = {
  nothing: 'nothing to search',
  walk: 'walk of the graph',
  scan: 'every distance',
  'filter-scan': 'every distance to what the filter allows',
  'filter-walk': 'walk of the graph, by two hops from one allowed row to the next',
  'filter-pass': 'walk of the graph, past what the filter leaves out',
  sketch: 'estimates for all that the filter allows, then the nearest again',
}

const reasons: Record<PlanReason, string> = {
  default: 'nothing speaks against it',
  'exact-asked': 'exact was asked for',
  empty: 'no row is left',
  'zero-query': 'a zero vector is in no graph',
  'few-allowed': 'so few rows are allowed that a walk costs more',
  'far-filter': 'hardly any row near the query is allowed',
  'some-allowed': 'some of the rows near the query are allowed',
  'much-allowed': 'much of what is near the query is allowed',
  'no-graph': 'the graph was lost, and is being built anew',
  recall: 'no walk reaches the recall that was asked for',
}

const stops: Record<SearchStop, string> = {
  exhausted: 'nothing in the beam was left to go on from',
  enough: 'no row that is left is likely to be nearer',
  bounded: 'the walk had cost as much as a scan of sketches, which took over',
  lost: 'too few hits were found, and every row was compared',
  coarse: 'sketches told too little, and every row was compared',
}

/** What `analyze` tells, or the `profile` of hits. */
export interface AnalyzedSearch extends SearchCost {
  readonly plan: SearchPlan | CollectionSearchPlan
}

/**
 * A tree for people of what `explain` or `analyze` tells: what is done and why, and with what it came to once it ran. The figures are those of
 * {@link SearchPlan} and {@link SearchCost}; words and order may change from one version to the next.
 * @param search - Of `explain`, of `analyze`, or the `profile` of the hits of a search.
 */
export function formatPlan(search: SearchPlan | CollectionSearchPlan | AnalyzedSearch): string {
  const analyzed = 'plan' in search ? search : undefined
  const plan = 'plan' in search ? search.plan : search
  const lines = [
    ...filterLines(plan),
    ...(plan.recall === null ? [] : [`recall   ${recallLine(plan.recall)}`]),
    ...walkLines(plan),
    ...(analyzed === undefined ? [] : workLines(analyzed)),
  ]
  const branches = lines.map((line, i) => `${i === lines.length - 1 ? '└─' : '├─'} ${line}`)
  return [`${kinds[plan.kind]}: ${reasons[plan.reason]}`, ...branches].join('\n')
}

function filterLines(plan: SearchPlan | CollectionSearchPlan): string[] {
  const { rows, allowedRows, localShare, fillEdges } = plan
  const filtered = allowedRows < rows || localShare !== null || ('share' in plan && plan.share < 1)
  if (!filtered) return [`rows     ${count(rows)}`]
  const share = 'share' in plan ? plan.share : allowedRows / Math.max(rows, 1)
  const said = [
    `${count(allowedRows)} of ${count(rows)}`,
    `the filter admits ${percent(share)}`,
    ...('estimatedShare' in plan ? [`${percent(plan.estimatedShare)} were expected`] : []),
    ...(localShare === null ? [] : [`${percent(localShare)} near the query`]),
    ...(fillEdges ? ['edges between allowed rows added'] : []),
  ]
  return [`rows     ${said.join(', ')}`]
}

function recallLine({ target, source, expected, low, high, sampled, checked }: RecallPlan): string {
  if (expected === null) return `${target} asked for, the index is not measured yet`
  const from =
    source === 'calibrated'
      ? `${count(sampled)} points searched for`
      : `${count(sampled)} points searched for and ${count(checked)} searches checked`
  return `${target} asked for, ${expected.toFixed(4)} expected (${low?.toFixed(4)} to ${high?.toFixed(4)}), by ${from}`
}

function walkLines({ ef, quantization }: SearchPlan): string[] {
  if (ef === 0) return []
  const of = quantization === 'none' ? 'vectors' : `${quantization} codes`
  return [`beam     ${count(ef)} wide, over ${of}`]
}

function workLines({ counters, phases, stopReason, nanoseconds }: AnalyzedSearch): string[] {
  const { hops, probeHops, secondHops, entryEvaluations, graphEvaluations, transitNodes } = counters
  const { scanEvaluations, sketchEvaluations, rerankEvaluations, candidates, reranked } = counters
  const { filter, prepare, plan, entries, graph, scan, rerank, materialize } = phases
  const walked = [
    `${count(hops)} hops`,
    ...(probeHops > 0 ? [`${count(probeHops)} of them to look where the filter lies`] : []),
    ...(secondHops > 0 ? [`${count(secondHops)} more through what it leaves out`] : []),
    `${count(graphEvaluations)} compared`,
    duration(graph),
  ]
  // One phase for both: the scan of those that follows.
  const sketched = scanEvaluations > 0 ? '' : `, ${duration(scan)}`
  const scanned = `${duration(scan)}${sketchEvaluations > 0 ? ' with the sketches' : ''}`
  return [
    `prepare  ${duration(prepare)}`,
    ...(filter > 0 ? [`filter   ${duration(filter)}`] : []),
    `plan     ${duration(plan)}`,
    ...(entryEvaluations > 0
      ? [`entries  ${count(entryEvaluations)} compared, ${duration(entries)}`]
      : []),
    ...(hops > 0 ? [`graph    ${walked.join(', ')}`] : []),
    ...(transitNodes > 0 ? [`passed   ${count(transitNodes)} nodes that cannot be hits`] : []),
    ...(sketchEvaluations > 0 ? [`sketches ${count(sketchEvaluations)} compared${sketched}`] : []),
    ...(scanEvaluations > 0 ? [`scan     ${count(scanEvaluations)} compared, ${scanned}`] : []),
    ...(rerankEvaluations > 0
      ? [
          `rerank   ${count(reranked)} of ${count(candidates)} candidates, ${count(rerankEvaluations)} compared, ${duration(rerank)}`,
        ]
      : []),
    `hits     ${candidates > 0 ? `of ${count(candidates)} candidates, ` : ''}${duration(materialize)}`,
    ...(stopReason === null ? [] : [`ended    ${stops[stopReason]}`]),
    `time     ${duration(nanoseconds)}`,
  ]
}

const count = (value: number) => value.toLocaleString('en-US')

function percent(share: number): string {
  const value = share * 100
  return `${value === 0 || value >= 1 ? value.toFixed(1) : value.toPrecision(2)} %`
}

function duration(nanoseconds: number): string {
  if (nanoseconds < 1e6) return `${(nanoseconds / 1e3).toFixed(1)} µs`
  return nanoseconds < 1e9
    ? `${(nanoseconds / 1e6).toFixed(2)} ms`
    : `${(nanoseconds / 1e9).toFixed(2)} s`
}
