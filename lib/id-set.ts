import type { IdSetHandle } from './binding.ts'
import type { IdType } from './typed-arrays.ts'

/** A prepared filter: made by `Index.idSet`, for searches of that index. */
export class IdSet<I extends IdType = 'u32'> {
  readonly #handle: IdSetHandle
  readonly idType: I

  /** @internal */
  constructor(handle: IdSetHandle, idType: I) {
    this.#handle = handle
    this.idType = idType
  }

  /** @internal The handle of an id set; undefined for anything else. */
  static handleOf(value: unknown): IdSetHandle | undefined {
    return typeof value === 'object' && value !== null && #handle in value
      ? value.#handle
      : undefined
  }
}
