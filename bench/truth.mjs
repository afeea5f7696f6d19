/** Exact neighbours, and recall against them. */
import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { compiled } from './native-programs.mjs'

/**
 * For each query the ids that count as found in its first k: the k nearest and whatever is exactly as far as the last of them.
 * @typedef {Set<number>[]} Acceptable
 */

/** Deeper than k, so that the rows that tie with the k-th are among them. */
const depth = 100

/**
 * Scans every row by a program that shares no code with any engine.
 * @param {object} work
 * @param {string} work.folder - For its files.
 * @param {string} work.base - Raw f32.
 * @param {string} work.queries - Raw f32.
 * @param {number} work.dimension
 * @param {string} work.metric
 * @param {number} work.k
 * @param {Uint32Array} [work.allowed] - The only rows that count.
 * @returns {Acceptable}
 */
export function exactNeighbors({ folder, base, queries, dimension, metric, k, allowed }) {
  const idsFile = join(folder, 'exact.u32')
  const distancesFile = join(folder, 'exact.f64')
  const allowedFile = join(folder, 'exact-allowed.u32')
  const words = [base, queries, dimension, metric, depth, idsFile, distancesFile].map(String)
  if (allowed) {
    writeFileSync(allowedFile, allowed)
    words.push(allowedFile)
  }
  try {
    execFileSync(compiled('exact_neighbors'), words)
    const ids = new Uint32Array(bytesOf(idsFile))
    const distances = new Float64Array(bytesOf(distancesFile))
    return acceptableSets(ids, distances, depth, k)
  } finally {
    for (const file of [idsFile, distancesFile, allowedFile]) rmSync(file, { force: true })
  }
}

/**
 * From published neighbours, whose distances are computed here to find the ties.
 * @param {import('./dataset.mjs').Dataset} dataset - With its truth.
 * @param {number} k
 * @returns {Acceptable}
 */
export function publishedNeighbors({ metric, dimension, base, queries, truth }, k) {
  const distances = new Float64Array(truth.data.length)
  const width = truth.dimension
  for (let at = 0; at < distances.length; at++) {
    const query = row(queries.data, Math.floor(at / width), dimension)
    distances[at] = distanceBetween(metric, query, row(base.data, truth.data[at], dimension))
  }
  return acceptableSets(truth.data, distances, width, k)
}

/** @returns {Acceptable} */
function acceptableSets(ids, distances, width, k) {
  const sets = []
  for (let start = 0; start < ids.length; start += width) {
    let end = start
    while (end < start + width && distances[end] < Number.POSITIVE_INFINITY) {
      if (end >= start + k && distances[end] > distances[start + k - 1]) break
      end++
    }
    sets.push(new Set(ids.subarray(start, end)))
  }
  return sets
}

/**
 * The mean share of the k nearest that were found. An id given twice counts once.
 * @param {Uint32Array} found - `[acceptable.length * k]`
 * @param {number} k
 * @param {Acceptable} acceptable
 */
export function recallOf(found, k, acceptable) {
  let sum = 0
  acceptable.forEach((set, query) => {
    const wanted = Math.min(k, set.size)
    let hits = 0
    for (const id of new Set(found.subarray(query * k, (query + 1) * k))) if (set.has(id)) hits++
    sum += wanted === 0 ? 1 : Math.min(hits, wanted) / wanted
  })
  return sum / acceptable.length
}

/**
 * In f64: squared l2, 1 - cos (1 where a vector is zero) or the negative inner product.
 * @param {string} metric
 * @param {ArrayLike<number>} a
 * @param {ArrayLike<number>} b
 */
export function distanceBetween(metric, a, b) {
  let dot = 0
  let squaresA = 0
  let squaresB = 0
  let squaredDifference = 0
  for (let d = 0; d < a.length; d++) {
    dot += a[d] * b[d]
    squaresA += a[d] * a[d]
    squaresB += b[d] * b[d]
    squaredDifference += (a[d] - b[d]) ** 2
  }
  if (metric === 'l2') return squaredDifference
  if (metric === 'ip') return -dot
  return squaresA * squaresB === 0 ? 1 : 1 - dot / Math.sqrt(squaresA * squaresB)
}

/** One vector of a row-major matrix, not copied. */
export function row(data, number, dimension) {
  return data.subarray(number * dimension, (number + 1) * dimension)
}

function bytesOf(file) {
  const { buffer, byteOffset, length } = readFileSync(file)
  return buffer.slice(byteOffset, byteOffset + length)
}
