import { types } from 'node:util'
import type { NativeAck, NativeHits, NativePoints } from './binding.ts'
import { describe, VitrineError } from './errors.ts'
import type { Fields } from './fields.ts'
import { isWellFormed } from './options.ts'
import type { CollectionSearchPlan, SearchCost } from './search-plan.ts'
import { lengthOf } from './typed-arrays.ts'
import {
  arrayNameOf,
  elementsOf,
  isVectorArray,
  newVectorArray,
  toVectors,
  type VectorArray,
  type VectorShape,
  type Vectors,
  type VectorType,
} from './vector-types.ts'

/**
 * What a point is called: text of 1 … 1,024 bytes of UTF-8, or an integer from 0 to 2^64 − 1. 5 and 5n are one id, 5 and
 * '5' are two. Integers come back as number up to 2^53 − 1, else as bigint.
 */
export type PointId = string | number | bigint

/** What is stored beside a vector: a JSON object of at most 1 MiB, which comes back as it was, but that -0 becomes 0. */
export type Payload = object

/** A point as it is written. */
export interface Point<P extends Payload = Payload, T extends VectorType = 'f32'> {
  readonly id: PointId
  readonly vector: Vectors<T>
  readonly payload?: P
}

/** Many points without an object for each. */
export interface Columns<P extends Payload = Payload, T extends VectorType = 'f32'> {
  readonly ids: readonly PointId[]
  /** `[ids.length * dimension]`, row-major; of bits `[ids.length * dimension / 8]`. */
  readonly vectors: Vectors<T>
  readonly payloads?: readonly (P | undefined)[]
}

/** A point as it is read: with what was selected. */
export interface StoredPoint<P extends Payload = Payload, T extends VectorType = 'f32'> {
  readonly id: PointId
  readonly payload?: P
  readonly vector?: VectorArray<T>
}

/** A point that a search found; lower distances are nearer. */
export interface Hit<P extends Payload = Payload, T extends VectorType = 'f32'>
  extends StoredPoint<P, T> {
  readonly distance: number
}

/** What a search of a collection did, and how long it took. */
export interface CollectionSearchProfile extends SearchCost {
  readonly plan: CollectionSearchPlan
}

/** Hits, nearest first; with what the search did if it was asked for. */
export interface Hits<P extends Payload = Payload, T extends VectorType = 'f32'>
  extends Array<Hit<P, T>> {
  /** Of a search with `profile: true`; not enumerable. */
  readonly profile?: CollectionSearchProfile
}

/** A search of a collection, with what it did and how long it took. */
export interface CollectionSearchAnalysis<P extends Payload = Payload, T extends VectorType = 'f32'>
  extends CollectionSearchProfile {
  readonly hits: readonly Hit<P, T>[]
}

/** What a reader wants besides the id; the payload alone unless said otherwise, and of it perhaps only some properties. */
export type Select =
  | readonly ('payload' | 'vector')[]
  | { readonly payload?: boolean | readonly string[]; readonly vector?: boolean }

/** That a write was done. */
export interface Ack {
  /** Its place in the order of all writes of the database. */
  readonly lsn: bigint
  /** Whether it outlives a power cut. */
  readonly durable: boolean
}

export function ackOf([lsn, durable]: NativeAck): Ack {
  return { lsn, durable }
}

export interface Selected {
  readonly payload: boolean
  readonly vector: boolean
  /** Of the payload; all without. */
  readonly properties: readonly string[] | undefined
}

const payloadAlone: Selected = { payload: true, vector: false, properties: undefined }

/** What a selection names. */
export function selected(select: unknown): Selected {
  if (select === undefined) return payloadAlone
  const wrong = () =>
    new VitrineError(
      'ERR_OPTION',
      `select must be an array of 'payload' and 'vector', or { payload, vector }, where payload may be an array of names, not ${describe(select)}`,
      { details: { option: 'select' } },
    )
  if (typeof select !== 'object' || select === null) throw wrong()
  const chosen = { payload: false, vector: false, properties: undefined as string[] | undefined }
  if (Array.isArray(select)) {
    for (const name of select as unknown[]) {
      if (name !== 'payload' && name !== 'vector') throw wrong()
      chosen[name] = true
    }
    return chosen
  }
  for (const [name, wanted] of Object.entries(select)) {
    if (name === 'payload' && Array.isArray(wanted)) {
      chosen.payload = true
      chosen.properties = Array.from(wanted as unknown[], one => {
        if (typeof one !== 'string') throw wrong()
        return one
      })
      continue
    }
    if ((name !== 'payload' && name !== 'vector') || typeof wanted !== 'boolean') throw wrong()
    chosen[name] = wanted
  }
  return chosen
}

/** An id as the binding takes it; the binding judges integers. */
export function toKey(id: unknown): PointId {
  if (typeof id === 'number' || typeof id === 'bigint') return id
  if (typeof id === 'string' && isWellFormed(id)) return id
  throw new VitrineError(
    'ERR_ID',
    typeof id === 'string'
      ? 'an id of text must be well-formed Unicode'
      : `an id must be text or an integer, not ${describe(id)}`,
  )
}

/** Ids as the binding takes them. */
export function toKeys(ids: unknown): PointId[] {
  if (!Array.isArray(ids)) {
    throw new VitrineError('ERR_ARGUMENT', `ids must be an array, not ${describe(ids)}`)
  }
  return converted(ids as unknown[], toKey)
}

/** As `Array.from`, which asks an iterator for each. */
function converted<T>(values: readonly unknown[], convert: (value: unknown) => T): T[] {
  const results: T[] = []
  for (let i = 0; i < values.length; i++) results.push(convert(values[i]))
  return results
}

/** A `Date` as payloads store it, so that it comes back as one. */
const dateMember = '$date'

/**
 * The JSON text of a payload that comes back as it was.
 * @param fields - Of the collection: those of type `date` take a `Date`. Asked when there is one.
 */
export function toPayload(payload: unknown, fields: () => Fields = () => ({})): string | undefined {
  if (payload === undefined) return undefined
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) {
    throw new VitrineError('ERR_ARGUMENT', `a payload must be an object, not ${describe(payload)}`)
  }
  if (isPlain(payload, mostLevels)) {
    const text = JSON.stringify(payload)
    if (text.includes(`"${dateMember}"`)) refuseDates(payload, fields)
    return text
  }
  const text = exactText(payload, fields)
  if (text?.startsWith('{')) return text
  throw new VitrineError('ERR_ARGUMENT', 'a payload must be an object after its toJSON')
}

/** What is deeper, or has no end, is left to `exactText`. */
const mostLevels = 32

/**
 * Whether JSON has a form for all of it. Most payloads are like that, and this finds out in a fraction of the time that
 * `JSON.stringify` takes to ask a function about every value.
 */
function isPlain(value: unknown, levels: number): boolean {
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object') return typeof value === 'string' || typeof value === 'boolean'
  if (value === null) return true
  if (levels === 0 || 'toJSON' in value) return false
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      if (!isPlain(value[i], levels - 1)) return false
    }
    return true
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return false
  for (const key in value) {
    const member = (value as Record<string, unknown>)[key]
    if (member !== undefined && !isPlain(member, levels - 1)) return false
  }
  return true
}

/** The text of what has a `toJSON`, or a class, or no form in JSON at all. */
function exactText(payload: object, fields: () => Fields): string | undefined {
  let root: unknown
  return JSON.stringify(payload, function exactly(this: unknown, key: string, value: unknown) {
    const given = (this as Record<string, unknown>)[key]
    if (key === '') root ??= value
    if (types.isDate(given)) {
      if (this === root && typeof value === 'string' && fields()[key] === 'date') {
        return { [dateMember]: value }
      }
    } else if (!isLost(this, key, given, value)) {
      return value
    }
    const hint = types.isDate(given)
      ? ": a valid Date goes into a field that is declared as 'date'"
      : ''
    throw new VitrineError(
      'ERR_ARGUMENT',
      `a payload holds what JSON does not: ${describe(given)} as '${key}'${hint}`,
    )
  })
}

/** What only the form of a `Date` may be, for it comes back as one. */
function refuseDates(payload: object, fields: () => Fields): void {
  for (const [name, type] of Object.entries(fields())) {
    const value = type === 'date' ? (payload as Record<string, unknown>)[name] : undefined
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, dateMember)) continue
    throw new VitrineError(
      'ERR_PAYLOAD',
      `field '${name}' is of type 'date' and takes a Date or its ISO text, not an object with ${dateMember}`,
      { details: { field: name, outcome: 'not_applied' } },
    )
  }
}

/** What holds its contents where JSON does not look. */
const isOpaque = (value: object) =>
  types.isMap(value) ||
  types.isSet(value) ||
  types.isWeakMap(value) ||
  types.isWeakSet(value) ||
  types.isRegExp(value) ||
  types.isPromise(value) ||
  types.isNativeError(value) ||
  types.isAnyArrayBuffer(value) ||
  types.isBoxedPrimitive(value) ||
  ArrayBuffer.isView(value)

/** Whether a value would come back as something else. */
function isLost(holder: unknown, key: string, given: unknown, value: unknown): boolean {
  return (
    (typeof value === 'number' && !Number.isFinite(value)) ||
    typeof value === 'bigint' ||
    typeof value === 'function' ||
    typeof value === 'symbol' ||
    (value === undefined && Array.isArray(holder)) ||
    (typeof value === 'object' && value !== null && isOpaque(value)) ||
    (key !== '' && typeof given === 'object' && typeof value !== 'object')
  )
}

/** What `toPayload` made text of; of it all properties, or some. */
function fromPayload<P extends Payload>(
  text: string,
  fields: () => Fields,
  properties: readonly string[] | undefined,
): P {
  const payload = parsePayload<P>(text, fields)
  return properties === undefined ? payload : pick(payload, properties)
}

function parsePayload<P extends Payload>(text: string, fields: () => Fields): P {
  const payload = JSON.parse(text) as Record<string, unknown>
  if (!text.includes(`"${dateMember}"`)) return payload as P
  for (const [name, type] of Object.entries(fields())) {
    const value = type === 'date' && Object.hasOwn(payload, name) ? payload[name] : undefined
    if (typeof value !== 'object' || value === null) continue
    payload[name] = new Date((value as Record<string, string>)[dateMember] ?? Number.NaN)
  }
  return payload as P
}

/** Points as the binding takes them. */
export interface PreparedPoints {
  readonly keys: PointId[]
  readonly vectors: VectorArray
  readonly payloads: (string | undefined)[] | undefined
}

/** @throws {VitrineError} `ERR_ARGUMENT`, `ERR_ID`, `ERR_VECTOR`, `ERR_DIMENSION`. */
export function preparePoints(
  points: unknown,
  shape: VectorShape,
  fields: () => Fields,
): PreparedPoints {
  if (Array.isArray(points)) return fromArray(points, shape, fields)
  if (typeof points !== 'object' || points === null) {
    throw new VitrineError(
      'ERR_ARGUMENT',
      `points must be an array of points, or columns, not ${describe(points)}`,
    )
  }
  const { ids, vectors, payloads, ...others } = points as Partial<Columns>
  const [other] = Object.keys(others)
  if (other !== undefined) {
    throw new VitrineError(
      'ERR_ARGUMENT',
      `columns are ids, vectors and payloads, not ${describe(other)}`,
    )
  }
  if (payloads !== undefined && !Array.isArray(payloads)) {
    throw new VitrineError('ERR_ARGUMENT', `payloads must be an array, not ${describe(payloads)}`)
  }
  const keys = toKeys(ids)
  // Before they are read: an array may be long and hold nothing.
  if (payloads !== undefined && payloads.length !== keys.length) {
    throw new VitrineError('ERR_ARGUMENT', `${keys.length} ids for ${payloads.length} payloads`)
  }
  return {
    keys,
    vectors: toVectors(vectors, shape.type),
    payloads: payloads && converted(payloads, one => toPayload(one, fields)),
  }
}

function fromArray(
  points: readonly unknown[],
  { dimension, type }: VectorShape,
  fields: () => Fields,
): PreparedPoints {
  const keys: PointId[] = []
  const payloads: (string | undefined)[] = []
  const elements = elementsOf(type, dimension)
  const vectors = newVectorArray(type as VectorType, points.length * elements)
  for (let i = 0; i < points.length; i++) {
    const point = points[i]
    if (typeof point !== 'object' || point === null) {
      throw new VitrineError('ERR_ARGUMENT', `point ${i} is ${describe(point)}, not an object`)
    }
    const { id, vector, payload, payloads: misnamed } = point as Partial<Point & Columns>
    if (misnamed !== undefined) {
      throw new VitrineError('ERR_ARGUMENT', `point ${i} has payloads, where payload is meant`)
    }
    keys.push(toKey(id))
    const components = toVectors(vector as unknown, type as VectorType)
    if (!isVectorArray(components, type)) {
      throw new VitrineError(
        'ERR_ARGUMENT',
        `the vector of point ${i} must be ${arrayNameOf(type)} or an array, not ${describe(vector)}`,
      )
    }
    if (lengthOf(components) !== elements) {
      throw new VitrineError(
        'ERR_DIMENSION',
        `the vector of point ${i} has ${lengthOf(components)} components, not ${elements}`,
      )
    }
    vectors.set(components, i * elements)
    payloads.push(toPayload(payload, fields))
  }
  return { keys, vectors, payloads }
}

/** Those of the properties that are there. */
function pick<P extends Payload>(payload: P, properties: readonly string[]): P {
  const chosen = Object.entries(payload).filter(([name]) => properties.includes(name))
  return Object.fromEntries(chosen) as P
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** What the binding read, as points; nothing where there is none. */
export function pointsOf<P extends Payload, T extends VectorType>(
  { keys, payloads, vectors }: NativePoints,
  { dimension, type }: VectorShape<T>,
  fields: () => Fields,
  properties?: readonly string[],
): (StoredPoint<P, T> | undefined)[] {
  const elements = elementsOf(type, dimension)
  const points: (StoredPoint<P, T> | undefined)[] = []
  for (let i = 0; i < keys.length; i++) {
    const id = keys[i]
    if (id === undefined) {
      points.push(undefined)
      continue
    }
    // Member by member: of objects that are spread into another V8 makes a new shape for each point.
    const point: Writable<StoredPoint<P, T>> = { id }
    const text = payloads?.[i]
    if (text !== undefined) point.payload = fromPayload(text, fields, properties)
    if (vectors !== undefined) {
      point.vector = vectors.slice(i * elements, (i + 1) * elements) as VectorArray<T>
    }
    points.push(point)
  }
  return points
}

/** What a search found, as hits. */
export function hitsOf<P extends Payload, T extends VectorType>(
  { keys, payloads, vectors, distances }: NativeHits,
  { dimension, type }: VectorShape<T>,
  fields: () => Fields,
  properties?: readonly string[],
): Hits<P, T> {
  const elements = elementsOf(type, dimension)
  const hits: Hits<P, T> = []
  for (let i = 0; i < keys.length; i++) {
    const id = keys[i]
    if (id === undefined) continue
    const distance = distances[i] ?? Number.NaN
    const text = payloads?.[i]
    const vector = vectors?.slice(i * elements, (i + 1) * elements) as VectorArray<T> | undefined
    // Whole at once, in this order: an object that grows takes twice the memory, and there are ten of them in a search.
    if (text === undefined) {
      hits.push(vector === undefined ? { id, distance } : { id, vector, distance })
    } else {
      const payload = fromPayload<P>(text, fields, properties)
      hits.push(
        vector === undefined ? { id, payload, distance } : { id, payload, vector, distance },
      )
    }
  }
  return hits
}
