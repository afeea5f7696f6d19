import type { Operation } from './channels.ts'
import { type ErrorCode, VitrineError } from './errors.ts'

const mostErrors = 1000
const longestMessage = 300

/** A call that failed. Holds nothing of what the call was given, except what the message says. */
export interface LoggedError {
  readonly operation: Operation
  /** Such as `'Collection.upsert'`. */
  readonly method: string
  readonly collection?: string
  /** `ERR_CANCELLED` of what was aborted, or threw from the caller's own code. */
  readonly code: ErrorCode
  /** For people; at most 300 characters. */
  readonly message: string
  readonly at: Date
}

export interface ErrorHistory {
  /** Since the log was cleared, those among them that are no longer in `latest`. */
  readonly total: number
  readonly byCode: Readonly<Partial<Record<ErrorCode, number>>>
  /** At most 1000, the newest first. */
  readonly latest: readonly LoggedError[]
}

export class ErrorRing {
  readonly #latest: LoggedError[] = []
  readonly #byCode = new Map<ErrorCode, number>()

  add(call: Pick<LoggedError, 'operation' | 'method' | 'collection'>, error: unknown): void {
    const ours = VitrineError.is(error)
    const code = ours ? error.code : 'ERR_CANCELLED'
    // What is not ours is the caller's, and may hold anything.
    const message = ours
      ? String(error.message).slice(0, longestMessage)
      : 'aborted, or ended by what the caller threw'
    this.#byCode.set(code, (this.#byCode.get(code) ?? 0) + 1)
    this.#latest.push({ ...call, code, message, at: new Date() })
    if (this.#latest.length > mostErrors) this.#latest.shift()
  }

  read(): ErrorHistory {
    return {
      total: [...this.#byCode.values()].reduce((sum, count) => sum + count, 0),
      byCode: Object.fromEntries(this.#byCode),
      latest: this.#latest.toReversed(),
    }
  }

  clear(): void {
    this.#latest.length = 0
    this.#byCode.clear()
  }
}
