import { type IndexHandle, native } from './binding.ts'
import { coded } from './errors.ts'
import { type IndexOptions, indexOptions } from './index-options.ts'
import type { IdType } from './typed-arrays.ts'
import type { VectorType } from './vector-types.ts'

/** What an index tells of itself. */
export type Description<I extends IdType, T extends VectorType> = Required<
  Pick<IndexOptions<I, T>, 'dimension' | 'metric' | 'type' | 'idType' | 'name'>
>

/** An index that was made; `load` hands it to the constructor in place of options. */
export class LoadedIndex {
  readonly #ours = true
  readonly handle: IndexHandle
  readonly description: Description<IdType, VectorType>

  constructor(handle: IndexHandle, description: Description<IdType, VectorType>) {
    this.handle = handle
    this.description = description
  }

  static is(value: unknown): value is LoadedIndex {
    return typeof value === 'object' && value !== null && #ours in value
  }
}

/** Makes a new index. */
export function createIndex(options: unknown): LoadedIndex {
  try {
    const parsed = indexOptions.parse(options)
    const { dimension, name = 'index', type = 'f32', idType = 'u32' } = parsed
    const metric = parsed.metric ?? (type === 'bits' ? 'hamming' : 'l2')
    const { m, efConstruction, capacity, seed, threads, quantization = 'auto' } = parsed
    const handle = native.createIndex(
      dimension,
      metric,
      idType,
      m,
      efConstruction,
      capacity,
      seed,
      threads,
      quantization,
      type,
    )
    return new LoadedIndex(handle, { dimension, metric, type, idType, name })
  } catch (error) {
    throw coded(error)
  }
}
