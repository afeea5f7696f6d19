import { type CancelToken, type CollectionHandle, type NativeBinding, native } from './binding.ts'
import { type Control, cancellable } from './cancellation.ts'
import { collectionSearchOptions } from './database-options.ts'
import { coded } from './errors.ts'
import { beamOf } from './index-options.ts'
import { selected } from './points.ts'
import { toVectors, type VectorArray, type VectorType } from './vector-types.ts'
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
