import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { peerRequire } from '../engines/peer-require.mjs'

/** better-sqlite3 as it keeps its promises: write-ahead log, and a flush at every commit. */
export class SqliteStore {
  static writers = 1
  #db
  #insert
  #writeAll

  static async open(folder) {
    mkdirSync(folder, { recursive: true })
    const store = new SqliteStore()
    const Database = peerRequire('better-sqlite3')
    store.#db = new Database(join(folder, 'points.db'))
    store.#db.pragma('journal_mode = WAL')
    store.#db.pragma('synchronous = FULL')
    store.#db.exec('create table points (id integer primary key, vector blob, payload text)')
    store.#insert = store.#db.prepare('insert or replace into points values (?, ?, ?)')
    store.#writeAll = store.#db.transaction(({ ids, vectors, payloads }) => {
      const rowBytes = vectors.byteLength / ids.length
      for (const [i, id] of ids.entries()) {
        const vector = Buffer.from(vectors.buffer, vectors.byteOffset + i * rowBytes, rowBytes)
        store.#insert.run(id, vector, JSON.stringify(payloads[i]))
      }
    })
    return store
  }

  async write(points) {
    this.#writeAll(points)
  }

  async count() {
    return this.#db.prepare('select count(*) from points').pluck().get()
  }

  async close() {
    this.#db.close()
  }
}
