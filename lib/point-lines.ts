import { checked, describe, VitrineError } from './errors.ts'
import type { PointSource } from './point-source.ts'
import { type PointId, toKey, toPayload } from './points.ts'
import {
  elementsOf,
  numbersOf,
  toVectors,
  type VectorArray,
  type VectorShape,
} from './vector-types.ts'

/** A line of JSONL as the binding takes it. */
export interface LinePoint {
  readonly key: PointId
  readonly vector: VectorArray | undefined
  /** JSON. */
  readonly payload: string | undefined
}

/** A payload has 1 MiB at most, and a vector 65,536 components of some 20 characters. */
const mostLineBytes = 8 << 20
const mostKeyBytes = 1024
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const byteOrderMark = '\ufeff'

/** Reads points line by line; lines that are blank count, and hold none. */
export class LineReader {
  readonly #source: PointSource
  readonly #shape: VectorShape | undefined
  #line = 0

  /** @param shape - Of the vector that each line must have; undefined where none may. */
  constructor(source: PointSource, shape: VectorShape | undefined) {
    this.#source = source
    this.#shape = shape
  }

  /** Lines read so far: the number of the line that {@link next} gave last. */
  get line(): number {
    return this.#line
  }

  /** @throws {VitrineError} with `details.line`, counted from 1. */
  async next(): Promise<LinePoint | undefined> {
    for (;;) {
      this.#line++
      try {
        const bytes = await this.#source.reader.line(mostLineBytes)
        if (bytes === undefined) return undefined
        const text = this.#decoded(bytes)
        if (text.trim() !== '') return parsePoint(text, this.#shape)
      } catch (error) {
        throw VitrineError.is(error) ? atLine(error, this.#line) : error
      }
    }
  }

  #decoded(bytes: Buffer): string {
    let text: string
    try {
      text = utf8.decode(bytes)
    } catch (cause) {
      throw new VitrineError('ERR_FORMAT', 'it is not UTF-8', { cause })
    }
    return this.#line === 1 && text.startsWith(byteOrderMark) ? text.slice(1) : text
  }
}

/**
 * The line of a point, with its line feed.
 * @param vector - Its components; of bits, bytes.
 * @param payload - JSON.
 */
export function formatPoint(
  key: PointId,
  vector: Float32Array | undefined,
  payload: string | undefined,
): string {
  const id = typeof key === 'string' ? JSON.stringify(key) : String(key)
  const components = vector === undefined ? '' : `,"vector":[${Array.from(vector, number).join()}]`
  return `{"id":${id}${components}${payload === undefined ? '' : `,"payload":${payload}`}}\n`
}

// JSON.stringify forgets the sign of a zero.
function number(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value)
}

function atLine(error: VitrineError, line: number): VitrineError {
  return new VitrineError(error.code, `line ${line}: ${error.message}`, {
    details: { ...error.details, line },
    ...('cause' in error && { cause: error.cause }),
  })
}

function parsePoint(text: string, shape: VectorShape | undefined): LinePoint {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    throw new VitrineError('ERR_FORMAT', 'it is not JSON', { cause })
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new VitrineError('ERR_FORMAT', `it is ${describe(parsed)}, not a point`)
  }
  const { id, vector, payload, ...others } = parsed as Record<string, unknown>
  const unknown = Object.keys(others)[0] ?? (shape === undefined && vector && 'vector')
  if (unknown) {
    const known = shape === undefined ? 'id and payload' : 'id, vector and payload'
    throw new VitrineError('ERR_FORMAT', `it has ${describe(unknown)}; a point has ${known}`)
  }
  return {
    key: keyOf(id, text),
    vector: shape === undefined ? undefined : vectorOf(vector, shape),
    payload: checked(() => toPayload(payload)),
  }
}

function keyOf(id: unknown, text: string): PointId {
  if (typeof id === 'number') return integerKey(id, text)
  const key = toKey(id)
  const length = typeof key === 'string' ? Buffer.byteLength(key) : 0
  if (length > 0 && length <= mostKeyBytes) return key
  throw new VitrineError('ERR_ID', `an id of text has 1 to ${mostKeyBytes} bytes, not ${length}`)
}

// JSON.parse rounds integers beyond 2^53: their digits are taken from the text.
function integerKey(id: number, text: string): PointId {
  if (Number.isSafeInteger(id) && id >= 0) return id
  const digits = /^\s*\{\s*"id"\s*:\s*(\d{16,20})\s*[,}]/.exec(text)?.[1]
  if (digits !== undefined && Number(digits) === id && BigInt(digits) < 2n ** 64n) {
    return BigInt(digits)
  }
  throw new VitrineError(
    'ERR_ID',
    `an id must be an integer from 0 to 2^64 - 1, and come first in its line from 2^53 on, not ${id}`,
  )
}

function vectorOf(vector: unknown, { dimension, type }: VectorShape): VectorArray {
  if (!Array.isArray(vector)) {
    throw new VitrineError('ERR_ARGUMENT', `its vector must be an array, not ${describe(vector)}`)
  }
  const elements = elementsOf(type, dimension)
  if (vector.length !== elements) {
    throw new VitrineError(
      'ERR_DIMENSION',
      `its vector has ${vector.length} components, not ${elements}`,
    )
  }
  const components: VectorArray = toVectors(vector as unknown, type)
  const wrong = numbersOf(components, type).findIndex(component => !Number.isFinite(component))
  if (wrong < 0) return components
  throw new VitrineError('ERR_VECTOR', `component ${wrong} is beyond the range of ${type}`)
}
