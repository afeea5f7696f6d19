import { channel } from 'node:diagnostics_channel'
import { basename, resolve } from 'node:path'
import {
  type CancelToken,
  type CollectionHandle,
  type DatabaseHandle,
  native,
  version,
} from './binding.ts'
import { cancellable, controlOf } from './cancellation.ts'
import { Collection, OpenedCollection } from './collection.ts'
import {
  type CallOptions,
  type CollectionConfig,
  type CollectionInfo,
  callOptions,
  collectionConfig,
  type DamageEvent,
  type DatabaseMemoryUsage,
  type DatabaseOptions,
  type DiskUsage,
  databaseOptions,
  type TransactionOptions,
  transactionOptions,
  type VerifyReport,
} from './database-options.ts'
import { checked, describe, VitrineError } from './errors.ts'
import type { Fields, NoFields, PayloadOf } from './fields.ts'
import { type Ack, ackOf, type Payload } from './points.ts'
import { Measured } from './statistics.ts'
import { traceDatabase } from './traced-operations.ts'
import { Transaction } from './transaction.ts'
import type { VectorType } from './vector-types.ts'

/** What `open` hands to the constructor. */
class OpenedDatabase {
  readonly #ours = true
  readonly handle: DatabaseHandle
  readonly path: string
  readonly name: string
  readonly readOnly: boolean

  constructor(handle: DatabaseHandle, path: string, name: string, readOnly: boolean) {
    this.handle = handle
    this.path = path
    this.name = name
    this.readOnly = readOnly
  }

  static is(value: unknown): value is OpenedDatabase {
    return typeof value === 'object' && value !== null && #ours in value
  }
}

/**
 * A folder of collections that never loses a write which resolved: neither to `kill -9` nor to a
 * power cut, a full disk or a flipped bit.
 *
 * A folder has one writer at a time; within a process all environments that open it share it.
 * Methods only reject, with a {@link VitrineError}, except `collection` and the properties.
 */
export class Database extends Measured {
  readonly #handle: DatabaseHandle
  /** The folder, absolute, or ':memory:'. */
  readonly path: string
  readonly name: string
  readonly readOnly: boolean
  #closing: Promise<void> | undefined

  /** @internal */
  constructor(opened: never) {
    if (!OpenedDatabase.is(opened)) {
      throw new VitrineError('ERR_ARGUMENT', 'databases come from Database.open(path)')
    }
    const { handle, path, name, readOnly } = opened as OpenedDatabase
    super(handle, { db: name })
    this.#handle = handle
    this.path = path
    this.name = name
    this.readOnly = readOnly
  }

  /**
   * Opens a folder, or ':memory:' for a database that nothing keeps. After a crash nothing needs to be
   * repaired.
   * @throws {VitrineError} `ERR_LOCKED`, `ERR_NOT_FOUND`, `ERR_EXISTS`, `ERR_CORRUPT`, `ERR_FORMAT`, `ERR_IO`.
   */
  static async open(path: string, options?: DatabaseOptions): Promise<Database> {
    const parsed = databaseOptions.parse(options)
    const folder = checked(() => (path === ':memory:' ? '' : absolute(path)))
    const { name = folder === '' ? path : basename(folder), readOnly = false } = parsed
    const handle = await native.openDatabase(
      folder,
      parsed.durability ?? 'commit',
      parsed.intervalMs,
      readOnly,
      parsed.create ?? true,
      parsed.errorIfExists ?? false,
      parsed.maxMemoryBytes,
      parsed.maxDiskBytes,
      parsed.threads,
      `vitrine ${version}`,
      parsed.scrubBytesPerSecond,
    )
    if (folder !== '') native.watchDatabase(handle, publishDamage(name))
    const opened = new OpenedDatabase(handle, folder === '' ? path : folder, name, readOnly)
    return new Database(opened as never)
  }

  /** Makes a database in `to`, an empty folder or none, of the backup in `from`. */
  static async restore(from: string, to: string, options?: CallOptions): Promise<void> {
    const [source, target] = checked(() => [absolute(from), absolute(to)] as const)
    return call(options, token => native.restoreBackup(source, target, `vitrine ${version}`, token))
  }

  /**
   * A collection of that name and configuration, new or not. Of one that is there any `quantization`, `m`, `efConstruction` and
   * `vectors` will do when they are left out.
   * @param name - 1 … 128 of A-Z, a-z, 0-9, _ and -, beginning with a letter or digit.
   * @throws {VitrineError} `ERR_EXISTS` when it is there with another configuration; `ERR_OPTION`.
   */
  async createCollection<
    const F extends Fields = NoFields,
    P extends Payload = PayloadOf<F>,
    T extends VectorType = 'f32',
  >(
    name: string,
    config: CollectionConfig<F, T>,
    options?: CallOptions,
  ): Promise<Collection<F, P, T>> {
    const parsed = collectionConfig.parse(config)
    const {
      dimension,
      type = 'f32',
      m,
      efConstruction,
      quantization,
      vectors,
      fields = {},
    } = parsed
    const { metric = type === 'bits' ? 'hamming' : 'l2' } = parsed
    const collection = await call(options, token =>
      native.createCollection(
        this.#handle,
        name,
        dimension,
        metric,
        m,
        efConstruction,
        Object.entries(fields).flat(),
        quantization,
        type,
        vectors,
        token,
      ),
    )
    return this.#opened<F, P, T>(collection)
  }

  /** By name or alias. @throws {VitrineError} `ERR_NOT_FOUND`. */
  collection<
    F extends Fields = Fields,
    P extends Payload = PayloadOf<F>,
    T extends VectorType = 'f32',
  >(name: string): Collection<F, P, T> {
    const collection = native.openCollection(this.#handle, name)
    return this.#opened<F, P, T>(collection)
  }

  /** All collections, by name. */
  collections(): CollectionInfo[] {
    return native.listCollections(this.#handle).map(name => this.collection(name).info())
  }

  /** The collection that each alias stands for. */
  aliases(): Readonly<Record<string, string>> {
    return native.listAliases(this.#handle)
  }

  async dropCollection(name: string, options?: CallOptions): Promise<void> {
    return call(options, token => native.dropCollection(this.#handle, name, token))
  }

  /** Lets `alias` stand for a collection from now on, in one step when it stood for another one. */
  async setAlias(alias: string, name: string, options?: CallOptions): Promise<void> {
    return call(options, token => native.setAlias(this.#handle, alias, name, token))
  }

  async dropAlias(alias: string, options?: CallOptions): Promise<void> {
    return call(options, token => native.dropAlias(this.#handle, alias, token))
  }

  /**
   * Writes to several collections at once: all of it or nothing.
   * @param build - Gathers the writes; synchronous. What it throws leaves everything as it is.
   */
  async transaction(
    build: (transaction: Transaction) => void,
    options?: TransactionOptions,
  ): Promise<Ack> {
    const { idempotencyKey, ...control } = transactionOptions.parse(options)
    if (typeof build !== 'function') {
      throw new VitrineError('ERR_ARGUMENT', `build must be a function, not ${describe(build)}`)
    }
    const transaction = native.createTransaction(this.#handle)
    if (idempotencyKey !== undefined) native.setIdempotencyKey(transaction, idempotencyKey)
    const returned: unknown = build(new Transaction(this.#handle, transaction))
    if (typeof returned === 'object' && returned !== null && 'then' in returned) {
      // What it rejects with has nobody else to hear it, and would end the process.
      Promise.resolve(returned).catch(() => {})
      throw new VitrineError('ERR_ARGUMENT', 'build must gather its writes before it returns')
    }
    return ackOf(
      await cancellable(controlOf(control), token =>
        native.commitTransaction(transaction, token, control.timeoutMs),
      ),
    )
  }

  /** Resolves when every write that has resolved outlives a power cut. */
  async flush(options?: CallOptions): Promise<void> {
    return call(options, token => native.flushDatabase(this.#handle, token))
  }

  /**
   * Writes the state to new files and forgets the log before. Brings a database back to life whose log
   * failed.
   */
  async checkpoint(options?: CallOptions): Promise<void> {
    return call(options, token => native.checkpointDatabase(this.#handle, token))
  }

  /** Writes the state as a database of its own into an empty folder, while others write. */
  async backup(folder: string, options?: CallOptions): Promise<void> {
    const target = checked(() => absolute(folder))
    return call(options, token => native.backupDatabase(this.#handle, target, token))
  }

  /** Reads every byte of every file that counts, and every link. @returns What is damaged. */
  async verify(options?: CallOptions): Promise<VerifyReport> {
    return call(options, token => native.verifyDatabase(this.#handle, token))
  }

  /**
   * Reads every file that counts as the device holds it, as is done in the background too, and writes anew from memory what is damaged.
   * @returns What was damaged, and is not any more.
   */
  async scrub(options?: CallOptions): Promise<VerifyReport> {
    return call(options, token => native.scrubDatabase(this.#handle, token))
  }

  /** Whether a damaged file has been found and is not replaced yet: searches may be exact, and slower. */
  get degraded(): boolean {
    return native.databaseState(this.#handle).degraded
  }

  /** The place of the newest write that is visible. */
  get lastLsn(): bigint {
    return native.databaseState(this.#handle).lastLsn
  }

  /** Up to here writes outlive a power cut. */
  get durableLsn(): bigint {
    return native.databaseState(this.#handle).durableLsn
  }

  memoryUsage(): DatabaseMemoryUsage {
    const usage = native.databaseUsage(this.#handle)
    const { vectors, graph, codes, ids, payloads, fields, other } = usage
    const total = vectors + graph + codes + ids + payloads + fields + other
    return { total, vectors, graph, codes, ids, payloads, fields, other }
  }

  diskUsage(): DiskUsage {
    const { log, checkpoint, previous } = native.databaseUsage(this.#handle)
    return { total: log + checkpoint + previous, log, checkpoint, previous }
  }

  /** Finishes what was begun and gives the folder free. Other calls reject with `ERR_CLOSED` from then on. */
  async close(): Promise<void> {
    this.#closing ??= native.closeDatabase(this.#handle)
    return this.#closing
  }

  #opened<F extends Fields, P extends Payload, T extends VectorType>(
    handle: CollectionHandle,
  ): Collection<F, P, T> {
    return new Collection<F, P, T>(
      new OpenedCollection(this.#handle, handle, this.name, this.slowlog),
    )
  }

  /** Equal to `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

traceDatabase(Database)

/** Where damage is published that scrubbing finds, as a {@link DamageEvent}. */
const damageChannel = channel('vitrine:damage')

/** Holds nothing of the database, which may be collected. */
function publishDamage(database: string) {
  return (path: string, what: string) => {
    if (damageChannel.hasSubscribers) {
      damageChannel.publish({ database, path, what } satisfies DamageEvent)
    }
  }
}

/** Runs what `options.signal` cancels. */
async function call<T>(
  options: CallOptions | undefined,
  start: (token: CancelToken | undefined) => Promise<T>,
): Promise<T> {
  return cancellable(callOptions.parse(options), start)
}

function absolute(path: unknown): string {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw new VitrineError(
      'ERR_ARGUMENT',
      `path must be a string that is not empty and has no zero byte, not ${describe(path)}`,
    )
  }
  return resolve(path)
}
