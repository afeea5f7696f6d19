import { type FileHandle, open } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { type ByteChunks, ByteReader } from './byte-reader.ts'
import { checked, describe, VitrineError } from './errors.ts'
import type { PointFormat } from './transfer-options.ts'

/** A file or stream of points that is being read. */
export interface PointSource {
  /** What messages call it. */
  readonly name: string
  readonly reader: ByteReader
  /** Of the file; undefined for a stream. */
  readonly totalBytes: number | undefined
  /** Of the bytes that `reader` gives, where that is known beforehand. */
  readonly length: number | undefined
  /** Read of the file so far. */
  bytesRead(): number
  close(): Promise<void>
}

// One piece is parsed between two turns of the event loop.
const pieceBytes = 1 << 18
const endings: ReadonlySet<string> = new Set(['jsonl', 'npy', 'fvecs', 'bvecs', 'ivecs'])

/** The format that a path's ending tells, `.gz` aside. @throws {VitrineError} `ERR_OPTION`. */
export function formatOfPath(path: string): PointFormat {
  const ending = /\.([a-z]+)$/.exec(path.replace(/\.gz$/, ''))?.[1] ?? ''
  if (endings.has(ending)) return ending as PointFormat
  throw new VitrineError(
    'ERR_OPTION',
    `format is needed where a path does not end in ${[...endings].map(known => `.${known}`).join(', ')}`,
    { details: { option: 'format' } },
  )
}

/** @throws {VitrineError} `ERR_ARGUMENT`, or `ERR_IO` when the file cannot be opened. */
export async function openSource(
  source: string | ByteChunks,
  signal: AbortSignal | undefined,
): Promise<PointSource> {
  if (typeof source === 'string') return openFile(source, signal)
  const iterate = checked(() => (source as Partial<ByteChunks> | null)?.[Symbol.asyncIterator])
  if (typeof iterate !== 'function') {
    throw new VitrineError(
      'ERR_ARGUMENT',
      `a source must be a path or an async iterable of bytes, not ${describe(source)}`,
    )
  }
  let read = 0
  const counted = (async function* () {
    for await (const chunk of source) {
      read += chunk.length
      yield chunk
    }
  })()
  const reader = new ByteReader(counted, 'the source', signal)
  return {
    name: 'the source',
    reader,
    totalBytes: undefined,
    length: undefined,
    bytesRead: () => read,
    // Not awaited: a source that is asked for a chunk answers only when that comes.
    close: async () => void reader.close(),
  }
}

async function openFile(path: string, signal: AbortSignal | undefined): Promise<PointSource> {
  let file: FileHandle | undefined
  try {
    file = await open(path)
    const { size } = await file.stat()
    const stream = file.createReadStream({ highWaterMark: pieceBytes })
    const packed = path.endsWith('.gz')
    const reader = new ByteReader(packed ? unpacked(stream) : stream, path, signal)
    return {
      name: path,
      reader,
      totalBytes: size,
      length: packed ? undefined : size,
      bytesRead: () => stream.bytesRead,
      close: async () => {
        stream.destroy()
        await reader.close()
      },
    }
  } catch (cause) {
    await file?.close()
    throw new VitrineError('ERR_IO', `${path} could not be opened: ${(cause as Error).message}`, {
      cause,
    })
  }
}

function unpacked(stream: NodeJS.ReadableStream): ByteChunks {
  const gunzip = createGunzip({ chunkSize: pieceBytes })
  pipeline(stream, gunzip).catch(() => undefined) // what fails, fails whoever reads `gunzip`
  return gunzip
}
