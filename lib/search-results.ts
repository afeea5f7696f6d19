import type { SearchCost, SearchPlan } from './search-plan.ts'
import { allocate, type IdArray, type IdType, newIdArray } from './typed-arrays.ts'

/** As many hits as there are, at most `k`: nearest first, ties by lower id. */
export interface SearchResult<I extends IdType = 'u32'> {
  readonly ids: IdArray<I>
  readonly distances: Float32Array
}

/** Hits of query `i` are at `i * k` and the `counts[i]` elements from there on. */
export interface BatchResult<I extends IdType = 'u32'> {
  /** `[n * k]`; unused elements hold the greatest id of the type. */
  readonly ids: IdArray<I>
  /** `[n * k]`; unused elements hold Infinity. */
  readonly distances: Float32Array
  /** `[n]` */
  readonly counts: Uint32Array
}

/** A search, with what it did and how long it took. */
export interface SearchAnalysis<I extends IdType = 'u32'> extends SearchResult<I>, SearchCost {
  readonly plan: SearchPlan
}

/** Arrays as long as there are hits. */
export function shortened<I extends IdType>(
  ids: IdArray<I>,
  distances: Float32Array,
  count: number,
): SearchResult<I> {
  if (count === ids.length) return { ids, distances }
  return { ids: ids.subarray(0, count) as IdArray<I>, distances: distances.subarray(0, count) }
}

/**
 * Where synchronous searches write before the hits are copied out. A small typed array of JavaScript
 * has no memory of its own until native code asks for it, and then the asking costs more than a copy.
 */
const scratch: Record<IdType, { ids: IdArray<IdType>; distances: Float32Array }> = {
  u32: { ids: new Uint32Array(64), distances: new Float32Array(64) },
  u64: { ids: new BigUint64Array(64), distances: new Float32Array(64) },
}

export function scratchOf(idType: IdType, k: number) {
  if (scratch[idType].ids.length < k) {
    scratch[idType] = {
      ids: newIdArray(idType, k),
      distances: allocate(() => new Float32Array(k)),
    }
  }
  return scratch[idType]
}
