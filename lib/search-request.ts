import { type CancelToken, type CollectionHandle, type NativeBinding, native } from './binding.ts'
import { type Control, cancellable } from './cancellation.ts'
import { collectionSearchOptions } from './database-options.ts'
import { coded, describe, VitrineError } from './errors.ts'
import { beamOf } from './index-options.ts'
import { selected } from './points.ts'
import { lengthOf } from './typed-arrays.ts'
import {
  arrayNameOf,
  elementsOf,
  isVectorArray,
  toVectors,
  type VectorArray,
  type VectorType,
} from './vector-types.ts'
import { toFilter } from './where.ts'

/** A search as the binding takes it, and what is wanted of its hits. */
export interface SearchRequest {
  readonly collection: CollectionHandle
  readonly query: VectorArray
  readonly k: number
  readonly beam: number | undefined
  readonly exact: boolean
  readonly payload: boolean
  readonly vector: boolean
  readonly timeoutMs: number | undefined
  readonly filter: string | undefined
  readonly control: Control
  readonly properties: readonly string[] | undefined
  readonly profile: boolean
}

const uncontrolled: Control = {}

/** @throws {VitrineError} What is wrong with the options or the query. */
export function readSearch(
  collection: CollectionHandle,
  type: VectorType,
  query: unknown,
  options: unknown,
): SearchRequest {
  const parsed = collectionSearchOptions.parse(options)
  const { k, exact = false, select, where, params, signal, timeoutMs, profile = false } = parsed
  const beam = beamOf(parsed)
  try {
    const { payload, vector, properties } = selected(select)
    return {
      collection,
      query: toVectors(query, type),
      k,
      beam,
      exact,
      payload,
      vector,
      timeoutMs,
      filter: toFilter(where, params),
      control: signal === undefined ? uncontrolled : { signal },
      properties,
      profile,
    }
  } catch (error) {
    throw coded(error)
  }
}

/** Hands a search to one of the binding's functions. Not as an array of arguments, which would be copied for each call. */
export function callSearch<R>(
  call: (...args: Parameters<NativeBinding['searchCollection']>) => R,
  { collection, query, k, beam, exact, payload, vector, timeoutMs, filter }: SearchRequest,
  token?: CancelToken,
): R {
  return call(collection, query, k, beam, exact, payload, vector, timeoutMs, filter, token)
}

// Functions that are made once: most searches bring nothing else that would be garbage.
type Begin<R> = (token: CancelToken | undefined, onProgress: unknown, of: SearchRequest) => R
const search: Begin<ReturnType<NativeBinding['searchCollection']>> = (token, _, of) =>
  callSearch(native.searchCollection, of, token)
const analysis: Begin<ReturnType<NativeBinding['analyzeCollection']>> = (token, _, of) =>
  callSearch(native.analyzeCollection, of, token)

/** Begins a search, which the signal of the request cancels. */
export const beginSearch = (request: SearchRequest) => cancellable(request.control, search, request)

/** The same, telling what it did. */
export const beginAnalysis = (request: SearchRequest) =>
  cancellable(request.control, analysis, request)

/** What is under way at a time: enough for every thread, and fewer than the engine refuses. */
const mostAtOnce = 1024

/** The queries of a batch, which nobody else can change where they wait for their turn. */
export function splitQueries(
  { type, dimension }: { readonly type: VectorType; readonly dimension: number },
  queries: unknown,
): VectorArray[] {
  const given = toVectors(queries, type)
  if (!isVectorArray(given, type)) {
    throw new VitrineError(
      'ERR_ARGUMENT',
      `queries must be ${arrayNameOf(type)} or an array, not ${describe(queries)}`,
    )
  }
  const length = lengthOf(given)
  const elements = elementsOf(type, dimension)
  if (length % elements !== 0) {
    throw new VitrineError(
      'ERR_DIMENSION',
      `${length} components are no whole number of vectors of ${elements}`,
    )
  }
  const vectors = length > mostAtOnce * elements ? given.slice() : given
  return Array.from({ length: length / elements }, (_, i) =>
    vectors.subarray(i * elements, (i + 1) * elements),
  )
}

/** What becomes of each; so many are under way at a time. The first that fails is the last that begins. */
export async function mapSome<T, R>(
  values: readonly T[],
  begin: (value: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  let next = 0
  const work = async () => {
    while (next < values.length) {
      const at = next++
      try {
        results[at] = await begin(values[at] as T)
      } catch (error) {
        next = values.length
        throw error
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(values.length, mostAtOnce) }, work))
  return results
}
