/** What the header of a NumPy file says of its data. */
export interface NpyHeader {
  /** Byte order and type of an element: '<f4'. */
  readonly descr: string
  /** Whether columns follow one another, and not rows. */
  readonly fortranOrder: boolean
  readonly shape: readonly number[]
}

/** Bytes from the start of a file that tell how long its header is. */
export const npyStartBytes = 12

const magic = '\x93NUMPY'
/** NumPy aligns data to this. */
const alignment = 64

/**
 * Where the header's text and the data begin, by the first {@link npyStartBytes} bytes; undefined when they are no NumPy file of
 * version 1 to 3.
 */
export function npyLayout(start: Uint8Array): { text: number; data: number } | undefined {
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.byteLength)
  if (bytes.length < npyStartBytes || bytes.toString('latin1', 0, 6) !== magic) return undefined
  const major = bytes[6]
  if (major === 1) return { text: 10, data: 10 + bytes.readUInt16LE(8) }
  if (major === 2 || major === 3) return { text: 12, data: 12 + bytes.readUInt32LE(8) }
  return undefined
}

/** The header that `text`, a literal of a Python dictionary, holds; undefined when it is not one of an array of numbers. */
export function parseNpyHeader(text: string): NpyHeader | undefined {
  const descr = /'descr':\s*'([^']+)'/.exec(text)?.[1]
  const order = /'fortran_order':\s*(True|False)/.exec(text)?.[1]
  const shape = /'shape':\s*\(([^)]*)\)/.exec(text)?.[1]
  if (descr === undefined || order === undefined || shape === undefined) return undefined
  const axes = shape
    .split(',')
    .map(axis => axis.trim())
    .filter(axis => axis !== '')
  if (!axes.every(axis => /^\d{1,15}$/.test(axis))) return undefined
  return { descr, fortranOrder: order === 'True', shape: axes.map(Number) }
}

/**
 * The bytes before the data of an array; as many for every number of rows.
 * @param descr - Type of an element: '<f4'.
 */
export function npyHeader(descr: string, rows: number, columns: number): Buffer {
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${rows}, ${columns}), }`
  const header = Buffer.alloc(2 * alignment, ' ')
  header.write(`${magic}\x01\x00`, 'latin1')
  header.writeUInt16LE(header.length - 10, 8)
  header.write(text, 10, 'latin1')
  header.write('\n', header.length - 1)
  return header
}
