import { setImmediate } from 'node:timers/promises'
import { describe, VitrineError } from './errors.ts'

/** A file's bytes as they come, such as a stream of Node's or of the web. */
export type ByteChunks = AsyncIterable<Uint8Array | string>

/** Reads bytes that come in chunks, and holds no more than one chunk and what is asked for. */
export class ByteReader {
  readonly #chunks: AsyncIterator<unknown>
  readonly #name: string
  readonly #signal: AbortSignal | undefined
  #rest: Buffer = Buffer.alloc(0)

  /** @param name - What messages call it. @param signal - Ends a wait for bytes that do not come. */
  constructor(chunks: ByteChunks, name: string, signal: AbortSignal | undefined) {
    this.#chunks = chunks[Symbol.asyncIterator]()
    this.#name = name
    this.#signal = signal
  }

  /** Fills `target`. @returns How many bytes it got: fewer than it has room for at the end only. */
  async fill(target: Uint8Array): Promise<number> {
    let filled = 0
    while (filled < target.length && (await this.#more())) {
      const part = this.#take(target.length - filled)
      target.set(part, filled)
      filled += part.length
    }
    return filled
  }

  /**
   * The next line without its line feed; undefined at the end. The last line need not have one.
   * @throws {VitrineError} `ERR_TOO_LARGE` when it has more than `limit` bytes.
   */
  async line(limit: number): Promise<Buffer | undefined> {
    const parts: Buffer[] = []
    let length = 0
    while (await this.#more()) {
      const end = this.#rest.indexOf(0x0a)
      const part = this.#take(end < 0 ? this.#rest.length : end)
      length += part.length
      if (length > limit) {
        throw new VitrineError('ERR_TOO_LARGE', `a line has at most ${limit} bytes`)
      }
      parts.push(part)
      if (end < 0) continue
      this.#take(1)
      return Buffer.concat(parts)
    }
    return parts.length === 0 ? undefined : Buffer.concat(parts)
  }

  /** Lets go of the source. */
  async close(): Promise<void> {
    try {
      await this.#chunks.return?.()
    } catch {
      // Whoever closes has all that was asked for, or an error that came before.
    }
  }

  #take(limit: number): Buffer {
    const part = this.#rest.subarray(0, limit)
    this.#rest = this.#rest.subarray(part.length)
    return part
  }

  /** Whether there are bytes; waits for a chunk where there are none. */
  async #more(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#next()
      if (done === true) return false
      if (typeof value === 'string') this.#rest = Buffer.from(value)
      else if (value instanceof Uint8Array) {
        this.#rest = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
      } else {
        throw new VitrineError(
          'ERR_ARGUMENT',
          `a source yields Uint8Arrays or strings, not ${describe(value)}`,
        )
      }
      // A source that never waits would otherwise keep everything else from running.
      await setImmediate()
    }
    return true
  }

  async #next(): Promise<IteratorResult<unknown>> {
    const signal = this.#signal
    if (signal?.aborted) throw signal.reason
    const pulled = this.#pull()
    if (signal === undefined) return pulled
    let abort = () => {}
    const aborted = new Promise<undefined>(resolve => {
      abort = () => resolve(undefined)
    })
    signal.addEventListener('abort', abort)
    try {
      const next = await Promise.race([pulled, aborted])
      if (next === undefined) throw signal.reason
      return next
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  async #pull(): Promise<IteratorResult<unknown>> {
    try {
      return await this.#chunks.next()
    } catch (cause) {
      throw this.#failed(cause)
    }
  }

  #failed(cause: unknown): VitrineError {
    if (VitrineError.is(cause)) return cause
    const { code, message } = (cause ?? {}) as { code?: unknown; message?: unknown }
    const unpacking = typeof code === 'string' && code.startsWith('Z_')
    return new VitrineError(
      unpacking ? 'ERR_CORRUPT' : 'ERR_IO',
      `${this.#name} could not be read: ${typeof message === 'string' ? message : 'its source failed'}`,
      { cause },
    )
  }
}
