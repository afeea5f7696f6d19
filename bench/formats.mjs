/**
 * Readers for the file formats that vector sets are published in: raw row-major arrays (`.f32`, `.u8`, `.u32`),
 * the TEXMEX records (`.fvecs`, `.bvecs`, `.ivecs`) and NumPy's `.npy`, each also gzipped.
 */
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { endianness } from 'node:os'
import { createGunzip } from 'node:zlib'

/**
 * @typedef {Float32Array | Uint8Array | Int32Array | Uint32Array} Elements
 * @typedef {object} Matrix
 * @property {number} rows
 * @property {number} dimension
 * @property {Elements} data - `[rows * dimension]`, row-major
 */

const rawArrays = { f32: Float32Array, u8: Uint8Array, u32: Uint32Array }
const recordArrays = { fvecs: Float32Array, bvecs: Uint8Array, ivecs: Int32Array }
const npyArrays = {
  '<f4': Float32Array,
  '<f8': Float64Array,
  '|u1': Uint8Array,
  '<u4': Uint32Array,
  '<i4': Int32Array,
}

/** The endings that {@link readMatrix} understands, without `.gz`. */
export const formats = [...Object.keys(rawArrays), ...Object.keys(recordArrays), 'npy']

/**
 * The format of a file by its name, or undefined when it is none of ours.
 * @param {string} path
 * @returns {{ format: string, gzipped: boolean } | undefined}
 */
export function formatOf(path) {
  const match = /\.([a-z0-9]+)(\.gz)?$/.exec(path)
  if (!match || !formats.includes(match[1])) return undefined
  return { format: match[1], gzipped: match[2] !== undefined }
}

/**
 * Reads the first rows of a file.
 * @param {string} path
 * @param {object} [options]
 * @param {number} [options.dimension] - Needed by the raw formats; checked against the file by the others.
 * @param {number} [options.limit] - Rows at most, default all of them.
 * @returns {Promise<Matrix>}
 * @throws {Error} naming the file, when it is torn, of another dimension or not of a known format.
 */
export async function readMatrix(path, { dimension, limit = Number.POSITIVE_INFINITY } = {}) {
  if (endianness() !== 'LE')
    throw new Error('the vector formats are little-endian, this machine is not')
  const kind = formatOf(path)
  if (!kind) throw new Error(`${path}: not a known format (${formats.join(', ')}, each also .gz)`)
  const source = { path, gzipped: kind.gzipped, dimension, limit }
  if (kind.format in rawArrays) return readRaw(source, rawArrays[kind.format])
  if (kind.format in recordArrays) return readRecords(source, recordArrays[kind.format])
  return readNpy(source)
}

/** @returns {Promise<Matrix>} */
async function readRaw({ path, gzipped, dimension, limit }, TypedArray) {
  if (!dimension) throw new Error(`${path}: a raw array needs its dimension told`)
  const rowBytes = dimension * TypedArray.BYTES_PER_ELEMENT
  const bytes = await readPrefix(path, gzipped, limit * rowBytes)
  requireWholeRows(path, bytes.length, rowBytes)
  return { rows: bytes.length / rowBytes, dimension, data: elements(TypedArray, bytes) }
}

/** Records of an int32 dimension and that many elements. @returns {Promise<Matrix>} */
async function readRecords({ path, gzipped, dimension: expected, limit }, TypedArray) {
  const head = await readPrefix(path, gzipped, 4)
  if (head.length < 4) throw new Error(`${path}: is empty`)
  const dimension = new DataView(head.buffer).getInt32(0, true)
  requireDimension(path, dimension, expected)
  const rowBytes = dimension * TypedArray.BYTES_PER_ELEMENT
  const bytes = await readPrefix(path, gzipped, limit * (4 + rowBytes))
  requireWholeRows(path, bytes.length, 4 + rowBytes)
  const rows = bytes.length / (4 + rowBytes)
  const packed = new Uint8Array(rows * rowBytes)
  const view = new DataView(bytes.buffer)
  for (let row = 0; row < rows; row++) {
    const start = row * (4 + rowBytes)
    const found = view.getInt32(start, true)
    if (found !== dimension)
      throw new Error(`${path}: row ${row} has dimension ${found}, row 0 ${dimension}`)
    packed.set(bytes.subarray(start + 4, start + 4 + rowBytes), row * rowBytes)
  }
  return { rows, dimension, data: elements(TypedArray, packed) }
}

/** NumPy format 1.0 to 3.0, C order, one or two axes; f64 is rounded to f32. @returns {Promise<Matrix>} */
async function readNpy({ path, gzipped, dimension: expected, limit }) {
  const start = await readPrefix(path, gzipped, 12)
  if (start.length < 12 || Buffer.from(start.subarray(0, 6)).toString('latin1') !== '\x93NUMPY') {
    throw new Error(`${path}: does not begin as a .npy file`)
  }
  const view = new DataView(start.buffer)
  const [lengthBytes, headerBytes] =
    start[6] === 1 ? [2, view.getUint16(8, true)] : [4, view.getUint32(8, true)]
  const dataStart = 8 + lengthBytes + headerBytes
  const header = Buffer.from(
    (await readPrefix(path, gzipped, dataStart)).subarray(8 + lengthBytes),
  ).toString('latin1')
  const descr = /'descr':\s*'([^']+)'/.exec(header)?.[1]
  const shape = /'shape':\s*\(([^)]*)\)/
    .exec(header)?.[1]
    .split(',')
    .filter(part => part.trim() !== '')
    .map(Number)
  const TypedArray = npyArrays[descr]
  if (!TypedArray)
    throw new Error(
      `${path}: element type ${descr} is not one of ${Object.keys(npyArrays).join(' ')}`,
    )
  if (/'fortran_order':\s*True/.test(header))
    throw new Error(`${path}: is in Fortran order, C order is needed`)
  if (!shape || shape.length < 1 || shape.length > 2)
    throw new Error(`${path}: has shape (${shape}), one or two axes are needed`)
  const [fileRows, dimension = 1] = shape
  requireDimension(path, dimension, expected)
  const rows = Math.min(fileRows, limit)
  const dataBytes = rows * dimension * TypedArray.BYTES_PER_ELEMENT
  const bytes = (await readPrefix(path, gzipped, dataStart + dataBytes)).slice(dataStart)
  if (bytes.length < dataBytes)
    throw new Error(`${path}: is torn, ${bytes.length} of ${dataBytes} bytes of data`)
  const data = elements(TypedArray, bytes)
  return { rows, dimension, data: data instanceof Float64Array ? Float32Array.from(data) : data }
}

function requireDimension(path, found, expected) {
  if (!(found > 0)) throw new Error(`${path}: says dimension ${found}`)
  if (expected !== undefined && found !== expected)
    throw new Error(`${path}: has dimension ${found}, expected ${expected}`)
}

function requireWholeRows(path, length, rowBytes) {
  if (length % rowBytes !== 0)
    throw new Error(`${path}: is torn, ${length} bytes are no multiple of ${rowBytes} a row`)
}

function elements(TypedArray, bytes) {
  return new TypedArray(bytes.buffer, bytes.byteOffset, bytes.length / TypedArray.BYTES_PER_ELEMENT)
}

/** The first `limit` bytes of the file, unpacked; fewer when it is shorter. The result owns its whole buffer. */
async function readPrefix(path, gzipped, limit) {
  return gzipped ? readGzipPrefix(path, limit) : readFilePrefix(path, limit)
}

async function readFilePrefix(path, limit) {
  const file = await open(path)
  try {
    const bytes = new Uint8Array(Math.min((await file.stat()).size, limit))
    let filled = 0
    while (filled < bytes.length) {
      const { bytesRead } = await file.read(
        bytes,
        filled,
        Math.min(bytes.length - filled, 1 << 30),
        filled,
      )
      if (bytesRead === 0) throw new Error(`${path}: shrank while it was read`)
      filled += bytesRead
    }
    return bytes
  } finally {
    await file.close()
  }
}

async function readGzipPrefix(path, limit) {
  const packed = createReadStream(path, { highWaterMark: 1 << 20 })
  const unpacked = packed.pipe(createGunzip({ chunkSize: 1 << 20 }))
  packed.on('error', error => unpacked.destroy(error))
  const chunks = []
  let length = 0
  try {
    for await (const chunk of unpacked) {
      chunks.push(chunk)
      length += chunk.length
      if (length >= limit) break
    }
  } catch (error) {
    throw new Error(`${path}: ${error.message}`, { cause: error })
  } finally {
    packed.destroy()
  }
  const bytes = new Uint8Array(Math.min(length, limit))
  let filled = 0
  for (const chunk of chunks) {
    const part = chunk.subarray(0, bytes.length - filled)
    bytes.set(part, filled)
    filled += part.length
  }
  return bytes
}
