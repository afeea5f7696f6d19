/** Where another engine did better than this one. */
import { targets } from './measures/search.mjs'

const ours = 'vitrine'

/** The greatest value of one engine over the rows that have one, and whose it is. */
function best(rows, goodness) {
  return rows
    .map(row => ({ engine: row.engine, value: goodness(row) }))
    .filter(({ value }) => value > 0)
    .reduce((most, row) => (most === undefined || row.value > most.value ? row : most), undefined)
}

const lessIsMore = goodness => row => 1 / goodness(row)

/**
 * @param {object} dataset - As measured.
 * @returns {{ what: string, rows: any[], goodness: (row: any) => number }[]} `rows` of all engines; the greater a value, the better.
 */
function comparisons(dataset) {
  const { search = [], build = [], memory = [], filter = [], exact = [] } = dataset
  const { save = [], insert = [] } = dataset
  const cells = new Map(filter.map(row => [`${row.kind} ${row.share * 100} %`, row]))
  return [
    ...targets.map(target => ({
      what: `queries a CPU second at recall ${target}`,
      rows: search,
      goodness: series => series.rateAt[target],
    })),
    ...[1, 2].map(threads => ({
      what: `CPU seconds of a build with ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
      rows: build.filter(row => row.threads === threads),
      goodness: lessIsMore(row => row.cpu),
    })),
    { what: 'memory', rows: memory, goodness: lessIsMore(row => row.resident) },
    ...[...cells].map(([cell, { kind, share }]) => ({
      what: `queries a CPU second at recall 0.99 with a filter that is ${cell}`,
      rows: filter.filter(row => row.kind === kind && row.share === share && row.reached),
      goodness: row => row.rate,
    })),
    { what: 'exact queries a CPU second', rows: exact, goodness: row => row.rate },
    { what: 'time to save', rows: save, goodness: lessIsMore(row => row.save.wall) },
    { what: 'time to open', rows: save, goodness: lessIsMore(row => row.open.wall) },
    { what: 'time to insert one point', rows: insert, goodness: lessIsMore(row => row.p50) },
  ]
}

/**
 * @param {object} dataset - As measured.
 * @returns {{ what: string, peer: string, by: number }[]} The best peer of each comparison that this engine took part in and lost, and
 *   how many times as good it was.
 */
export function aheadOf(dataset) {
  return comparisons(dataset).flatMap(({ what, rows, goodness }) => {
    const own = best(
      rows.filter(row => row.engine === ours),
      goodness,
    )
    const peer = best(
      rows.filter(row => row.engine !== ours),
      goodness,
    )
    if (own === undefined || peer === undefined || peer.value <= own.value) return []
    return [{ what, peer: peer.engine, by: peer.value / own.value }]
  })
}
