import { VitrineError } from './errors.ts'
import { npyLayout, npyStartBytes, parseNpyHeader } from './npy-header.ts'
import type { PointSource } from './point-source.ts'
import type { PointFormat } from './transfer-options.ts'
import { allocate } from './typed-arrays.ts'
import {
  encodeNumbers,
  isVectorArray,
  numbersOf,
  type VectorArray,
  type VectorType,
} from './vector-types.ts'

/** The formats that hold vectors alone. */
export type VectorFormat = Exclude<PointFormat, 'jsonl'>

type Elements = VectorArray | Float64Array | Int32Array | Uint32Array

/** How rows lie in a file: bytes that repeat the dimension, then the elements. */
export interface RowLayout {
  readonly prefixBytes: number
  readonly elementBytes: number
  readonly elements: (bytes: ArrayBuffer) => Elements
  /** Whether elements are the bits of f16. */
  readonly halves?: boolean
}

/** A file of vectors, opened and at its first row. */
export interface VectorRows {
  readonly layout: RowLayout
  /** How many there are, where that is known. */
  readonly total: number | undefined
}

const floats = (bytes: ArrayBuffer) => new Float32Array(bytes)
const recordLayouts: Record<Exclude<VectorFormat, 'npy'>, RowLayout> = {
  fvecs: { prefixBytes: 4, elementBytes: 4, elements: floats },
  bvecs: { prefixBytes: 4, elementBytes: 1, elements: bytes => new Uint8Array(bytes) },
  ivecs: { prefixBytes: 4, elementBytes: 4, elements: bytes => new Int32Array(bytes) },
}
const npyLayouts = new Map<string, RowLayout>([
  ['<f4', { prefixBytes: 0, elementBytes: 4, elements: floats }],
  [
    '<f2',
    { prefixBytes: 0, elementBytes: 2, elements: bytes => new Uint16Array(bytes), halves: true },
  ],
  ['<f8', { prefixBytes: 0, elementBytes: 8, elements: bytes => new Float64Array(bytes) }],
  ['|u1', { prefixBytes: 0, elementBytes: 1, elements: bytes => new Uint8Array(bytes) }],
  ['|i1', { prefixBytes: 0, elementBytes: 1, elements: bytes => new Int8Array(bytes) }],
  ['<u4', { prefixBytes: 0, elementBytes: 4, elements: bytes => new Uint32Array(bytes) }],
  ['<i4', { prefixBytes: 0, elementBytes: 4, elements: bytes => new Int32Array(bytes) }],
])
/** NumPy writes some hundred bytes; a header that says more is not believed. */
const mostHeaderBytes = 1 << 16

/**
 * Reads what stands before the first row, and holds the file's length, where it is known, against it.
 * @param columns - Elements that a row must have.
 * @throws {VitrineError} `ERR_FORMAT`, `ERR_DIMENSION`, `ERR_CORRUPT`.
 */
export async function openVectorRows(
  source: PointSource,
  format: VectorFormat,
  columns: number,
): Promise<VectorRows> {
  if (format === 'npy') return openNpy(source, columns)
  const layout = recordLayouts[format]
  const rowBytes = bytesOfRow(layout, columns)
  const { length } = source
  // A first row of another dimension says more than a length that does not fit.
  if (length === undefined || length % rowBytes !== 0) return { layout, total: undefined }
  return { layout, total: length / rowBytes }
}

/**
 * Up to `count` rows as vectors of a type, fewer only at the end: `[n * columns]`. Floats are rounded.
 * @param first - The number of the first of them, for messages.
 * @throws {VitrineError} `ERR_CORRUPT` at a torn row, `ERR_DIMENSION`, `ERR_VECTOR`, with `details.row`.
 */
export async function readRows(
  source: PointSource,
  layout: RowLayout,
  { type, columns }: { readonly type: VectorType; readonly columns: number },
  first: number,
  count: number,
): Promise<VectorArray> {
  const rowBytes = bytesOfRow(layout, columns)
  const bytes = allocate(() => new Uint8Array(count * rowBytes))
  const filled = await source.reader.fill(bytes)
  const rows = Math.floor(filled / rowBytes)
  const packed = layout.prefixBytes === 0 ? bytes : new Uint8Array(rows * (rowBytes - 4))
  if (layout.prefixBytes > 0) unframe(bytes.subarray(0, filled), packed, columns, rowBytes, first)
  if (filled % rowBytes !== 0) {
    throw rowError(
      'ERR_CORRUPT',
      first + rows,
      `is torn: ${filled % rowBytes} of ${rowBytes} bytes`,
    )
  }
  const read = layout.elements(packed.buffer).subarray(0, rows * columns)
  const refuse = (place: number, why: string): never => {
    const row = first + Math.floor(place / columns)
    throw rowError('ERR_VECTOR', row, `has ${read[place]} as component ${place % columns}${why}`)
  }
  const vectors = asVectors(read, layout, type, refuse)
  if (type === 'f32' || type === 'f16' || type === 'bf16') {
    const infinite = numbersOf(vectors, type).findIndex(value => !Number.isFinite(value))
    if (infinite >= 0) refuse(infinite, '')
  }
  return vectors
}

function asVectors(
  read: Elements,
  { halves = false }: RowLayout,
  type: VectorType,
  refuse: (place: number, why: string) => never,
): VectorArray {
  if (halves === (type === 'f16') && type !== 'bf16' && isVectorArray(read, type)) return read
  const numbers = halves ? numbersOf(read as Uint16Array, 'f16') : read
  return encodeNumbers(numbers, type, (place, accepted) => refuse(place, `, not ${accepted}`))
}

function bytesOfRow({ prefixBytes, elementBytes }: RowLayout, columns: number): number {
  return prefixBytes + columns * elementBytes
}

/** Copies the elements of records, whole or not, without the dimensions before them. */
function unframe(
  records: Uint8Array,
  packed: Uint8Array,
  columns: number,
  rowBytes: number,
  first: number,
): void {
  const view = new DataView(records.buffer)
  for (let at = 0, row = 0; at + 4 <= records.length; at += rowBytes, row++) {
    const found = view.getInt32(at, true)
    if (found !== columns) {
      throw rowError('ERR_DIMENSION', first + row, `has dimension ${found}, not ${columns}`)
    }
    if (at + rowBytes > records.length) return
    packed.set(records.subarray(at + 4, at + rowBytes), row * (rowBytes - 4))
  }
}

async function openNpy(source: PointSource, columns: number): Promise<VectorRows> {
  const start = new Uint8Array(npyStartBytes)
  await source.reader.fill(start)
  const place = npyLayout(start)
  if (place === undefined || place.data > mostHeaderBytes || place.data < npyStartBytes) {
    throw new VitrineError('ERR_FORMAT', 'it does not begin as a .npy file')
  }
  const rest = new Uint8Array(place.data - npyStartBytes)
  if ((await source.reader.fill(rest)) < rest.length) {
    throw new VitrineError('ERR_CORRUPT', 'its header is torn')
  }
  const text = Buffer.concat([start.subarray(place.text), rest]).toString('latin1')
  const header = parseNpyHeader(text)
  if (header === undefined)
    throw new VitrineError('ERR_FORMAT', 'its header is not one of an array')
  const layout = npyLayouts.get(header.descr)
  if (layout === undefined) {
    const known = [...npyLayouts.keys()].join(' ')
    throw new VitrineError('ERR_FORMAT', `its elements are ${header.descr}, not one of ${known}`)
  }
  if (header.fortranOrder && header.shape.length > 1) {
    throw new VitrineError('ERR_FORMAT', 'it is in Fortran order; save it in C order')
  }
  const [total = 0, found = 1] = header.shape
  if (header.shape.length < 1 || header.shape.length > 2) {
    throw new VitrineError('ERR_FORMAT', `it has ${header.shape.length} axes, not one or two`)
  }
  if (found !== columns) {
    throw new VitrineError('ERR_DIMENSION', `its rows have ${found} components, not ${columns}`)
  }
  const expected = place.data + total * bytesOfRow(layout, columns)
  if (source.length !== undefined && source.length !== expected) {
    throw new VitrineError('ERR_CORRUPT', `it has ${source.length} bytes, not ${expected}`)
  }
  return { layout, total }
}

/** Of a row, counted from 0. */
export function rowError(
  code: 'ERR_CORRUPT' | 'ERR_DIMENSION' | 'ERR_VECTOR',
  row: number,
  what: string,
): VitrineError {
  return new VitrineError(code, `row ${row} ${what}`, { details: { row } })
}
