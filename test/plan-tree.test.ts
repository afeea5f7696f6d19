import { describe, expect, it } from 'vitest'
import {
  type CollectionSearchPlan,
  formatPlan,
  Index,
  type PlanKind,
  type SearchCost,
  type SearchCounters,
  type SearchPhases,
  type SearchPlan,
  type SearchStop,
} from '../lib/vitrine.ts'
import { randomVectors, rowOf } from './vectors.ts'

const plan: SearchPlan = {
  kind: 'walk',
  reason: 'default',
  ef: 64,
  rows: 1000,
  allowedRows: 1000,
  localShare: null,
  fillEdges: false,
  quantization: 'none',
  recall: null,
}

const none: SearchCounters = {
  hops: 0,
  entryEvaluations: 0,
  graphEvaluations: 0,
  scanEvaluations: 0,
  sketchEvaluations: 0,
  rerankEvaluations: 0,
  transitNodes: 0,
  probeHops: 0,
  secondHops: 0,
  candidates: 0,
  reranked: 0,
}

const noTime: SearchPhases = {
  prepare: 0,
  filter: 0,
  plan: 0,
  entries: 0,
  graph: 0,
  scan: 0,
  rerank: 0,
  materialize: 0,
}

const nothing: SearchCost = { counters: none, stopReason: null, phases: noTime, nanoseconds: 0 }

describe('a plan as a tree', () => {
  it('says what is done, why and how', () => {
    expect(formatPlan(plan)).toBe(
      [
        'walk of the graph: nothing speaks against it',
        '├─ rows     1,000',
        '└─ beam     64 wide, over vectors',
      ].join('\n'),
    )
  })

  it('says what a filter was expected to admit, and what it does', () => {
    const filtered: CollectionSearchPlan = {
      ...plan,
      kind: 'filter-walk',
      reason: 'some-allowed',
      quantization: 'rq4',
      allowedRows: 4,
      localShare: 0.25,
      fillEdges: true,
      estimatedShare: 0.02,
      share: 0.004,
    }
    expect(formatPlan(filtered).split('\n').slice(1)).toEqual([
      '├─ rows     4 of 1,000, the filter admits 0.40 %, 2.0 % were expected, 25.0 % near the query, edges between allowed rows added',
      '└─ beam     64 wide, over rq4 codes',
    ])
  })

  it('says what a recall rests on', () => {
    const known = { target: 0.99, expected: 0.9921, low: 0.989, high: 0.995, sampled: 200 }
    const lineOf = (recall: SearchPlan['recall']) => formatPlan({ ...plan, recall }).split('\n')[2]
    expect(lineOf({ ...known, source: 'calibrated', checked: 0 })).toBe(
      '├─ recall   0.99 asked for, 0.9921 expected (0.9890 to 0.9950), by 200 points searched for',
    )
    expect(lineOf({ ...known, source: 'corrected', checked: 1234 })).toContain(
      'by 200 points searched for and 1,234 searches checked',
    )
    const unknown = { expected: null, low: null, high: null, sampled: 0, checked: 0 }
    expect(lineOf({ target: 0.9, source: 'default', ...unknown })).toContain('not measured yet')
  })

  it('says what each step came to, and leaves out those that were none', () => {
    const found = { rerankEvaluations: 40, candidates: 4000, reranked: 30 }
    const cost: SearchCost = {
      counters: { ...none, sketchEvaluations: 12_345, ...found },
      stopReason: 'enough',
      phases: { ...noTime, prepare: 100, plan: 2000, scan: 1e6, rerank: 30_000, materialize: 500 },
      nanoseconds: 1_234_567,
    }
    const scanned = { ...plan, kind: 'sketch', reason: 'far-filter', ef: 0 } as const
    expect(formatPlan({ plan: scanned, ...cost }).split('\n')).toEqual([
      'estimates for all that the filter allows, then the nearest again: hardly any row near the query is allowed',
      '├─ rows     1,000',
      '├─ prepare  0.1 µs',
      '├─ plan     2.0 µs',
      '├─ sketches 12,345 compared, 1.00 ms',
      '├─ rerank   30 of 4,000 candidates, 40 compared, 30.0 µs',
      '├─ hits     of 4,000 candidates, 0.5 µs',
      '├─ ended    no row that is left is likely to be nearer',
      '└─ time     1.23 ms',
    ])
    const timeOf = (nanoseconds: number) =>
      formatPlan({ ...nothing, plan, nanoseconds })
        .split('\n')
        .at(-1)
    expect(timeOf(900)).toBe('└─ time     0.9 µs')
    expect(timeOf(2.5e9)).toBe('└─ time     2.50 s')
  })

  it('says what each stage of a walk under a filter took', () => {
    const hops = { hops: 103, probeHops: 12, secondHops: 1500 }
    const tree = formatPlan({
      plan: { ...plan, kind: 'filter-walk', reason: 'some-allowed' },
      counters: { ...none, ...hops, entryEvaluations: 80, graphEvaluations: 2148, candidates: 64 },
      stopReason: 'exhausted',
      phases: { ...noTime, filter: 7000, entries: 9000, graph: 200_000, materialize: 1000 },
      nanoseconds: 217_000,
    })
    expect(tree.split('\n').slice(3)).toEqual([
      '├─ prepare  0.0 µs',
      '├─ filter   7.0 µs',
      '├─ plan     0.0 µs',
      '├─ entries  80 compared, 9.0 µs',
      '├─ graph    103 hops, 12 of them to look where the filter lies, 1,500 more through what it leaves out, 2,148 compared, 200.0 µs',
      '├─ hits     of 64 candidates, 1.0 µs',
      '├─ ended    nothing in the beam was left to go on from',
      '└─ time     217.0 µs',
    ])
  })

  it('gives a scan the time of the sketches before it', () => {
    const counters = { ...none, sketchEvaluations: 10, scanEvaluations: 20 }
    const phases = { ...noTime, scan: 3000 }
    const lines = formatPlan({ ...nothing, plan, counters, phases, stopReason: 'coarse' })
    expect(lines).toContain(
      '├─ sketches 10 compared\n├─ scan     20 compared, 3.0 µs with the sketches',
    )
  })

  it('takes what explain and analyze give', async () => {
    const dimension = 8
    const vectors = randomVectors(500, dimension, 1)
    const index = new Index({ dimension })
    await index.add(null, vectors)
    const query = rowOf(vectors, dimension, 0)
    const kindOf = (tree: string) => tree.split(':')[0]
    expect(kindOf(formatPlan(index.explain(query, { k: 3 })))).toBe('walk of the graph')
    const analyzed = await index.analyze(query, { k: 3 })
    expect(formatPlan(analyzed)).toContain(`graph    ${analyzed.counters.hops} hops`)
    const exact = await index.analyze(query, { k: 3, exact: true })
    expect(formatPlan(exact)).toContain('scan     500 compared')
    const few = await index.analyze(query, { k: 3, filter: [0, 1, 2, 3, 4] })
    expect(formatPlan(few)).toContain('5 of 500, the filter admits 1.0 %')
    await index.close()
  })

  it.each<PlanKind>([
    'nothing',
    'walk',
    'scan',
    'filter-scan',
    'filter-walk',
    'filter-pass',
    'sketch',
  ])('has words for %s', kind => {
    expect(formatPlan({ ...plan, kind })).not.toContain('undefined')
  })

  it.each<SearchStop>(['exhausted', 'enough', 'bounded', 'lost', 'coarse'])(
    'has words for the end %s',
    stopReason => {
      expect(formatPlan({ ...nothing, plan, stopReason })).toMatch(/ended {4}[a-z ,]{20,}\n/u)
    },
  )
})
