import {
  type Channel,
  channel,
  type TracingChannel,
  tracingChannel,
} from 'node:diagnostics_channel'

// Where what happens is told to whoever listens, and costs one question where nobody does: docs/tracing.md.

/** What is done. Each has a tracing channel `vitrine:<operation>`. */
export const operations = [
  'search',
  'insert',
  'upsert',
  'update',
  'delete',
  'get',
  'count',
  'scan',
  'transaction',
  'load',
  'save',
  'import',
  'export',
  'open',
  'close',
  'flush',
  'checkpoint',
  'backup',
  'restore',
  'verify',
  'scrub',
  'createCollection',
  'dropCollection',
  'setAlias',
  'dropAlias',
  'addField',
  'optimize',
] as const

export type Operation = (typeof operations)[number]

/** What a call spends its time on. */
export const phaseNames = [
  'queue',
  'execute',
  'prepare',
  'filter',
  'plan',
  'entries',
  'graph',
  'scan',
  'rerank',
  'materialize',
  'graph_link',
  'wal',
  'fsync',
  'commit',
  'settle',
] as const

export type PhaseName = (typeof phaseNames)[number]

/** When a call was in one of its phases: docs/tracing.md. */
export interface OperationPhase {
  readonly name: PhaseName
  /** When it was entered first and left last, in nanoseconds since the call began. */
  readonly begin: number
  readonly end: number
  /**
   * How long the call was in it: less than lies between where it was in other phases meanwhile; more where it consists of several operations that
   * went on at the same time.
   */
  readonly nanoseconds: number
  /** How often it was entered. */
  readonly times: number
}

/**
 * One call, as the channels `tracing:vitrine:<operation>:start`, `…:end`, `…:asyncStart`, `…:asyncEnd` and `…:error` are given it: the same
 * object each time. Never holds a vector, a payload or an id. What the caller gave is told as it was, right or wrong, unless it is of another type: then it is left out.
 */
export interface OperationEvent {
  readonly operation: Operation
  /** Such as `'Collection.search'` or `'Index.searchInto'`. */
  readonly method: string
  /** Whether the call is over at `end`; others are at `asyncEnd`. */
  readonly synchronous: boolean
  /** The name of the database or index, as metrics have it in the label `db`. */
  readonly database?: string
  readonly collection?: string
  /** Of a search, as they were given. */
  readonly k?: number
  readonly ef?: number
  readonly recall?: number
  readonly exact?: boolean
  /** Whether there is a filter. */
  readonly filtered?: boolean
  /** Queries, points or ids of a call that takes many. */
  readonly batchSize?: number
  /** Hits or points that it returned; there when it is over and has not failed. Of a scan those that were taken, failed or not. */
  returnedRows?: number
  /** How far the nearest hit of one search is; there when it is over and has found something. */
  nearestDistance?: number
  /** The log sequence number of a write to a database; there when it is over and has not failed. */
  lsn?: bigint
  /** What the call threw or rejected with, when it failed. */
  error?: unknown
  /** Whoever listens to `start` sets it there to have `phases`. They are measured for this call alone; of a scan, what comes before its first point. */
  measure?: boolean
  /** When it was in which phase; there when it is over and was measured. Those of what is done on the thread of JavaScript are of searches alone. */
  phases?: readonly OperationPhase[]
}

/** A moment that a program names by `tracePoint`. */
export interface TracePoint {
  readonly name: string
  readonly attributes?: Readonly<Record<string, unknown>>
}

/** By operation. They are held here for as long as the process lives, so that nobody's subscription is lost. */
export const operationChannels: Readonly<
  Record<Operation, TracingChannel<unknown, OperationEvent>>
> = Object.fromEntries(
  operations.map(operation => [
    operation,
    tracingChannel<unknown, OperationEvent>(`vitrine:${operation}`),
  ]),
) as unknown as Record<Operation, TracingChannel<unknown, OperationEvent>>

/** The channel `vitrine:point`, where {@link TracePoint}s are published. */
export const pointChannel = channel('vitrine:point') as Channel<unknown, TracePoint>

// TracingChannel.traceSync and tracePromise would put what the call returns, and so its vectors, into the event.

/** A call that is published. */
interface PublishedCall<T, R> {
  readonly run: () => T
  /** Puts into the event what is told of what it returns, or resolves with. */
  readonly found: (result: R) => void
  /** It is over, well or not: what is left to say is put into the event. */
  readonly over: () => void
}

/** Runs what throws or returns. */
export function publishSync<T>(
  channels: TracingChannel<unknown, OperationEvent>,
  event: OperationEvent,
  { run, found, over }: PublishedCall<T, T>,
): T {
  return channels.start.runStores(event, () => {
    try {
      const result = run()
      found(result)
      return result
    } catch (error) {
      event.error = error
      channels.error.publish(event)
      throw error
    } finally {
      over()
      channels.end.publish(event)
    }
  })
}

/** Runs what only rejects. */
export function publishAsync<T>(
  channels: TracingChannel<unknown, OperationEvent>,
  event: OperationEvent,
  { run, found, over }: PublishedCall<Promise<T>, T>,
): Promise<T> {
  return channels.start.runStores(event, () => {
    const promise = run()
    channels.end.publish(event)
    return promise.then(
      result => {
        found(result)
        over()
        publishEnd(channels, event)
        return result
      },
      (error: unknown) => {
        over()
        publishError(channels, event, error)
        throw error
      },
    )
  })
}

/** Gives what `iterator` gives. Begins when it is first asked, and is over when it is. */
export async function* publishIteration<T>(
  channels: TracingChannel<unknown, OperationEvent>,
  event: OperationEvent,
  iterator: AsyncGenerator<T, void, undefined>,
): AsyncGenerator<T, void, undefined> {
  let failed: { readonly error: unknown } | undefined
  event.returnedRows = 0
  channels.start.publish(event)
  channels.end.publish(event)
  try {
    for await (const item of iterator) {
      event.returnedRows++
      yield item
    }
  } catch (error) {
    failed = { error }
    throw error
  } finally {
    if (failed === undefined) publishEnd(channels, event)
    else publishError(channels, event, failed.error)
  }
}

function publishError(
  channels: TracingChannel<unknown, OperationEvent>,
  event: OperationEvent,
  error: unknown,
): void {
  event.error = error
  channels.error.publish(event)
  publishEnd(channels, event)
}

function publishEnd(
  channels: TracingChannel<unknown, OperationEvent>,
  event: OperationEvent,
): void {
  channels.asyncStart.publish(event)
  channels.asyncEnd.publish(event)
}
