import { resolve } from 'node:path'
import { type CollectionHandle, type NativePoints, native } from './binding.ts'
import { describe, VitrineError } from './errors.ts'
import { FileReplacement } from './file-replacement.ts'
import { npyHeader } from './npy-header.ts'
import { formatPoint } from './point-lines.ts'
import { formatOfPath } from './point-source.ts'
import {
  type ExportOptions,
  type ExportResult,
  exportOptions,
  type PointFormat,
} from './transfer-options.ts'
import { elementsOf, numbersOf, type VectorArray, type VectorType } from './vector-types.ts'

// What is turned into text at a time holds the event loop up for a millisecond or two.
const batchComponents = 1 << 14
const mostBatchPoints = 256

/** Writes all points of a collection, as of one moment, into a file that replaces the one at `path`. */
export async function exportPoints(
  path: string,
  options: ExportOptions | undefined,
  collection: CollectionHandle,
): Promise<ExportResult> {
  const { format, metadata, signal, onProgress } = exportOptions.parse(options)
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw new VitrineError('ERR_ARGUMENT', `path must be a path, not ${describe(path)}`)
  }
  for (const file of [path, metadata]) {
    // By that name an import takes it for what it is not.
    if (file?.endsWith('.gz')) {
      throw new VitrineError(
        'ERR_ARGUMENT',
        `export does not pack what it writes: ${file} must not end in .gz`,
      )
    }
  }
  if (metadata !== undefined && resolve(metadata) === resolve(path)) {
    throw new VitrineError('ERR_OPTION', 'metadata must be another file than that of the vectors', {
      details: { option: 'metadata' },
    })
  }
  if (signal?.aborted) throw signal.reason
  const kind = format ?? formatOfPath(path)
  if (kind === 'jsonl' && metadata !== undefined) {
    throw new VitrineError('ERR_OPTION', 'a JSONL file has the payloads in it: no metadata', {
      details: { option: 'metadata' },
    })
  }
  const { dimension, type: typeName, size } = native.collectionState(collection)
  const type = typeName as VectorType
  const columns = elementsOf(type, dimension)
  const count = Math.max(1, Math.min(mostBatchPoints, Math.floor(batchComponents / columns)))
  const encode = encoders[kind]
  const withPayloads = kind === 'jsonl' || metadata !== undefined

  const files: FileReplacement[] = []
  const create = async (name: string) => {
    const file = await FileReplacement.create(name)
    files.push(file)
    return file
  }
  const scan = await native.openScan(collection, undefined, undefined)
  try {
    const beside = metadata === undefined ? undefined : await create(metadata)
    const file = await create(path)
    let points = 0
    if (kind === 'npy') await file.append(npyHeader(npyTypes[type], 0, columns))
    for (;;) {
      if (signal?.aborted) throw signal.reason
      const batch = native.readScan(scan, count, withPayloads, true)
      if (batch.keys.length > 0) {
        await file.append(encode(batch, type, columns))
        await beside?.append(Buffer.from(linesOf(batch, type, undefined)))
        points += batch.keys.length
        onProgress?.({ points, totalPoints: size, bytes: file.bytes, totalBytes: undefined })
      }
      if (batch.keys.length < count) break
    }
    if (kind === 'npy') await file.overwrite(npyHeader(npyTypes[type], points, columns), 0)
    const { bytes } = file
    for (const whole of files) await whole.commit()
    return { points, bytes }
  } finally {
    native.closeScan(scan)
    for (const file of files) await file.discard()
  }
}

type Encode = (points: NativePoints, type: VectorType, columns: number) => Uint8Array

/** What elements are in a NumPy file, which knows no bf16. */
const npyTypes: Record<VectorType, string> = {
  f32: '<f4',
  f16: '<f2',
  bf16: '<f4',
  i8: '|i1',
  u8: '|u1',
  bits: '|u1',
}

const encoders: Record<PointFormat, Encode> = {
  jsonl: (points, type, columns) => Buffer.from(linesOf(points, type, columns)),
  npy: ({ vectors = new Float32Array() }, type) =>
    bytesOf(type === 'bf16' ? numbersOf(vectors, type) : vectors),
  fvecs: (points, type, columns) =>
    records(points, type, columns, 4, (row, bytes, at) => {
      bytes.set(bytesOf(row), at)
    }),
  bvecs: (points, type, columns) =>
    records(points, type, columns, 1, (row, bytes, at) => {
      bytes.set(integers(row, 0, 255), at)
    }),
  ivecs: (points, type, columns) =>
    records(points, type, columns, 4, (row, bytes, at) => {
      bytes.set(bytesOf(Int32Array.from(integers(row, -(2 ** 31), 2 ** 31 - 1))), at)
    }),
}

function bytesOf({ buffer, byteOffset, byteLength }: VectorArray | Int32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

/** @param columns - Of the vectors; undefined to leave them out. */
function linesOf(
  { keys, payloads, vectors = new Float32Array() }: NativePoints,
  type: VectorType,
  columns: number | undefined,
): string {
  const numbers = columns === undefined ? undefined : numbersOf(vectors, type)
  let lines = ''
  for (const [i, key] of keys.entries()) {
    if (key === undefined) continue
    const vector = columns && numbers?.subarray(i * columns, (i + 1) * columns)
    lines += formatPoint(key, vector || undefined, payloads?.[i])
  }
  return lines
}

/** Each row after its dimension. @param put - Writes a row's elements. */
function records(
  { keys, vectors = new Float32Array() }: NativePoints,
  type: VectorType,
  columns: number,
  elementBytes: number,
  put: (row: Float32Array, bytes: Uint8Array, at: number) => void,
): Uint8Array {
  const numbers = numbersOf(vectors, type)
  const rowBytes = 4 + columns * elementBytes
  const bytes = Buffer.alloc(keys.length * rowBytes)
  for (const [i, key] of keys.entries()) {
    bytes.writeInt32LE(columns, i * rowBytes)
    try {
      put(numbers.subarray(i * columns, (i + 1) * columns), bytes, i * rowBytes + 4)
    } catch (error) {
      if (!VitrineError.is(error)) throw error
      throw new VitrineError(error.code, `point ${String(key)} has ${error.message}`, {
        details: { id: key },
      })
    }
  }
  return bytes
}

/** The row itself, when the format can hold it as it is. */
function integers(row: Float32Array, least: number, most: number): Float32Array {
  const wrong = row.findIndex(value => !Number.isInteger(value) || value < least || value > most)
  if (wrong < 0) return row
  throw new VitrineError(
    'ERR_VECTOR',
    `${row[wrong]} as component ${wrong}: this format holds integers from ${least} to ${most}`,
  )
}
