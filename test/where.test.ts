import { describe, expect, it } from 'vitest'
import { toFilter } from '../lib/where.ts'

const compiled = (where: unknown, params?: unknown) => JSON.parse(toFilter(where, params) ?? 'null')

function failure(where: unknown, params?: unknown) {
  try {
    toFilter(where, params)
  } catch (error) {
    return error
  }
  return undefined
}

const filterError = (message: RegExp, details?: object) =>
  expect.objectContaining({
    name: 'VitrineError',
    code: 'ERR_FILTER',
    message: expect.stringMatching(message),
    ...(details && { details: expect.objectContaining(details) }),
  })

describe('a filter object', () => {
  it('becomes the tree of the engine', () => {
    expect(compiled({ lang: 'en' })).toEqual(['in', 'lang', 'en'])
    expect(compiled({})).toEqual(['and'])
    expect(toFilter(undefined)).toBeUndefined()
    expect(compiled({ lang: 'en', done: true })).toEqual([
      'and',
      ['in', 'lang', 'en'],
      ['in', 'done', true],
    ])
    expect(compiled({ lang: { $ne: 'en' }, tags: { $in: ['a', 'b'] }, n: { $nin: [] } })).toEqual([
      'and',
      ['not', ['in', 'lang', 'en']],
      ['in', 'tags', 'a', 'b'],
      ['not', ['in', 'n']],
    ])
    expect(compiled({ a: { $exists: true }, b: { $exists: false }, c: { $eq: -0 } })).toEqual([
      'and',
      ['exists', 'a'],
      ['not', ['exists', 'b']],
      ['in', 'c', 0],
    ])
    expect(compiled({ $or: [{ a: 1 }, { b: 2 }], $not: { $and: [] } })).toEqual([
      'and',
      ['or', ['in', 'a', 1], ['in', 'b', 2]],
      ['not', ['and']],
    ])
    expect(compiled({ a: { $not: { $gt: 5 } } })).toEqual([
      'not',
      ['range', 'a', 5, false, null, true],
    ])
    expect(compiled({ ['__proto__']: 'x' })).toEqual(['in', '__proto__', 'x'])
  })

  it('joins a lower and an upper bound', () => {
    expect(compiled({ a: { $gte: 1, $lt: 2 } })).toEqual(['range', 'a', 1, true, 2, false])
    expect(compiled({ a: { $lte: 2, $gt: 1 } })).toEqual(['range', 'a', 1, false, 2, true])
    expect(compiled({ a: { $gt: 1, $gte: 2 } })).toEqual([
      'and',
      ['range', 'a', 1, false, null, true],
      ['range', 'a', 2, true, null, true],
    ])
  })

  it('takes dates', () => {
    const at = new Date(0)
    expect(compiled({ at })).toEqual(['in', 'at', '1970-01-01T00:00:00.000Z'])
    expect(compiled({ at: { $lt: at } })[4]).toBe('1970-01-01T00:00:00.000Z')
  })

  it('keeps halves of surrogate pairs apart', () => {
    expect(toFilter({ lang: '\ud800' })).toBe('["in","lang","\\ud800"]')
  })

  it('says what is wrong', () => {
    expect(failure({ $xor: [] })).toEqual(filterError(/did you mean '\$or'/, { nearest: '$or' }))
    expect(failure({ a: { $gtt: 1 } })).toEqual(filterError(/'\$gt/, { operator: '$gtt' }))
    expect(failure({ a: {} })).toEqual(filterError(/'a' is empty/, { field: 'a' }))
    expect(failure({ a: null })).toEqual(filterError(/\$exists: false/, { field: 'a' }))
    expect(failure({ a: ['x'] })).toEqual(filterError(/\$in finds/, { field: 'a' }))
    expect(failure({ a: undefined })).toEqual(filterError(/undefined/))
    expect(failure({ a: Number.NaN })).toEqual(filterError(/NaN/))
    expect(failure({ a: 1n })).toEqual(filterError(/a bigint/))
    expect(failure({ a: new Date(Number.NaN) })).toEqual(filterError(/cannot be compared/))
    expect(failure({ a: { $exists: 1 } })).toEqual(filterError(/true or false/))
    expect(failure({ a: { $not: 1 } })).toEqual(filterError(/must be an object/))
    expect(failure({ a: { $in: 'x' } })).toEqual(filterError(/must be an array/))
    expect(failure({ $and: {} })).toEqual(filterError(/must be an array/))
    for (const where of [null, 1, [], new Date(), () => 1]) {
      expect(failure(where)).toEqual(filterError(/must be an object or SQL text/))
    }
    expect(failure({}, [])).toEqual(filterError(/params/))
  })

  it('is not nested without end', () => {
    const circle: Record<string, unknown> = {}
    circle.$not = circle
    expect(failure(circle)).toEqual(filterError(/deeper than 32/))
    const condition: Record<string, unknown> = {}
    condition.$not = condition
    expect(failure({ a: condition })).toEqual(filterError(/deeper than 32/))
  })
})

describe('SQL text', () => {
  it.each<[string, unknown, ...unknown[]]>([
    ["lang = 'en'", { lang: 'en' }],
    ['year >= ?', { year: { $gte: 2020 } }, 2020],
    [
      'a<1 AND b<=2 AND c>3 AND d>=4',
      {
        $and: [{ a: { $lt: 1 } }, { b: { $lte: 2 } }, { c: { $gt: 3 } }, { d: { $gte: 4 } }],
      },
    ],
    [
      "a <> 'x' OR a != 'y' OR a == 'z'",
      {
        $or: [{ a: { $ne: 'x' } }, { a: { $ne: 'y' } }, { a: 'z' }],
      },
    ],
    [
      'a = 1 OR b = 2 AND NOT c = 3',
      {
        $or: [{ a: 1 }, { $and: [{ b: 2 }, { $not: { c: 3 } }] }],
      },
    ],
    ['(a = 1 OR b = 2) AND c = 3', { $and: [{ $or: [{ a: 1 }, { b: 2 }] }, { c: 3 }] }],
    ["tags IN ('a', 'b')", { tags: { $in: ['a', 'b'] } }],
    ["tags NOT IN ('a')", { tags: { $nin: ['a'] } }],
    ['tags in (?, ?)', { tags: { $in: ['a', 'b'] } }, 'a', 'b'],
    ['tags IN (?)', { tags: { $in: ['a', 'b'] } }, ['a', 'b']],
    ['note IS NULL', { note: { $exists: false } }],
    ['note is not null', { note: { $exists: true } }],
    ['year BETWEEN 1 AND 2 AND a = 3', { $and: [{ year: { $gte: 1, $lte: 2 } }, { a: 3 }] }],
    ['year NOT BETWEEN ? AND ?', { year: { $not: { $gte: 1, $lte: 2 } } }, 1, 2],
    ['done = TRUE AND gone = false', { $and: [{ done: true }, { gone: false }] }],
    [`"odd ""name""" = 'it''s'`, { 'odd "name"': "it's" }],
    ['"and" = -1.5e2', { and: -150 }],
    ['größe_2=.5', { größe_2: 0.5 }],
    ['at < ?', { at: { $lt: new Date(5) } }, new Date(5)],
    ['NOT NOT (a = 1)', { $not: { $not: { a: 1 } } }],
    ["  a\n=\t'x' ", { a: 'x' }],
  ])('%s', (sql, tree, ...params) => {
    expect(compiled(sql, params)).toEqual(compiled(tree))
  })

  it.each<[string, RegExp, number | undefined, ...unknown[]]>([
    ['', /the name of a field should come, but the text ends/, 0],
    ['lang', /=, <>.* should come, but the text ends/, 4],
    ["lang = 'en' year", /AND, OR or the end should come, but there is 'year'/, 12],
    ['lang =', /a value or \? should come/, 6],
    ["lang = 'en", /a quote has no end/, 7],
    ['"lang = 1', /a quote has no end/, 0],
    ['lang = "en"', /single ones for texts/, 7],
    ['lang = NULL', /IS NULL/, 7],
    ["lang LIKE 'e%'", /no LIKE/, 5],
    ["lang NOT LIKE 'e%'", /no LIKE/, 9],
    ['lang NOT = 1', /IN or BETWEEN should come/, 9],
    ['lang IS 1', /NULL should come/, 8],
    ['a IN 1', /'\(' should come/, 5],
    ['a IN ()', /a value/, 6],
    ['a IN (1', /'\)' should come/, 7],
    ['(a = 1', /'\)' should come/, 6],
    ['a = 1)', /the end should come, but there is '\)'/, 5],
    ['a BETWEEN 1 OR 2', /AND should come/, 12],
    ['1 = a', /the name of a field/, 0],
    ['and = 1', /the name of a field/, 0],
    ['a = 1; DROP', /';' means nothing/, 5],
    ['a = 😀', /'😀' means nothing/, 4],
    ['a = ?', /parameter 1 is missing/, 4],
    ['a = ? AND b = ?', /parameter 2 is missing/, 14, 1],
    ['a = 1', /2 parameters for 0 question marks/, undefined, 1, 2],
    ['a = ?', /'a' cannot be compared with null/, undefined, null],
    ['a = ?', /'a' cannot be compared with an object/, undefined, ['x']],
    ['a = 1e999', /Infinity/, undefined],
  ])('%s fails', (sql, message, position, ...params) => {
    expect(failure(sql, params)).toEqual(
      filterError(message, position === undefined ? undefined : { position }),
    )
    if (position !== undefined) {
      expect((failure(sql, params) as Error).message).toContain(`position ${position} of the SQL`)
    }
  })

  it('is not nested without end', () => {
    for (const sql of ['('.repeat(1e5), 'NOT '.repeat(1e5)]) {
      expect(failure(sql)).toEqual(filterError(/deeper than 32/))
    }
    expect(compiled(`${'('.repeat(30)}a = 1${')'.repeat(30)}`)).toEqual(['in', 'a', 1])
    expect(failure('a = 1', {})).toEqual(filterError(/params must be an array/))
  })
})
