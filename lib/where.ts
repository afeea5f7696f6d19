import { types } from 'node:util'
import { describe, VitrineError } from './errors.ts'
import type { DateValue, Fields, FieldType } from './fields.ts'
import { nearestTo } from './options.ts'
import { parseSql } from './where-sql.ts'

/** What one value of a field is compared with: an element, where the field is an array. */
export type Comparand<T extends FieldType> = T extends 'keyword' | 'keyword[]'
  ? string
  : T extends 'integer' | 'number'
    ? number
    : T extends 'boolean'
      ? boolean
      : DateValue

/** What a field must be; all of it must hold. An array matches by any element. */
export type Condition<T extends FieldType> = {
  readonly $eq?: Comparand<T>
  /** Is not that, or is missing. */
  readonly $ne?: Comparand<T>
  readonly $in?: readonly Comparand<T>[]
  /** Is none of these, or is missing. */
  readonly $nin?: readonly Comparand<T>[]
  /** Whether there is a value: `null` is none. */
  readonly $exists?: boolean
  readonly $not?: Condition<T>
} & (T extends 'integer' | 'number' | 'date'
  ? {
      readonly $gt?: Comparand<T>
      readonly $gte?: Comparand<T>
      readonly $lt?: Comparand<T>
      readonly $lte?: Comparand<T>
    }
  : unknown)

/** A filter of fields that are not known to the compiler. */
export interface AnyWhere {
  readonly [field: string]:
    | Comparand<FieldType>
    | Condition<FieldType>
    | AnyWhere
    | readonly AnyWhere[]
    | undefined
}

/**
 * Which points are wanted, by the fields that their collection declares:
 * `{ lang: 'en', year: { $gte: 2020 }, $or: [{ tags: 'a' }, { done: true }] }`. All of it must hold.
 */
export type Where<F extends Fields = Fields> = string extends keyof F
  ? AnyWhere
  : { readonly [K in keyof F]?: Comparand<F[K]> | Condition<F[K]> } & {
      readonly $and?: readonly Where<F>[]
      readonly $or?: readonly Where<F>[]
      readonly $not?: Where<F>
    }

type Scalar = string | number | boolean
/** A filter as the engine takes it, in JSON: native/engine/filter.h. */
type Node = readonly [string, ...(Node | Scalar | null)[]]

const maxDepth = 32
const everything: Node = ['and']

const combiners = ['$and', '$or', '$not']
const comparisons = ['$eq', '$ne', '$in', '$nin', '$exists', '$not', '$gt', '$gte', '$lt', '$lte']

const wrong = (message: string, details: Readonly<Record<string, unknown>> = {}) =>
  new VitrineError('ERR_FILTER', message, { details })

/**
 * The engine's form of a filter; undefined for none.
 * @param where - An object, or SQL text with `?` for `params`.
 * @throws {VitrineError} `ERR_FILTER`; what the fields do not allow, the binding finds.
 */
export function toFilter(where: unknown, params?: unknown): string | undefined {
  if (typeof where === 'string') return JSON.stringify(whole(parseSql(where, params), 0))
  if (params !== undefined) throw wrong('params are for a where of SQL text')
  if (where === undefined) return undefined
  return JSON.stringify(whole(where, 0))
}

/** @throws {VitrineError} `ERR_FILTER` also where there is no filter. */
export function toRequiredFilter(where: unknown, params?: unknown): string {
  const filter = toFilter(where, params)
  if (filter === undefined) throw wrong('where is required')
  return filter
}

/** An object without a class, of any realm: others keep what they hold elsewhere, and would look like no condition. */
function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function described(value: unknown): string {
  if (types.isPromise(value)) return 'a promise: it was not awaited'
  const is = describe(value)
  return is === 'an object' ? 'one of a class' : is
}

function all(parts: readonly Node[]): Node {
  return parts.length === 1 ? (parts[0] ?? everything) : ['and', ...parts]
}

function whole(where: unknown, depth: number): Node {
  if (!isPlain(where)) {
    throw wrong(`a filter must be an object or SQL text, not ${described(where)}`)
  }
  if (depth === maxDepth) throw wrong(`the filter is nested deeper than ${maxDepth} levels`)
  const parts = Object.entries(where).map(([key, value]): Node => {
    switch (key) {
      case '$and':
        return ['and', ...list(key, value, part => whole(part, depth + 1))]
      case '$or':
        return ['or', ...list(key, value, part => whole(part, depth + 1))]
      case '$not':
        return ['not', whole(value, depth + 1)]
      default:
        if (key.startsWith('$')) throw unknownOperator(key, combiners)
        return condition(key, value, depth + 1)
    }
  })
  return all(parts)
}

/** `each` refuses a hole: the first ends a long array that holds nothing. */
function list<T>(operator: string, value: unknown, each: (element: unknown) => T): T[] {
  if (Array.isArray(value)) return Array.from(value as unknown[], each)
  throw wrong(`${operator} must be an array, not ${describe(value)}`)
}

function unknownOperator(operator: string, known: readonly string[]): VitrineError {
  const nearest = nearestTo(operator, known)
  return wrong(`there is no operator ${describe(operator)} here; did you mean '${nearest}'?`, {
    operator,
    nearest,
  })
}

function condition(field: string, value: unknown, depth: number): Node {
  if (!isPlain(value)) return ['in', field, scalar(field, value)]
  if (depth === maxDepth) throw wrong(`the filter is nested deeper than ${maxDepth} levels`)
  const parts: Node[] = []
  for (const [operator, operand] of Object.entries(value)) {
    switch (operator) {
      case '$eq':
        parts.push(['in', field, scalar(field, operand)])
        break
      case '$ne':
        parts.push(['not', ['in', field, scalar(field, operand)]])
        break
      case '$in':
        parts.push(['in', field, ...scalars(field, operator, operand)])
        break
      case '$nin':
        parts.push(['not', ['in', field, ...scalars(field, operator, operand)]])
        break
      case '$exists':
        if (typeof operand !== 'boolean') {
          throw wrong(`$exists must be true or false, not ${describe(operand)}`, { field })
        }
        parts.push(operand ? ['exists', field] : ['not', ['exists', field]])
        break
      case '$not':
        if (!isPlain(operand)) {
          throw wrong(`$not of a field must be an object, not ${describe(operand)}`, { field })
        }
        parts.push(['not', condition(field, operand, depth + 1)])
        break
      case '$gt':
      case '$gte':
        parts.push(['range', field, scalar(field, operand), operator === '$gte', null, true])
        break
      case '$lt':
      case '$lte':
        parts.push(['range', field, null, true, scalar(field, operand), operator === '$lte'])
        break
      default:
        throw unknownOperator(operator, comparisons)
    }
  }
  if (parts.length === 0) throw wrong(`the condition of field '${field}' is empty`, { field })
  return all(joinedRanges(parts))
}

/** A lower and an upper bound become one range, which is found in one go. */
function joinedRanges(parts: readonly Node[]): readonly Node[] {
  const [a, b] = parts
  if (parts.length !== 2 || a?.[0] !== 'range' || b?.[0] !== 'range') return parts
  const [low, high] = a[2] !== null ? [a, b] : [b, a]
  if (low[2] === null || high[2] !== null) return parts
  return [
    [
      'range',
      low[1] as string,
      low[2] as Scalar,
      low[3] as Scalar,
      high[4] as Scalar,
      high[5] as Scalar,
    ],
  ]
}

function scalars(field: string, operator: string, value: unknown): Scalar[] {
  return list(operator, value, element => scalar(field, element))
}

function scalar(field: string, value: unknown): Scalar {
  if (typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (types.isDate(value) && !Number.isNaN(value.getTime())) return value.toISOString()
  const hint =
    value === null
      ? '; { $exists: false } finds what is null or missing'
      : Array.isArray(value)
        ? '; $in finds one of several values'
        : ''
  throw wrong(
    `field '${field}' cannot be compared with ${describe(value)}, only with strings, numbers, booleans and dates${hint}`,
    { field },
  )
}
