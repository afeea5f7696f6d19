/**
 * Search among some of the points. A cell is a kind of filter and the share of the points that it allows:
 *   random      points drawn at random; any queries
 *   correlated  the points nearest to a pivot; queries near the pivot
 *   label       the points nearest to some of a hundred points, as a label allows some kinds; any queries
 *   elsewhere   points drawn at random outside the tenth nearest to a pivot; queries near the pivot
 *   far         the points farthest from a pivot; queries near the pivot
 * Each cell is several filters with queries of their own. Reported is the first ef at which the cell's recall is 0.99, and the speed there.
 */
import { rotated } from '../arena.mjs'
import { seededRandom } from '../random.mjs'
import { median } from '../statistics.mjs'
import { distanceBetween, recallOf, row } from '../truth.mjs'

export const kinds = ['random', 'correlated', 'label', 'elsewhere', 'far']
export const shares = [0.001, 0.01, 0.1, 0.5, 0.9]

const filtersPerCell = 4
const queriesPerFilter = 50
const wantedRecall = 0.99
const ladder = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512, 1024]
const rounds = 3
/** An engine that needs more than this for the queries of one filter has shown what it can do. */
const patienceSeconds = 20
const seed = 20240611

/**
 * @typedef {object} FilterResult
 * @property {string} engine
 * @property {string} kind
 * @property {number} share
 * @property {number} ef
 * @property {number} recall
 * @property {boolean} reached - Whether that is 0.99 or more.
 * @property {number} rate - Queries per CPU second.
 * @property {number} prepare - CPU seconds to make one filter.
 */

/**
 * @param {import('../arena.mjs').Arena} arena
 * @param {import('../arena.mjs').Racer[]} racers
 * @returns {Promise<FilterResult[]>}
 */
export async function measureFilters(arena, racers) {
  const random = seededRandom(seed)
  const able = racers.filter(racer => racer.contestant.can.has('filter'))
  const pivots = Array.from({ length: filtersPerCell }, () => pivotAt(arena, random))
  const labels = labelsOf(arena, random)
  const results = []
  for (const kind of kinds) {
    for (const share of shares) {
      arena.note(`filtered search, ${kind} ${share * 100} %`)
      const cell = pivots.map((pivot, number) =>
        makeFilter(arena, { kind, share, pivot, labels, number, random }),
      )
      results.push(...(await measureCell(arena, able, cell, { kind, share })))
    }
  }
  return results
}

/** A query, the other queries by distance from it, and the points by distance from it. */
function pivotAt(arena, random) {
  const { metric, dimension, base, queries } = arena.dataset
  const pivot = row(queries.data, Math.floor(random() * queries.rows), dimension)
  return {
    queries: byDistance(metric, dimension, queries, pivot),
    points: byDistance(metric, dimension, base, pivot),
  }
}

function byDistance(metric, dimension, matrix, from) {
  const distances = new Float64Array(matrix.rows)
  for (let i = 0; i < matrix.rows; i++)
    distances[i] = distanceBetween(metric, from, row(matrix.data, i, dimension))
  return Uint32Array.from({ length: matrix.rows }, (_, i) => i).sort(
    (a, b) => distances[a] - distances[b],
  )
}

function makeFilter(arena, { kind, share, pivot, labels, number, random }) {
  const { points } = pivot
  const allowed = allowedPoints(arena.rows, { kind, share, points, labels, random }).sort()
  const wanted = Math.min(queriesPerFilter, arena.queryCount)
  const queries =
    kind === 'random' || kind === 'label'
      ? sample(arena.queryCount, wanted, random)
      : pivot.queries.slice(0, wanted)
  return {
    allowed: arena.file(`allowed-${number}.u32`, allowed),
    rows: arena.file(`queries-${number}.u32`, queries),
    count: queries.length,
    acceptable: arena.neighborsAmong({ allowed, queries }),
  }
}

function allowedPoints(rows, { kind, share, points, labels, random }) {
  const count = Math.max(1, Math.round(rows * share))
  if (kind === 'correlated') return points.slice(0, count)
  if (kind === 'far') return points.slice(rows - count)
  if (kind === 'random') return sample(rows, count, random)
  if (kind === 'label') return labelled(labels, count, random)
  const outside = points.slice(Math.floor(rows / 10))
  return sample(outside.length, Math.min(count, outside.length), random).map(at => outside[at])
}

/** The points by which of a hundred points they are nearest to. @returns {Uint32Array[]} */
function labelsOf(arena, random) {
  const { metric, dimension, base } = arena.dataset
  const at = i => row(base.data, i, dimension)
  const centres = Array.from(sample(arena.rows, Math.min(100, arena.rows), random), at)
  const labels = centres.map(() => [])
  for (let i = 0; i < arena.rows; i++) {
    const distances = centres.map(centre => distanceBetween(metric, centre, at(i)))
    labels[distances.indexOf(Math.min(...distances))].push(i)
  }
  return labels.map(points => Uint32Array.from(points))
}

/** Points of labels drawn at random, until there are enough. */
function labelled(labels, count, random) {
  const allowed = []
  for (const label of sample(labels.length, labels.length, random)) {
    for (const point of labels[label]) if (allowed.length < count) allowed.push(point)
  }
  return Uint32Array.from(allowed)
}

/** So many distinct numbers below `from`, at random. @returns {Uint32Array} */
function sample(from, count, random) {
  const numbers = Uint32Array.from({ length: from }, (_, i) => i)
  for (let i = 0; i < count; i++) {
    const other = i + Math.floor(random() * (from - i))
    const swapped = numbers[i]
    numbers[i] = numbers[other]
    numbers[other] = swapped
  }
  return numbers.slice(0, count)
}

async function measureCell(arena, racers, cell, { kind, share }) {
  let entries = []
  for (const racer of racers) {
    const prepare = await arena.attempt(racer.name, 'prepare a filter', () =>
      prepareAll(racer, cell),
    )
    const found =
      prepare &&
      (await arena.attempt(racer.name, 'filtered search', () => firstEf(arena, racer, cell)))
    if (found) entries.push({ racer, prepare: median(prepare), ...found, samples: [] })
  }
  for (let round = 0; round < rounds; round++) {
    for (const entry of rotated(entries, round)) {
      const cpu = await arena.attempt(entry.racer.name, 'filtered search', () =>
        timeCell(arena, entry, cell),
      )
      if (cpu) entry.samples.push(cpu)
      else entries = entries.filter(other => other !== entry)
    }
  }
  const queries = cell.reduce((sum, filter) => sum + filter.count, 0)
  return entries.map(({ racer, prepare, ef, recall, samples }) => ({
    engine: racer.name,
    kind,
    share,
    ef,
    recall,
    reached: recall >= wantedRecall,
    rate: queries / median(samples),
    prepare,
  }))
}

async function prepareAll(racer, cell) {
  const seconds = []
  for (const { allowed } of cell)
    seconds.push((await racer.process.timed('prepare', { allowed })).cpu)
  return seconds
}

/** Climbs until the cell's recall is reached, patience ends or the ladder does. */
async function firstEf(arena, racer, cell) {
  let last
  for (const ef of ladder) {
    let sum = 0
    let slowest = 0
    for (const { allowed, rows, acceptable } of cell) {
      const { found, cpu } = await arena.searchFor(racer, { ef, rows, allowed })
      sum += recallOf(found, arena.k, acceptable)
      slowest = Math.max(slowest, cpu)
    }
    last = { ef, recall: sum / cell.length, slowest }
    if (last.recall >= wantedRecall || slowest > patienceSeconds) break
  }
  return last
}

/** CPU seconds of all queries of the cell; each filter's queries are run once before they are timed. */
async function timeCell(arena, { racer, ef, slowest }, cell) {
  let sum = 0
  for (const { allowed, rows } of cell) {
    const repeat = Math.max(1, Math.min(20, Math.round(0.02 / Math.max(slowest, 1e-4))))
    if (slowest < 1) await arena.search(racer, { ef, rows, allowed })
    sum += (await arena.search(racer, { ef, rows, allowed, repeat })).cpu / repeat
  }
  return sum
}
