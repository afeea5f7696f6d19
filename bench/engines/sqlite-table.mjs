import { DatabaseSync } from 'node:sqlite'

/** Blobs over the vectors themselves. */
const blobOf = (vectors, at, components) =>
  Buffer.from(vectors.buffer, vectors.byteOffset + at * 4, components * 4)

/** What the engines that are extensions of SQLite share: a table `points` of rowids and vectors, in memory. */
export class SqliteTable {
  #dimension
  #rowid
  #insert
  database

  /**
   * @param {string} extension - Path of what is loaded.
   * @param {string} table - `vec0(…)`: the virtual table.
   * @param {number} dimension
   * @param {(id: number) => number | bigint} rowid - An id as the extension takes it.
   */
  constructor(extension, table, dimension, rowid) {
    this.#dimension = dimension
    this.#rowid = rowid
    this.database = new DatabaseSync(':memory:', { allowExtension: true })
    this.database.loadExtension(extension)
    this.database.exec(`create virtual table points using ${table}`)
    this.#insert = this.database.prepare('insert into points(rowid, vector) values (?, ?)')
  }

  query(vector) {
    return blobOf(vector, 0, vector.length)
  }

  add(ids, vectors) {
    this.#atOnce(() => {
      for (let i = 0; i < ids.length; i++) {
        const blob = blobOf(vectors, i * this.#dimension, this.#dimension)
        this.#insert.run(this.#rowid(ids[i]), blob)
      }
    })
  }

  insert(vector, id) {
    this.#insert.run(this.#rowid(id), vector)
  }

  remove(ids) {
    const statement = this.database.prepare('delete from points where rowid = ?')
    this.#atOnce(() => {
      for (const id of ids) statement.run(this.#rowid(id))
    })
  }

  #atOnce(work) {
    this.database.exec('begin')
    work()
    this.database.exec('commit')
  }
}
