import {
  type CollectionHandle,
  type DatabaseHandle,
  native,
  type TransactionHandle,
} from './binding.ts'
import {
  type Columns,
  type Payload,
  type Point,
  type PointId,
  preparePoints,
  toKeys,
} from './points.ts'

/** Gathers writes to one collection; nothing is done before the transaction's `build` has returned. */
export class TransactionCollection<P extends Payload = Payload> {
  readonly #transaction: TransactionHandle
  readonly #collection: CollectionHandle

  /** @internal */
  constructor(transaction: TransactionHandle, collection: CollectionHandle) {
    this.#transaction = transaction
    this.#collection = collection
  }

  /** Adds points, or replaces those that are there. */
  upsert(points: readonly Point<P>[] | Columns<P>): void {
    this.#put(points, false)
  }

  /** Adds points; one that is there makes the whole transaction fail with `ERR_EXISTS`. */
  insert(points: readonly Point<P>[] | Columns<P>): void {
    this.#put(points, true)
  }

  /** Removes those that are there. */
  delete(ids: readonly PointId[]): void {
    native.deletePoints(this.#transaction, this.#collection, toKeys(ids))
  }

  #put(points: readonly Point<P>[] | Columns<P>, insert: boolean): void {
    const { dimension } = native.collectionState(this.#collection)
    const { keys, vectors, payloads } = preparePoints(points, dimension)
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
  collection<P extends Payload = Payload>(name: string): TransactionCollection<P> {
    const collection = native.openCollection(this.#database, name)
    return new TransactionCollection<P>(this.#transaction, collection)
  }
}
