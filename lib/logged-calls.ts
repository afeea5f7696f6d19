import type { LoggedError } from './error-history.ts'
import { VitrineError } from './errors.ts'
import { copyQuery, type QueryCopy, shapeOf } from './query-copy.ts'
import type { Slowlog } from './slowlog.ts'

/** What a search was given, as it was given: nothing is known of what it is. */
export interface GivenQuery {
  /** One; undefined of a recommendation. */
  readonly vector: unknown
  readonly options: unknown
  /** Queries of a batch, of which `vector` is the first. */
  readonly batchSize?: number | undefined
}

/** A call that logs are told of. */
export interface LoggedCall {
  readonly logs: readonly Slowlog[]
  readonly call: Pick<LoggedError, 'operation' | 'method' | 'collection'>
  /** Of a search; not asked when a synchronous one is over soon. May throw. */
  readonly given: (() => GivenQuery) | undefined
}

interface KeptQuery {
  readonly shape: string
  readonly query?: QueryCopy
  readonly batchSize: number
}

/** Runs what throws or returns. */
export function logSync<T>(logged: LoggedCall, run: () => T): T {
  const begin = performance.now()
  try {
    const result = run()
    finish(logged, performance.now() - begin)
    return result
  } catch (error) {
    fail(logged, error, performance.now() - begin)
    throw error
  }
}

/** Runs what only rejects. */
export async function logAsync<T>(logged: LoggedCall, run: () => Promise<T>): Promise<T> {
  // The caller may change it while the search runs.
  const kept = logged.given && keep(logged.call.method, logged.given)
  const begin = performance.now()
  try {
    const result = await run()
    finish(logged, performance.now() - begin, kept)
    return result
  } catch (error) {
    fail(logged, error, performance.now() - begin, kept)
    throw error
  }
}

/** Gives what `iterator` gives. */
export async function* logIteration<T>(
  logged: LoggedCall,
  iterator: AsyncGenerator<T, void, undefined>,
): AsyncGenerator<T, void, undefined> {
  try {
    yield* iterator
  } catch (error) {
    for (const log of logged.logs) log.addError(logged.call, error)
    throw error
  }
}

function keep(method: string, given: () => GivenQuery): KeptQuery {
  let batchSize = 1
  try {
    const { vector, options, batchSize: many = 1 } = given()
    batchSize = Math.max(many, 1)
    const query = copyQuery(vector, options)
    return { shape: shapeOf(method, query.options), query, batchSize }
  } catch {
    // Too large, or the call itself says what is wrong with it.
    return { shape: method, batchSize }
  }
}

/** @param early - What was kept before the call; of one that is no batch it may be read now. */
function finish({ logs, call, given }: LoggedCall, took: number, early?: KeptQuery): void {
  if (given === undefined) return
  let kept = early
  const milliseconds = took / (kept?.batchSize ?? 1)
  for (const log of logs) {
    const verdict = log.judge(milliseconds)
    if (verdict === undefined) continue
    kept ??= keep(call.method, given)
    const { method, collection } = call
    log.add(verdict, { method, collection, milliseconds, ...kept })
  }
}

function fail(logged: LoggedCall, error: unknown, took: number, early?: KeptQuery): void {
  for (const log of logged.logs) log.addError(logged.call, error)
  // What ran out of time was slow; what was refused was not.
  if (VitrineError.is(error) && error.code === 'ERR_TIMEOUT') finish(logged, took, early)
}
