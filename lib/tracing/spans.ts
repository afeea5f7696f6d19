import type { Attributes, HrTime, Span, SpanOptions, TracerProvider } from '@opentelemetry/api'
import { version } from '../binding.ts'
import {
  type Operation,
  type OperationEvent,
  type OperationPhase,
  operationChannels,
  operations,
  pointChannel,
  type TracePoint,
} from '../channels.ts'
import { describe, VitrineError } from '../errors.ts'
import { boolean, OptionParser } from '../options.ts'
import { openTelemetry } from './peer.ts'

export interface TracingOptions {
  /** Where spans go; by default to the provider that is registered globally, also when that happens later. */
  readonly tracerProvider?: TracerProvider
  /** Which operations become spans; by default all. */
  readonly operations?: readonly Operation[]
  /**
   * Whether a span that is recorded has children for the phases of its call: waiting for a thread, the walk, the log, the flush; docs/tracing.md has
   * them all. Default false. A call whose span is not sampled is not measured.
   */
  readonly phases?: boolean
}

interface OpenSpan {
  readonly span: Span
  /** Of a call that is measured: when it began, since 1970 and by the clock that only goes on, in milliseconds. */
  readonly began: { readonly date: number; readonly now: number } | undefined
}

const tracingOptions = new OptionParser<Required<TracingOptions>>('enableTracing', {
  tracerProvider: (value, option) => {
    if (typeof (value as TracerProvider | null)?.getTracer === 'function') {
      return value as TracerProvider
    }
    throw new VitrineError('ERR_OPTION', `${option} must have getTracer, not ${describe(value)}`, {
      details: { option },
    })
  },
  operations: (value, option) => {
    const known: readonly unknown[] = operations
    if (Array.isArray(value) && value.every(each => known.includes(each))) {
      return value as Operation[]
    }
    throw new VitrineError(
      'ERR_OPTION',
      `${option} must be an array of ${operations.map(each => `'${each}'`).join(', ')}`,
      { details: { option } },
    )
  },
  phases: boolean,
})

/**
 * Makes a span of OpenTelemetry of every call, by its conventions for databases, and of every `tracePoint` an event of the active span. The
 * parent of a span is the span that is active where the call is made. Spans hold no vectors, ids or payloads.
 * @returns What ends it, and the spans of calls that are pending then.
 * @throws {VitrineError} `ERR_NOT_FOUND` with the command that installs `@opentelemetry/api`; `ERR_OPTION`.
 */
export function enableTracing(options?: TracingOptions): () => void {
  const { tracerProvider, operations: chosen = operations, phases } = tracingOptions.parse(options)
  const api = openTelemetry()
  const { SpanKind, SpanStatusCode, context, trace } = api
  const tracer = (tracerProvider ?? trace).getTracer('vitrine', version)
  const spans = new Map<OperationEvent, OpenSpan>()
  // In one process with its client, a call is no request to somebody else.
  const kind = SpanKind.INTERNAL

  const end = ({ span, began }: OpenSpan) => {
    if (began === undefined) span.end()
    else span.end(timeAfter(began.date, (performance.now() - began.now) * 1e6))
  }
  const finish = (event: OperationEvent): void => {
    const open = spans.get(event)
    if (open === undefined) return
    spans.delete(event)
    const { span, began } = open
    if (event.returnedRows !== undefined) {
      span.setAttribute('db.response.returned_rows', event.returnedRows)
    }
    if (event.nearestDistance !== undefined) {
      span.setAttribute('vitrine.search.nearest_distance', event.nearestDistance)
    }
    // Attributes are no big integers; it is below 2^53 for as long as anybody lives.
    if (event.lsn !== undefined) span.setAttribute('vitrine.lsn', Number(event.lsn))
    if (began !== undefined && event.phases !== undefined) {
      const parent = trace.setSpan(context.active(), span)
      for (const phase of event.phases) {
        const how = { kind, ...spanOfPhase(phase, began.date) }
        tracer.startSpan(how.name, how, parent).end(how.endTime)
      }
    }
    end(open)
  }
  const handlers = {
    start: (event: OperationEvent) => {
      const date = Date.now()
      const how: SpanOptions = {
        kind,
        attributes: attributesOf(event),
        // Children that say when they began need a parent that does.
        ...(phases === true && { startTime: timeAfter(date, 0) }),
      }
      const span = tracer.startSpan(nameOf(event), how, context.active())
      const measured = phases === true && span.isRecording()
      if (measured) event.measure = true
      const began = phases === true ? { date, now: performance.now() } : undefined
      spans.set(event, { span, began })
    },
    end: (event: OperationEvent) => {
      if (event.synchronous) finish(event)
    },
    asyncStart: () => undefined,
    asyncEnd: finish,
    error: (event: OperationEvent) => {
      const span = spans.get(event)?.span
      const { type, message } = describeError(event.error)
      span?.setAttribute('error.type', type)
      if (VitrineError.is(event.error)) span?.setAttribute('db.response.status_code', type)
      if (event.error instanceof Error) span?.recordException(event.error)
      span?.setStatus({ code: SpanStatusCode.ERROR, message })
    },
  }
  const addPoint = (point: unknown) => {
    const { name, attributes } = point as TracePoint
    trace.getActiveSpan()?.addEvent(name, attributes as Attributes | undefined)
  }

  const channels = [...new Set(chosen)].map(operation => operationChannels[operation])
  for (const each of channels) each.subscribe(handlers)
  pointChannel.subscribe(addPoint)
  return () => {
    for (const each of channels) each.unsubscribe(handlers)
    pointChannel.unsubscribe(addPoint)
    for (const each of spans.values()) end(each)
    spans.clear()
  }
}

/**
 * Names a moment of the program. Where tracing is enabled it becomes an event of the span that is active, with these attributes; whoever
 * subscribes to the diagnostics channel `vitrine:point` is told as well. Costs next to nothing where nobody listens.
 * @param name - Such as `'reranked'`; not empty.
 * @param attributes - Text, numbers, true and false, and arrays of them.
 * @throws {VitrineError} `ERR_ARGUMENT`.
 */
export function tracePoint(name: string, attributes?: Attributes): void {
  if (typeof name !== 'string' || name === '') {
    throw new VitrineError(
      'ERR_ARGUMENT',
      `name must be a string that is not empty, not ${describe(name)}`,
    )
  }
  if (attributes !== undefined && (typeof attributes !== 'object' || attributes === null)) {
    throw new VitrineError(
      'ERR_ARGUMENT',
      `attributes must be an object, not ${describe(attributes)}`,
    )
  }
  if (!pointChannel.hasSubscribers) return
  pointChannel.publish(attributes === undefined ? { name } : { name, attributes })
}

/** In seconds and nanoseconds since 1970. */
function timeAfter(date: number, nanoseconds: number): HrTime {
  const seconds = Math.floor(date / 1000)
  const rest = Math.round((date % 1000) * 1e6 + nanoseconds)
  return [seconds + Math.floor(rest / 1e9), rest % 1e9]
}

/** A phase that was entered again, or that several operations were in at a time, is one span, which says how long the call was in it. */
const spanOfPhase = ({ name, begin, end, nanoseconds, times }: OperationPhase, date: number) => ({
  name: `vitrine.${name}`,
  startTime: timeAfter(date, begin),
  endTime: timeAfter(date, end),
  attributes:
    times === 1
      ? {}
      : { 'vitrine.phase.duration': nanoseconds / 1e9, 'vitrine.phase.entries': times },
})

const isBatch = ({ batchSize }: OperationEvent) => batchSize !== undefined && batchSize > 1

/** Of calls that take several the conventions want to see that. */
const operationOf = (event: OperationEvent) =>
  isBatch(event) ? `BATCH ${event.operation}` : event.operation

function nameOf(event: OperationEvent): string {
  const target = event.collection ?? event.database
  return target === undefined ? operationOf(event) : `${operationOf(event)} ${target}`
}

function attributesOf(event: OperationEvent): Attributes {
  const { collection, database, batchSize, k, ef, recall, exact, filtered } = event
  return {
    'db.system.name': 'vitrine',
    'db.operation.name': operationOf(event),
    ...(database !== undefined && { 'db.namespace': database }),
    ...(collection !== undefined && { 'db.collection.name': collection }),
    ...(isBatch(event) && { 'db.operation.batch.size': batchSize! }),
    'vitrine.method': event.method,
    ...(k !== undefined && { 'vitrine.search.k': k }),
    ...(ef !== undefined && { 'vitrine.search.ef': ef }),
    ...(recall !== undefined && { 'vitrine.search.recall': recall }),
    ...(exact !== undefined && { 'vitrine.search.exact': exact }),
    ...(filtered !== undefined && { 'vitrine.filtered': filtered }),
  }
}

/** By code; what is none of ours, such as the reason of an abort, by its name. */
function describeError(error: unknown): { readonly type: string; readonly message: string } {
  if (VitrineError.is(error)) return { type: error.code, message: error.message }
  if (error instanceof Error) return { type: error.name, message: error.message }
  return { type: '_OTHER', message: describe(error) }
}
