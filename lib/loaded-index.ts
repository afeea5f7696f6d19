import type { IndexHandle } from './binding.ts'
import type { IndexOptions } from './index-options.ts'
import type { IdType } from './typed-arrays.ts'
import type { VectorType } from './vector-types.ts'

/** What an index tells of itself. */
export type Description<I extends IdType, T extends VectorType> = Required<
  Pick<IndexOptions<I, T>, 'dimension' | 'metric' | 'type' | 'idType' | 'name'>
>

/** What `load` hands to the constructor in place of options. */
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
