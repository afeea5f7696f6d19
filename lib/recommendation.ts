import { type CollectionHandle, native } from './binding.ts'
import { VitrineError } from './errors.ts'
import type { Metric } from './index-options.ts'
import type { PointId } from './points.ts'
import {
  encodeNumbers,
  numbersOf,
  type VectorArray,
  type VectorShape,
  type VectorType,
} from './vector-types.ts'

/** The vectors of some points, and what the points are called. */
export interface Examples {
  readonly ids: readonly PointId[]
  /** One after the other. */
  readonly vectors: VectorArray
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
 * What is near the positive examples and far from the negative ones: twice the mean of the former minus that of the latter, or
 * what comes nearest to it in the type of the collection. Under cosine, where lengths mean nothing, each example counts with length 1.
 * @param examples - The positive ones first.
 * @param positive - How many these are, one at least.
 */
export function recommendedVector<T extends VectorType>(
  { dimension, type, metric }: VectorShape<T> & { readonly metric: Metric },
  examples: VectorArray,
  positive: number,
): VectorArray<T> {
  const numbers = type === 'bits' ? bitsOf(examples) : numbersOf(examples, type)
  const split = positive * dimension
  const wanted = meanOf(numbers.subarray(0, split), dimension, metric)
  if (split < numbers.length) {
    const disliked = meanOf(numbers.subarray(split), dimension, metric)
    for (let i = 0; i < dimension; i++) wanted[i] = 2 * wanted[i]! - disliked[i]!
  }
  return fitted(wanted, type, metric)
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

/** Each bit as a component. */
function bitsOf(bytes: VectorArray): Float32Array {
  const bits = new Float32Array(bytes.length * 8)
  for (let i = 0; i < bits.length; i++) bits[i] = (bytes[i >> 3]! >> (i & 7)) & 1
  return bits
}

function fitted<T extends VectorType>(
  vector: Float64Array,
  type: T,
  metric: Metric,
): VectorArray<T> {
  if (type === 'bits') {
    const bytes = new Uint8Array(vector.length / 8)
    for (const [i, share] of vector.entries()) if (share >= 0.5) bytes[i >> 3]! |= 1 << (i & 7)
    return bytes as VectorArray<T>
  }
  if (type === 'i8' || type === 'u8') {
    const [least, most] = type === 'i8' ? [-128, 127] : [0, 255]
    // Only the direction counts under cosine: its integers are as large as they can be.
    const largest = vector.reduce((max, x) => Math.max(max, type === 'i8' ? Math.abs(x) : x), 0)
    const scale = metric === 'cosine' && largest > 0 ? most / largest : 1
    for (let i = 0; i < vector.length; i++) {
      vector[i] = Math.min(Math.max(Math.round(vector[i]! * scale), least), most)
    }
  }
  return encodeNumbers(vector, type, place => {
    throw new VitrineError('ERR_VECTOR', `component ${place} of the examples' mean has no ${type}`)
  })
}
