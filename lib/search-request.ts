import type { CancelToken, CollectionHandle, NativeBinding } from './binding.ts'
import { cancellable } from './cancellation.ts'
import { collectionSearchOptions } from './database-options.ts'
import { coded } from './errors.ts'
import { beamOf } from './index-options.ts'
import { selected } from './points.ts'
import { toVectors, type VectorArray, type VectorType } from './vector-types.ts'
import { toFilter } from './where.ts'

/** A search as the binding takes it, and what is wanted of its hits. */
export interface SearchRequest {
  readonly query: VectorArray
  readonly k: number
  readonly beam: number | undefined
  readonly exact: boolean
  readonly payload: boolean
  readonly vector: boolean
  readonly timeoutMs: number | undefined
  readonly filter: string | undefined
  readonly signal: AbortSignal | undefined
  readonly properties: readonly string[] | undefined
  readonly profile: boolean
}

/** @throws {VitrineError} What is wrong with the options or the query. */
export function readSearch(query: unknown, options: unknown, type: VectorType): SearchRequest {
  const parsed = collectionSearchOptions.parse(options)
  const { k, exact = false, select, where, params, signal, timeoutMs, profile = false } = parsed
  const beam = beamOf(parsed)
  try {
    const { payload, vector, properties } = selected(select)
    return {
      query: toVectors(query, type),
      k,
      beam,
      exact,
      payload,
      vector,
      timeoutMs,
      filter: toFilter(where, params),
      signal,
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
  collection: CollectionHandle,
  { query, k, beam, exact, payload, vector, timeoutMs, filter }: SearchRequest,
  token?: CancelToken,
): R {
  return call(collection, query, k, beam, exact, payload, vector, timeoutMs, filter, token)
}

/** The same of a function that begins a search, which `signal` cancels. */
export function beginSearch<R>(
  call: (...args: Parameters<NativeBinding['searchCollection']>) => Promise<R>,
  collection: CollectionHandle,
  request: SearchRequest,
): Promise<R> {
  const { signal } = request
  return signal === undefined
    ? callSearch(call, collection, request)
    : cancellable({ signal }, token => callSearch(call, collection, request, token))
}
