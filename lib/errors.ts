/** Every code that a {@link VitrineError} can have, and what it means. docs/errors.md says what to do about each. */
export const errorCodes = {
  ERR_ARGUMENT: 'An argument has the wrong type or shape.',
  ERR_OPTION: 'An option is unknown, misspelled or out of its range.',
  ERR_DIMENSION: 'An array of vectors has the wrong length.',
  ERR_VECTOR: 'A component of a vector is not a finite number of its type.',
  ERR_ID: 'An id is not of the kind that is expected.',
  ERR_EXISTS: 'What is to be added is there already.',
  ERR_NOT_FOUND: 'What is asked for is not there.',
  ERR_CLOSED: 'The index or database has been closed.',
  ERR_CANCELLED: 'The operation was cancelled.',
  ERR_TIMEOUT: 'The operation took longer than `timeoutMs`.',
  ERR_OVERLOADED: 'Too many operations are waiting.',
  ERR_TOO_LARGE: 'Something exceeds a documented limit.',
  ERR_OUT_OF_MEMORY: 'Memory could not be allocated.',
  ERR_IO: 'The operating system refused a file operation.',
  ERR_CORRUPT: "A file's bytes contradict themselves.",
  ERR_FORMAT: 'A file is of a kind or version that this release cannot read.',
  ERR_LOCKED: 'Somebody else has the database open for writing.',
  ERR_READ_ONLY: 'A write to what was opened for reading only.',
  ERR_CONFLICT: 'A point that a write relied on was written meanwhile.',
  ERR_PAYLOAD: 'A payload does not have the type that a field declares.',
  ERR_FILTER: 'A filter makes no sense, or asks for a field that is not declared.',
  ERR_NO_BINARY: 'There is no native binary for this platform.',
  ERR_INTERNAL: 'A defect in vitrine.',
} as const

/** What callers match: `error.code === 'ERR_EXISTS'`. Messages are for people and change. */
export type ErrorCode = keyof typeof errorCodes

/** Facts about an error beyond its message, such as the name of a misspelled option. */
export type ErrorDetails = Readonly<Record<string, unknown>>

/** Every failure of vitrine, except an abort: that rejects with the signal's own reason. */
export class VitrineError extends Error {
  /** Tells our errors from what hostile code throws, without asking that for its prototype. */
  readonly #ours = true
  readonly code: ErrorCode
  declare readonly details?: ErrorDetails

  /** @param options.cause - What led to it, when that was another error. */
  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly details?: ErrorDetails; readonly cause?: unknown } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    if (options.details !== undefined) this.details = options.details
  }

  /** @internal */
  static is(error: unknown): error is VitrineError {
    return typeof error === 'object' && error !== null && #ours in error
  }

  static {
    Object.defineProperty(VitrineError.prototype, 'name', {
      value: 'VitrineError',
      configurable: true,
      writable: true,
    })
  }
}

/**
 * `error` as a VitrineError: what an argument of the caller threw while it was read (a getter, a
 * revoked proxy) becomes the cause.
 */
export function coded(error: unknown): VitrineError {
  if (VitrineError.is(error)) return error
  return new VitrineError('ERR_ARGUMENT', 'an argument could not be read', { cause: error })
}

/** The result of reading arguments; what goes wrong becomes a VitrineError. */
export function checked<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw coded(error)
  }
}

/** What `value` is, for messages: "NaN", "'l3'", "an object". */
export function describe(value: unknown): string {
  switch (typeof value) {
    case 'undefined':
    case 'number':
    case 'boolean':
      return String(value)
    case 'bigint':
      return 'a bigint'
    case 'string':
      return value.length <= 40 ? `'${value}'` : 'a long string'
    case 'symbol':
      return 'a symbol'
    case 'function':
      return 'a function'
    case 'object':
      return value === null ? 'null' : 'an object'
  }
}
