import {
  type CollectionHandle,
  type DatabaseHandle,
  native,
  type TransactionHandle,
} from './binding.ts'
import { deletion, type FilterOptions } from './database-options.ts'
import type { Fields, PayloadOf } from './fields.ts'
import {
  type Columns,
  type Payload,
  type Point,
  type PointId,
  preparePoints,
  toKeys,
} from './points.ts'
import type { VectorType } from './vector-types.ts'
import { toRequiredFilter } from './where.ts'

/** The points that `delete` removes, when they are not named by their ids. */
export type Deletion<F extends Fields = Fields> = Omit<FilterOptions<F>, 'signal'> & {
  readonly where: NonNullable<FilterOptions<F>['where']>
}

/** Adds the removal of points to a transaction. */
export function removePoints(
  transaction: TransactionHandle,
  collection: CollectionHandle,
  target: unknown,
): void {
  if (typeof target !== 'object' || target === null || Array.isArray(target)) {
    native.deletePoints(transaction, collection, toKeys(target))
    return
  }
  const { where, params } = deletion.parse(target)
  native.deletePointsWhere(transaction, collection, toRequiredFilter(where, params))
}

/** Gathers writes to one collection; nothing is done before the transaction's `build` has returned. */
export class TransactionCollection<
  F extends Fields = Fields,
  P extends Payload = PayloadOf<F>,
  T extends VectorType = 'f32',
> {
  readonly #transaction: TransactionHandle
  readonly #collection: CollectionHandle

  /** @internal */
  constructor(transaction: TransactionHandle, collection: CollectionHandle) {
    this.#transaction = transaction
    this.#collection = collection
  }

  /** Adds points, or replaces those that are there. */
  upsert(points: readonly Point<P, T>[] | Columns<P, T>): void {
    this.#put(points, false)
  }

  /** Adds points; one that is there makes the whole transaction fail with `ERR_EXISTS`. */
  insert(points: readonly Point<P, T>[] | Columns<P, T>): void {
    this.#put(points, true)
  }

  /**
   * Removes those that are there; or every point that a filter admits when the transaction has its turn, as the writes that
   * were gathered before leave it.
   */
  delete(target: readonly PointId[] | Deletion<F>): void {
    removePoints(this.#transaction, this.#collection, target)
  }

  #put(points: readonly Point<P, T>[] | Columns<P, T>, insert: boolean): void {
    const { dimension, type, fields } = native.collectionState(this.#collection)
    const shape = { dimension, type: type as VectorType }
    const { keys, vectors, payloads } = preparePoints(points, shape, () => fields)
    native.putPoints(this.#transaction, this.#collection, keys, vectors, payloads, insert)
  }
}

/** Writes to any number of collections that are done together, or not at all. */
export class Transaction {
  readonly #database: DatabaseHandle
  readonly #transaction: TransactionHandle

  /** @internal */
  constructor(database: DatabaseHandle, transaction: TransactionHandle) {
    this.#database = database
    this.#transaction = transaction
  }

  /** @throws {VitrineError} `ERR_NOT_FOUND`. */
  collection<
    F extends Fields = Fields,
    P extends Payload = PayloadOf<F>,
    T extends VectorType = 'f32',
  >(name: string): TransactionCollection<F, P, T> {
    const collection = native.openCollection(this.#database, name)
    return new TransactionCollection<F, P, T>(this.#transaction, collection)
  }
}
