import type { randomNumbers } from './vectors.ts'

type Random = ReturnType<typeof randomNumbers>

export const fields = {
  lang: 'keyword',
  tags: 'keyword[]',
  year: 'integer',
  price: 'number',
  done: 'boolean',
  at: 'date',
} as const

export interface ModelPayload {
  lang?: string | null
  tags?: string[]
  year?: number
  price?: number
  done?: boolean
  at?: Date | string
  text?: string
}

/** A filter as an object, as SQL text, and as a function of payloads. */
export interface ModelFilter {
  readonly where: Record<string, unknown>
  readonly sql: string
  readonly params: readonly unknown[]
  readonly admits: (payload: ModelPayload) => boolean
}

const languages = ['en', 'de', '', "l'été", '\u{1f600}', '\ud800']
const tags = ['a', 'b', 'c']
const day = (n: number) => new Date(Date.UTC(2024, 0, 1 + n))

const below = (random: Random, n: number) => Math.floor(random() * n)
const pick = <T>(random: Random, list: readonly T[]): T => list[below(random, list.length)] as T

export function randomPayload(random: Random): ModelPayload {
  const payload: ModelPayload = { text: `text ${random()}` }
  if (random() < 0.9) payload.lang = random() < 0.9 ? pick(random, languages) : null
  if (random() < 0.9) payload.tags = tags.filter(() => random() < 0.4)
  if (random() < 0.9) payload.year = below(random, 20) - 5
  if (random() < 0.9) payload.price = below(random, 100) / 8
  if (random() < 0.9) payload.done = random() < 0.5
  if (random() < 0.9) {
    const at = day(below(random, 20))
    payload.at = random() < 0.5 ? at : at.toISOString().slice(0, random() < 0.5 ? 10 : undefined)
  }
  return payload
}

const numbers = {
  year: (payload: ModelPayload) => payload.year,
  price: (payload: ModelPayload) => payload.price,
  at: (payload: ModelPayload) => payload.at && new Date(payload.at).getTime(),
}

function comparison(random: Random): ModelFilter {
  const field = pick(random, ['year', 'price', 'at'] as const)
  const value = field === 'at' ? day(below(random, 20)) : below(random, 20) - 5
  const bound = Number(value)
  const [operator, sql, holds] = pick(random, [
    ['$gt', '>', (x: number) => x > bound],
    ['$gte', '>=', (x: number) => x >= bound],
    ['$lt', '<', (x: number) => x < bound],
    ['$lte', '<=', (x: number) => x <= bound],
    ['$eq', '=', (x: number) => x === bound],
    ['$ne', '<>', (x: number) => x !== bound],
  ] as const)
  return {
    where: { [field]: { [operator]: value } },
    sql: `${field} ${sql} ?`,
    params: [value],
    admits: payload => {
      const found = numbers[field](payload)
      return typeof found === 'number' ? holds(found) : operator === '$ne'
    },
  }
}

function between(random: Random): ModelFilter {
  const low = below(random, 20) - 5
  const high = below(random, 20) - 5
  return {
    where: { year: { $gte: low, $lte: high } },
    sql: `year BETWEEN ${low} AND ${high}`,
    params: [],
    admits: ({ year }) => year !== undefined && year >= low && year <= high,
  }
}

function membership(random: Random): ModelFilter {
  const wanted = tags.filter(() => random() < 0.5)
  const negated = random() < 0.5
  return {
    where: { tags: { [negated ? '$nin' : '$in']: wanted } },
    sql: `tags ${negated ? 'NOT IN' : 'IN'} (?)`,
    params: [wanted],
    admits: payload => (payload.tags ?? []).some(tag => wanted.includes(tag)) !== negated,
  }
}

function presence(random: Random): ModelFilter {
  const field = pick(random, Object.keys(fields) as (keyof typeof fields)[])
  const exists = random() < 0.5
  return {
    where: { [field]: { $exists: exists } },
    sql: `"${field}" IS ${exists ? 'NOT ' : ''}NULL`,
    params: [],
    admits: payload => ((payload[field] ?? null) !== null) === exists,
  }
}

function equality(random: Random): ModelFilter {
  if (random() < 0.3) {
    const done = random() < 0.5
    return {
      where: { done },
      sql: `done = ${done}`,
      params: [],
      admits: payload => payload.done === done,
    }
  }
  const lang = pick(random, languages)
  return {
    where: { lang },
    sql: `lang = '${lang.replaceAll("'", "''")}'`,
    params: [],
    admits: payload => payload.lang === lang,
  }
}

const leaves = [comparison, comparison, between, membership, presence, equality]

export function randomFilter(random: Random, depth: number): ModelFilter {
  if (depth === 0 || random() < 0.2) return pick(random, leaves)(random)
  const first = randomFilter(random, depth - 1)
  if (random() < 0.25) {
    return {
      ...first,
      where: { $not: first.where },
      sql: `NOT (${first.sql})`,
      admits: payload => !first.admits(payload),
    }
  }
  const second = randomFilter(random, depth - 1)
  const isAnd = random() < 0.5
  return {
    where: { [isAnd ? '$and' : '$or']: [first.where, second.where] },
    sql: `(${first.sql} ${isAnd ? 'AND' : 'or'} ${second.sql})`,
    params: [...first.params, ...second.params],
    admits: payload =>
      isAnd
        ? first.admits(payload) && second.admits(payload)
        : first.admits(payload) || second.admits(payload),
  }
}
