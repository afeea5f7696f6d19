import { types } from 'node:util'
import { VitrineError } from './errors.ts'
import { IdSet } from './id-set.ts'
import { lengthOf } from './typed-arrays.ts'

/** What a copy of one query may take; a vector of the greatest dimension takes half of it. */
export const mostQueryBytes = 512 * 1024

const mostDepth = 64
const longestShape = 1000

/** Those options of a search that decide what it does: neither how long it may take nor who may end it. */
const keptOptions = [
  'k',
  'ef',
  'recall',
  'exact',
  'filter',
  'where',
  'params',
  'select',
  'positive',
  'negative',
] as const

/** The options of a query as a slow-query log keeps them. A filter that is an `IdSet` is the caller's own. */
export type QueryOptions = Readonly<Partial<Record<(typeof keptOptions)[number], unknown>>>

/** A query that nobody else can change. */
export interface QueryCopy {
  /** Of a recommendation there is none: it has examples. */
  readonly vector?: unknown
  readonly options: QueryOptions
}

/** Copies what a search was asked for. @throws {VitrineError} `ERR_TOO_LARGE`; whatever reading it throws. */
export function copyQuery(vector: unknown, options: unknown): QueryCopy {
  const copier = new Copier()
  const given = (options ?? {}) as Record<string, unknown>
  const kept: Record<string, unknown> = {}
  for (const name of keptOptions) {
    const value = given[name]
    if (value !== undefined) kept[name] = copier.copy(value, 0)
  }
  return vector === undefined
    ? { options: kept }
    : { vector: copier.copy(vector, 0), options: kept }
}

class Copier {
  #bytes = 0

  copy(value: unknown, depth: number): unknown {
    if (depth > mostDepth) throw tooLarge()
    if (typeof value === 'string') this.#take(value.length * 2)
    else this.#take(8)
    if (typeof value !== 'object' || value === null || IdSet.handleOf(value) !== undefined) {
      return value
    }
    if (types.isDate(value)) return new Date(value)
    if (ArrayBuffer.isView(value)) {
      this.#take(lengthOf(value) * ((value as Partial<Uint8Array>).BYTES_PER_ELEMENT ?? 1))
      return Uint8Array.prototype.slice.call(value)
    }
    if (Array.isArray(value)) {
      this.#take(value.length * 8)
      return Array.from(value, one => this.copy(one, depth + 1))
    }
    const copied: Record<string, unknown> = {}
    for (const [name, member] of Object.entries(value)) {
      this.#take(name.length * 2)
      // A name of the prototype's is a member like any other.
      Object.defineProperty(copied, name, {
        value: this.copy(member, depth + 1),
        enumerable: true,
        configurable: true,
        writable: true,
      })
    }
    return copied
  }

  #take(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes > mostQueryBytes) throw tooLarge()
  }
}

const tooLarge = () =>
  new VitrineError('ERR_TOO_LARGE', `a query of more than ${mostQueryBytes} bytes is not kept`)

/** What a query has in common with others that differ in values only: `'Collection.search k=10 where={"year":{"$gte":"?"}}'`. */
export function shapeOf(method: string, options: QueryOptions): string {
  const { k, ef, recall, exact, filter, where, select } = options
  const parts = [
    method,
    ...Object.entries({ k, ef, recall }).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}=${String(value)}`],
    ),
    ...(exact === true ? ['exact'] : []),
    ...(filter === undefined ? [] : [filter instanceof IdSet ? 'filter=IdSet' : 'filter=ids']),
    ...(where === undefined ? [] : [`where=${whereShape(where)}`]),
    ...(select === undefined ? [] : [`select=${JSON.stringify(select)}`]),
  ]
  const shape = parts.join(' ')
  return shape.length <= longestShape ? shape : `${shape.slice(0, longestShape - 1)}…`
}

function whereShape(where: unknown): string {
  return typeof where === 'string' ? sqlShape(where) : JSON.stringify(masked(where))
}

const sqlShape = (sql: string) =>
  sql
    .replace(/'(?:[^']|'')*'/g, '?')
    .replace(/\b\d+(?:\.\d+)?(?:e[+-]?\d+)?\b/gi, '?')
    .replace(/\?(?:\s*,\s*\?)+/g, '?')
    .replace(/\s+/g, ' ')
    .trim()

/** Names in their order, and a `'?'` for each value, or list of values. */
function masked(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || types.isDate(value)) return '?'
  if (Array.isArray(value)) {
    return value.every(one => typeof one === 'object' && one !== null) ? value.map(masked) : '?'
  }
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(members.map(([name, member]) => [name, masked(member)]))
}
