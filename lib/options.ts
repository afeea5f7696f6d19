import { describe, VitrineError } from './errors.ts'

/** Checks one option's value and returns it; throws `ERR_OPTION` that says what is accepted. */
export type Rule<T> = (value: unknown, name: string) => T

type Rules<T> = { readonly [K in keyof T]-?: Rule<Exclude<T[K], undefined>> }

/** The options of one function, of which `R` are required. One that is `undefined` is not given. */
export class OptionParser<T extends object, R extends keyof T & string = never> {
  readonly #owner: string
  readonly #rules: Rules<T>
  readonly #required: readonly R[]

  /** @param owner - The function, as messages name it. */
  constructor(owner: string, rules: Rules<T>, required: readonly R[] = []) {
    this.#owner = owner
    this.#rules = Object.assign(Object.create(null), rules)
    this.#required = required
  }

  /**
   * @throws {VitrineError} `ERR_OPTION` for an unknown key, naming the nearest; a wrong value; one
   *   that is missing.
   */
  parse(options: unknown): Partial<T> & Pick<T, R> {
    const parsed: Partial<T> = {}
    if (options !== undefined) this.#read(options, parsed)
    for (const option of this.#required) {
      if (parsed[option] === undefined) {
        throw new VitrineError('ERR_OPTION', `${option} is required`, { details: { option } })
      }
    }
    return parsed as Partial<T> & Pick<T, R>
  }

  #read(options: unknown, parsed: Partial<T>): void {
    if (typeof options !== 'object' || options === null) {
      throw new VitrineError('ERR_OPTION', `options must be an object, not ${describe(options)}`)
    }
    try {
      for (const key in options) {
        const rule = this.#rules[key as keyof T] as Rule<T[keyof T]> | undefined
        if (rule === undefined) {
          if (!Object.hasOwn(options, key)) continue
          throw this.#unknown(key)
        }
        const value = (options as Record<string, unknown>)[key]
        if (value !== undefined) parsed[key as keyof T] = rule(value, key)
      }
    } catch (error) {
      if (VitrineError.is(error)) throw error
      throw new VitrineError('ERR_OPTION', 'an option could not be read', { cause: error })
    }
  }

  #unknown(key: string): VitrineError {
    const known = Object.keys(this.#rules)
    const nearest = nearestTo(key, known)
    const shown = describe(key)
    return new VitrineError(
      'ERR_OPTION',
      `${this.#owner} has no option ${shown}; did you mean '${nearest}'? It takes ${known.join(', ')}`,
      { details: { option: key, nearest } },
    )
  }
}

/** An integer between `min` and `max`, both included. */
export function integer(min: number, max: number): Rule<number> {
  return (value, name) => {
    if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) {
      return value as number
    }
    throw new VitrineError(
      'ERR_OPTION',
      `${name} must be an integer from ${min} to ${max}, not ${describe(value)}`,
      { details: { option: name } },
    )
  }
}

/** A finite number that is not below `min`. */
export function numberFrom(min: number): Rule<number> {
  return (value, name) => {
    if (Number.isFinite(value) && (value as number) >= min) return value as number
    throw refused(name, `a number from ${min} on`, value)
  }
}

/** A number from 0 to 1, both included. */
export const fraction: Rule<number> = (value, name) => {
  if (typeof value === 'number' && value >= 0 && value <= 1) return value
  throw refused(name, 'a number from 0 to 1', value)
}

/** A number between 0 and 1, both excluded. */
export const share: Rule<number> = (value, name) => {
  if (typeof value === 'number' && value > 0 && value < 1) return value
  throw refused(name, 'a number between 0 and 1, both excluded', value)
}

export const boolean: Rule<boolean> = (value, name) => {
  if (typeof value === 'boolean') return value
  throw refused(name, 'true or false', value)
}

export const text: Rule<string> = (value, name) => {
  if (typeof value === 'string') return value
  throw refused(name, 'a string', value)
}

/** Whether a string has UTF-8 of its own: lone surrogates would all become one character. */
export const isWellFormed = (value: string) => !/\p{Surrogate}/u.test(value)

export const wellFormed: Rule<string> = (value, name) => {
  if (typeof value === 'string' && isWellFormed(value)) return value
  throw refused(name, 'a string of well-formed Unicode', value)
}

/** A function; what it takes and returns cannot be checked. */
export function callback<F extends (...args: never[]) => unknown>(): Rule<F> {
  return (value, name) => {
    if (typeof value === 'function') return value as F
    throw refused(name, 'a function', value)
  }
}

/** One of some words. */
export function oneOf<T extends string>(...words: readonly T[]): Rule<T> {
  return (value, name) => {
    if (words.includes(value as T)) return value as T
    throw refused(name, words.map(word => `'${word}'`).join(' or '), value)
  }
}

/** An AbortSignal, this realm's or another's. */
export const abortSignal: Rule<AbortSignal> = (value, name) => {
  const signal = value as AbortSignal
  if (
    typeof value === 'object' &&
    value !== null &&
    typeof signal.aborted === 'boolean' &&
    typeof signal.addEventListener === 'function' &&
    typeof signal.removeEventListener === 'function'
  ) {
    return signal
  }
  throw refused(name, 'an AbortSignal', value)
}

function refused(name: string, accepted: string, value: unknown): VitrineError {
  return new VitrineError('ERR_OPTION', `${name} must be ${accepted}, not ${describe(value)}`, {
    details: { option: name },
  })
}

/** The candidate that the word begins with, or else the one at the least edit distance. */
export function nearestTo(word: string, candidates: readonly string[]): string {
  const start = word.slice(0, 64).toLowerCase() // enough of a long word
  const distances = candidates.map(candidate =>
    start.startsWith(candidate.toLowerCase()) && candidate.length > 1
      ? 0
      : editDistance(start, candidate.toLowerCase()),
  )
  return candidates[distances.indexOf(Math.min(...distances))] ?? ''
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(substitution, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}
