import { describe, VitrineError } from './errors.ts'

type Tree = Record<string, unknown>

/** What SQL text is made of. Keywords and names are told apart by who reads them. */
interface Token {
  readonly kind: 'word' | 'name' | 'string' | 'number' | 'symbol' | 'parameter' | 'end'
  /** Without quotes. */
  readonly text: string
  /** In the SQL text, from 0. */
  readonly position: number
}

const maxDepth = 32
const comparisons: Readonly<Record<string, string>> = {
  '=': '$eq',
  '==': '$eq',
  '<>': '$ne',
  '!=': '$ne',
  '<': '$lt',
  '<=': '$lte',
  '>': '$gt',
  '>=': '$gte',
}
const reserved = ['AND', 'OR', 'NOT', 'IN', 'BETWEEN', 'IS', 'NULL', 'LIKE', 'TRUE', 'FALSE']

/** In the order in which they are tried. */
const patterns: readonly (readonly [Token['kind'], RegExp])[] = [
  ['word', /[\p{L}_][\p{L}\p{N}_]*/uy],
  ['name', /"(?:[^"]|"")*"/y],
  ['string', /'(?:[^']|'')*'/y],
  ['number', /[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y],
  ['parameter', /\?/y],
  ['symbol', /<>|!=|<=|>=|==|[=<>(),]/y],
]

function failure(message: string, position: number): VitrineError {
  return new VitrineError('ERR_FILTER', `${message}, at position ${position} of the SQL text`, {
    details: { position },
  })
}

function unquoted(kind: Token['kind'], text: string): string {
  if (kind === 'string') return text.slice(1, -1).replaceAll("''", "'")
  if (kind === 'name') return text.slice(1, -1).replaceAll('""', '"')
  return text
}

function tokensOf(sql: string): Token[] {
  const tokens: Token[] = []
  const space = /\s*/y
  for (let position = 0; ; ) {
    space.lastIndex = position
    space.test(sql)
    position = space.lastIndex
    if (position === sql.length) return [...tokens, { kind: 'end', text: '', position }]
    const token = tokenAt(sql, position)
    tokens.push({ ...token, text: unquoted(token.kind, token.text) })
    position += token.text.length
  }
}

function tokenAt(sql: string, position: number): Token {
  for (const [kind, pattern] of patterns) {
    pattern.lastIndex = position
    const [text] = pattern.exec(sql) ?? []
    if (text !== undefined) return { kind, text, position }
  }
  const character = String.fromCodePoint(sql.codePointAt(position) ?? 0)
  if (character === "'" || character === '"') throw failure('a quote has no end', position)
  throw failure(`${describe(character)} means nothing`, position)
}

/** Recursive descent: OR binds less than AND, AND less than NOT. */
class Parser {
  readonly #tokens: readonly Token[]
  readonly #params: readonly unknown[]
  #at = 0
  #used = 0
  #depth = 0

  constructor(tokens: readonly Token[], params: readonly unknown[]) {
    this.#tokens = tokens
    this.#params = params
  }

  parse(): Tree {
    const tree = this.#or()
    if (this.#next.kind !== 'end') throw this.#expected('AND, OR or the end')
    if (this.#used < this.#params.length) {
      throw new VitrineError(
        'ERR_FILTER',
        `${this.#params.length} parameters for ${this.#used} question marks`,
      )
    }
    return tree
  }

  get #next(): Token {
    // The last one is the end, and nobody takes that.
    return this.#tokens[this.#at] as Token
  }

  #take(): Token {
    const token = this.#next
    if (token.kind !== 'end') this.#at++
    return token
  }

  #expected(what: string): VitrineError {
    const { kind, text, position } = this.#next
    const found = kind === 'end' ? 'the text ends' : `there is ${describe(text)}`
    return failure(`${what} should come, but ${found}`, position)
  }

  /** Takes a keyword if it is next. */
  #word(word: string): boolean {
    const { kind, text } = this.#next
    if (kind !== 'word' || text.toUpperCase() !== word) return false
    this.#at++
    return true
  }

  #symbol(symbol: string): boolean {
    const { kind, text } = this.#next
    if (kind !== 'symbol' || text !== symbol) return false
    this.#at++
    return true
  }

  #demand(symbol: string): void {
    if (!this.#symbol(symbol)) throw this.#expected(`'${symbol}'`)
  }

  #or(): Tree {
    const parts = [this.#and()]
    while (this.#word('OR')) parts.push(this.#and())
    return parts.length === 1 ? (parts[0] as Tree) : { $or: parts }
  }

  #and(): Tree {
    const parts = [this.#not()]
    while (this.#word('AND')) parts.push(this.#not())
    return parts.length === 1 ? (parts[0] as Tree) : { $and: parts }
  }

  #not(): Tree {
    const { position } = this.#next
    const negated = this.#word('NOT')
    if (!negated && !this.#symbol('(')) return this.#predicate()
    if (++this.#depth > maxDepth) {
      throw failure(`the filter is nested deeper than ${maxDepth} levels`, position)
    }
    const tree = negated ? { $not: this.#not() } : this.#or()
    if (!negated) this.#demand(')')
    this.#depth--
    return tree
  }

  #predicate(): Tree {
    const field = this.#field()
    if (this.#word('IS')) {
      const exists = this.#word('NOT')
      if (!this.#word('NULL')) throw this.#expected('NULL')
      return { [field]: { $exists: exists } }
    }
    const negated = this.#word('NOT')
    if (this.#word('IN')) return { [field]: { [negated ? '$nin' : '$in']: this.#values() } }
    if (this.#word('BETWEEN')) {
      const low = this.#value()
      if (!this.#word('AND')) throw this.#expected('AND')
      const between = { $gte: low, $lte: this.#value() }
      return { [field]: negated ? { $not: between } : between }
    }
    if (this.#next.kind === 'word' && /^I?LIKE$/iu.test(this.#next.text)) {
      throw failure('there is no LIKE: fields are found by whole values', this.#next.position)
    }
    if (negated) throw this.#expected('IN or BETWEEN')
    const operator = this.#next.kind === 'symbol' && comparisons[this.#next.text]
    if (typeof operator !== 'string') {
      throw this.#expected('=, <>, <, <=, >, >=, IN, BETWEEN or IS')
    }
    this.#at++
    return { [field]: { [operator]: this.#value() } }
  }

  #field(): string {
    const { kind, text } = this.#next
    const isName = kind === 'name' || (kind === 'word' && !reserved.includes(text.toUpperCase()))
    if (!isName) throw this.#expected('the name of a field')
    return this.#take().text
  }

  #values(): unknown[] {
    this.#demand('(')
    const values: unknown[] = []
    do {
      const { kind, position } = this.#next
      const value = this.#value()
      // One parameter may stand for all of a list.
      const several: unknown[] = kind === 'parameter' && Array.isArray(value) ? value : [value]
      for (const one of several) {
        if (one === undefined) throw failure('a value is undefined', position)
        values.push(one)
      }
    } while (this.#symbol(','))
    this.#demand(')')
    return values
  }

  #value(): unknown {
    const { kind, text, position } = this.#next
    if (kind === 'string') return this.#take().text
    if (kind === 'number') return Number(this.#take().text)
    if (this.#word('TRUE')) return true
    if (this.#word('FALSE')) return false
    if (kind === 'word' && text.toUpperCase() === 'NULL') {
      throw failure('nothing is compared with NULL: IS NULL and IS NOT NULL ask for it', position)
    }
    if (kind === 'name') {
      throw failure('double quotes are for names of fields, single ones for texts', position)
    }
    if (kind !== 'parameter') throw this.#expected('a value or ?')
    this.#at++
    if (this.#used === this.#params.length) {
      throw failure(`parameter ${this.#used + 1} is missing`, position)
    }
    return this.#params[this.#used++]
  }
}

/**
 * A condition of SQL, as it stands behind WHERE, as a filter object. There are comparisons with values, `IN`, `BETWEEN`,
 * `IS NULL`, `NOT`, `AND`, `OR` and parentheses; texts stand in single quotes, names may stand in double ones.
 * @param params - What the `?` stand for, in their order; in `IN (?)` also an array.
 * @throws {VitrineError} `ERR_FILTER` with the position in the text.
 */
export function parseSql(sql: string, params: unknown = []): Tree {
  if (!Array.isArray(params)) {
    throw new VitrineError('ERR_FILTER', `params must be an array, not ${describe(params)}`)
  }
  return new Parser(tokensOf(sql), params as unknown[]).parse()
}
