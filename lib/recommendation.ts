import { type CollectionHandle, native } from './binding.ts'
import { VitrineError } from './errors.ts'
import type { Metric } from './index-options.ts'
import type { PointId } from './points.ts'

/** The vectors of some points, and what the points are called. */
export interface Examples {
  readonly ids: readonly PointId[]
  /** `[ids.length * dimension]` */
  readonly vectors: Float32Array
}

/** @throws {VitrineError} `ERR_NOT_FOUND` names the first point that is not there. */
export function readExamples(collection: CollectionHandle, keys: readonly PointId[]): Examples {
  const { keys: ids, vectors } = native.getPoints(collection, keys, false, true)
  const missing = keys.findIndex((_, i) => ids[i] === undefined)
  if (missing >= 0) {
    throw new VitrineError('ERR_NOT_FOUND', `there is no point ${String(keys[missing])}`)
  }
  return { ids: ids as readonly PointId[], vectors: vectors ?? new Float32Array() }
}

/**
 * What is near the positive examples and far from the negative ones: twice the mean of the former minus that of the latter.
 * Under cosine, where lengths mean nothing, each example counts with length 1.
 * @param positive - One at least.
 */
export function recommendedVector(
  metric: Metric,
  dimension: number,
  positive: Float32Array,
  negative: Float32Array,
): Float32Array {
  const liked = meanOf(positive, dimension, metric)
  if (negative.length === 0) return Float32Array.from(liked)
  const disliked = meanOf(negative, dimension, metric)
  return Float32Array.from(liked, (x, i) => 2 * x - (disliked[i] ?? 0))
}

const lengthOf = (vector: Float32Array) =>
  Math.sqrt(vector.reduce((sum, component) => sum + component ** 2, 0))

function meanOf(vectors: Float32Array, dimension: number, metric: Metric): Float64Array {
  const mean = new Float64Array(dimension)
  const count = vectors.length / dimension
  for (let at = 0; at < vectors.length; at += dimension) {
    const vector = vectors.subarray(at, at + dimension)
    const length = metric === 'cosine' ? lengthOf(vector) || 1 : 1
    for (let i = 0; i < dimension; i++) mean[i]! += vector[i]! / length / count
  }
  return mean
}
