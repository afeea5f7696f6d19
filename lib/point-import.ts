import type { ByteChunks } from './byte-reader.ts'
import { VitrineError } from './errors.ts'
import { LineReader } from './point-lines.ts'
import { formatOfPath, openSource, type PointSource } from './point-source.ts'
import type { Ack, PointId, PreparedPoints } from './points.ts'
import {
  type ImportOptions,
  type ImportResult,
  importOptions,
  type TransferProgress,
} from './transfer-options.ts'
import { openVectorRows, type RowLayout, readRows, type VectorFormat } from './vector-rows.ts'
import {
  elementsOf,
  newVectorArray,
  type VectorArray,
  type VectorShape,
  type VectorType,
} from './vector-types.ts'

/** Where imported points go. */
export interface ImportTarget {
  readonly shape: VectorShape
  /** Writes them all or none. */
  write(points: PreparedPoints, signal: AbortSignal | undefined): Promise<Ack>
}

/** Points that are written together, and where they come from. */
interface Batch extends PreparedPoints {
  /** Of the first point: its row, or its line. */
  readonly place: { readonly row: number } | { readonly line: number }
}

// Two batches are held at a time: one that is being written, and one that is being read.
const batchBytes = 16 << 20

/** Reads points and writes them, batch by batch. */
export async function importPoints(
  source: string | ByteChunks,
  options: ImportOptions | undefined,
  target: ImportTarget,
): Promise<ImportResult> {
  const parsed = importOptions.parse(options)
  const { signal } = parsed
  if (signal?.aborted) throw signal.reason
  const format = parsed.format ?? formatOfPath(typeof source === 'string' ? source : '')
  if (format === 'jsonl' && parsed.metadata !== undefined) {
    throw new VitrineError('ERR_OPTION', 'a JSONL file has its payloads in it: no metadata', {
      details: { option: 'metadata' },
    })
  }
  const input = await openSource(source, signal)
  const writer = new BatchWriter(target, input, parsed)
  try {
    const batches =
      format === 'jsonl'
        ? lineBatches(input, target.shape, parsed)
        : vectorBatches(input, format, target.shape, parsed, writer)
    for await (const batch of batches) await writer.put(batch)
    await writer.settle()
    return writer.result
  } catch (error) {
    // The batch before may still be under way, and counts, or failed first.
    const first = await writer.settle().then(
      () => error,
      earlier => earlier,
    )
    throw VitrineError.is(first) ? told(first, input.name, writer.result.points) : first
  } finally {
    await input.close()
  }
}

/** Says whose error it is, and how many points were written before. */
function told(error: VitrineError, name: string, imported: number): VitrineError {
  return new VitrineError(error.code, `${name}: ${error.message}`, {
    details: { ...error.details, imported },
    ...('cause' in error && { cause: error.cause }),
  })
}

/** Writes one batch while the next one is read. */
class BatchWriter {
  readonly #target: ImportTarget
  readonly #input: PointSource
  readonly #signal: AbortSignal | undefined
  readonly #onProgress: ((progress: TransferProgress) => void) | undefined
  #pending: { readonly batch: Batch; readonly ack: Promise<Ack> } | undefined
  #points = 0
  #ack: Ack | undefined
  /** Of the source, where that is known. */
  totalPoints: number | undefined

  constructor(target: ImportTarget, input: PointSource, options: ImportOptions) {
    this.#target = target
    this.#input = input
    this.#signal = options.signal
    this.#onProgress = options.onProgress
  }

  get result(): ImportResult {
    return { points: this.#points, ack: this.#ack }
  }

  async put(batch: Batch): Promise<void> {
    await this.settle()
    const ack = this.#target.write(batch, this.#signal)
    ack.catch(() => undefined) // heard of in settle()
    this.#pending = { batch, ack }
  }

  /** Waits for the batch that is under way. */
  async settle(): Promise<void> {
    const pending = this.#pending
    if (pending === undefined) return
    this.#pending = undefined
    try {
      this.#ack = await pending.ack
    } catch (error) {
      if (!VitrineError.is(error)) throw error
      throw new VitrineError(error.code, error.message, {
        details: { ...error.details, ...pending.batch.place },
        cause: error,
      })
    }
    this.#points += pending.batch.keys.length
    this.#onProgress?.({
      points: this.#points,
      totalPoints: this.totalPoints,
      bytes: this.#input.bytesRead(),
      totalBytes: this.#input.totalBytes,
    })
  }
}

async function* lineBatches(
  input: PointSource,
  shape: VectorShape,
  { batchSize = 1000, skip = 0 }: ImportOptions,
): AsyncGenerator<Batch, void, undefined> {
  const columns = elementsOf(shape.type, shape.dimension)
  const lines = new LineReader(input, shape)
  for (let passed = 0; passed < skip; passed++) if (!(await lines.next())) return
  const most = rowsOfBatch(batchSize, columns)
  for (let ended = false; !ended; ) {
    const keys: PointId[] = []
    const payloads: (string | undefined)[] = []
    const read: VectorArray[] = []
    let bytes = 0
    let line = 0
    while (keys.length < most && bytes < batchBytes) {
      const point = await lines.next()
      ended = point === undefined
      if (point?.vector === undefined) break
      if (keys.length === 0) line = lines.line
      keys.push(point.key)
      payloads.push(point.payload)
      read.push(point.vector)
      bytes += 4 * columns + (point.payload?.length ?? 0)
    }
    if (keys.length === 0) return
    const vectors = newVectorArray(shape.type, keys.length * columns)
    for (const [i, vector] of read.entries()) vectors.set(vector, i * columns)
    yield { keys, vectors, payloads, place: { line } }
  }
}

async function* vectorBatches(
  input: PointSource,
  format: VectorFormat,
  { dimension, type }: VectorShape,
  { batchSize = 1000, skip = 0, firstId = 0, metadata, signal }: ImportOptions,
  writer: BatchWriter,
): AsyncGenerator<Batch, void, undefined> {
  const columns = elementsOf(type, dimension)
  const { layout, total } = await openVectorRows(input, format, columns)
  writer.totalPoints = total === undefined ? undefined : Math.max(0, total - skip)
  const beside = metadata === undefined ? undefined : await openSource(metadata, signal)
  try {
    const lines = beside && new LineReader(beside, undefined)
    const reader = new RowReader(input, layout, { type, columns }, total)
    const most = rowsOfBatch(batchSize, columns)
    while (reader.row < skip) {
      const passed = (await reader.next(Math.min(most, skip - reader.row))).length / columns
      if (passed === 0) return
      for (let i = 0; i < passed; i++) await lines?.next()
    }
    for (;;) {
      const { row } = reader
      const vectors = await reader.next(most)
      const count = vectors.length / columns
      if (count === 0) break
      yield {
        vectors,
        place: { row },
        ...(lines ? await namesOf(lines, row, count) : numbers(BigInt(firstId), row, count)),
      }
    }
    if (lines && (await lines.next())) {
      throw new VitrineError('ERR_CORRUPT', `${metadata} has more points than there are rows`, {
        details: { line: lines.line },
      })
    }
  } finally {
    await beside?.close()
  }
}

type Names = Pick<PreparedPoints, 'keys' | 'payloads'>

async function namesOf(lines: LineReader, row: number, count: number): Promise<Names> {
  const keys: PointId[] = []
  const payloads: (string | undefined)[] = []
  for (let i = 0; i < count; i++) {
    const point = await lines.next()
    if (point === undefined) {
      throw new VitrineError('ERR_CORRUPT', `the metadata ends before row ${row + i}`, {
        details: { row: row + i },
      })
    }
    keys.push(point.key)
    payloads.push(point.payload)
  }
  return { keys, payloads }
}

function numbers(first: bigint, row: number, count: number): Names {
  return {
    keys: Array.from({ length: count }, (_, i) => first + BigInt(row + i)),
    payloads: undefined,
  }
}

/** Gives the rows of a file one after the other, and no more than it says that it has. */
class RowReader {
  readonly #input: PointSource
  readonly #layout: RowLayout
  readonly #shape: { readonly type: VectorType; readonly columns: number }
  readonly #total: number | undefined
  /** The number of the next row. */
  row = 0

  constructor(
    input: PointSource,
    layout: RowLayout,
    shape: { readonly type: VectorType; readonly columns: number },
    total: number | undefined,
  ) {
    this.#input = input
    this.#layout = layout
    this.#shape = shape
    this.#total = total
  }

  /** Up to `most` rows; none at the end. */
  async next(most: number): Promise<VectorArray> {
    const wanted = Math.min(most, (this.#total ?? Number.POSITIVE_INFINITY) - this.row)
    // One more at the end, where nothing may be.
    const count = Math.max(wanted, 1)
    const vectors = await readRows(this.#input, this.#layout, this.#shape, this.row, count)
    const rows = vectors.length / this.#shape.columns
    if (wanted === 0 ? rows > 0 : this.#total !== undefined && rows < wanted) {
      throw new VitrineError('ERR_CORRUPT', `it does not have ${this.#total} rows, as it says`, {
        details: { row: this.row + rows },
      })
    }
    this.row += rows
    return vectors
  }
}

function rowsOfBatch(batchSize: number, columns: number): number {
  return Math.max(1, Math.min(batchSize, Math.floor(batchBytes / (4 * columns))))
}
