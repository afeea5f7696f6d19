import { abortSignal, callback, integer, OptionParser, oneOf, type Rule, text } from './options.ts'
import type { Ack } from './points.ts'

/**
 * How points are written outside a database. `'jsonl'`: one point a line, `{"id": …, "vector": […], "payload": {…}}`. The others
 * hold vectors alone: `'npy'` as NumPy saves them, `'fvecs'`, `'bvecs'` and `'ivecs'` as records of a dimension and that many
 * f32, u8 or i32. Numbers go into a collection as plain arrays do; of bits, they are bytes.
 */
export type PointFormat = 'jsonl' | 'npy' | 'fvecs' | 'bvecs' | 'ivecs'

/** How far an import or export is. */
export interface TransferProgress {
  /** That are written. */
  readonly points: number
  /** Where it is known beforehand. */
  readonly totalPoints: number | undefined
  /** Of the file, read or written; before a `.gz` is unpacked. */
  readonly bytes: number
  readonly totalBytes: number | undefined
}

interface TransferOptions {
  /** By the ending of the file's name, unless it is given. */
  readonly format?: PointFormat
  /**
   * A JSONL file beside one of vectors, with a line for each row: `{"id": …, "payload": {…}}`. Without it, rows get numbers for ids
   * on import, and ids and payloads stay behind on export.
   */
  readonly metadata?: string
  /** Rejects with the signal's reason; an import keeps the batches that are written. */
  readonly signal?: AbortSignal
  /** Hears of each batch. What it throws ends the transfer, which rejects with it. */
  readonly onProgress?: (progress: TransferProgress) => void
}

export interface ImportOptions extends TransferOptions {
  /** Points of one write, which is done whole or not at all: 1 … 100,000, default 1,000. Fewer where they have more than 16 MiB. */
  readonly batchSize?: number
  /** The id of the first row of a file of vectors without `metadata`, an integer from 0; the next rows count on. Default 0. */
  readonly firstId?: number | bigint
  /** Points to pass over, as many as `details.imported` of an import that failed and is taken up again. Default 0. */
  readonly skip?: number
}

export interface ExportOptions extends TransferOptions {}

/** What an import has written. */
export interface ImportResult {
  readonly points: number
  /** Of the last batch; undefined where there were no points. */
  readonly ack: Ack | undefined
}

/** What an export has written. */
export interface ExportResult {
  readonly points: number
  /** Of the file, without that of the metadata. */
  readonly bytes: number
}

const firstId: Rule<number | bigint> = (value, name) =>
  typeof value === 'bigint' && value >= 0n && value < 2n ** 64n
    ? value
    : integer(0, Number.MAX_SAFE_INTEGER)(value, name)

const transferRules = {
  format: oneOf<PointFormat>('jsonl', 'npy', 'fvecs', 'bvecs', 'ivecs'),
  metadata: text,
  signal: abortSignal,
  onProgress: callback<(progress: TransferProgress) => void>(),
}

export const importOptions = new OptionParser<Required<ImportOptions>>('import', {
  ...transferRules,
  batchSize: integer(1, 100_000),
  firstId,
  skip: integer(0, Number.MAX_SAFE_INTEGER),
})

export const exportOptions = new OptionParser<Required<ExportOptions>>('export', transferRules)
