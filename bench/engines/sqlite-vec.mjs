import { DatabaseSync } from 'node:sqlite'
import { peerRequire, peerVersion } from './peer-require.mjs'

const { getLoadablePath } = peerRequire('sqlite-vec')

const metrics = { l2: 'l2', cosine: 'cosine' }

export function description() {
  return {
    version: peerVersion('sqlite-vec'),
    kernels: 'as npm ships it',
    modes: 'single',
    can: 'exact,remove,insert',
    settings:
      'vec0 table in memory, f32, prepared statements, ids as rowids; it has no graph and scans every row',
  }
}

/** An SQLite extension that scans; every search is exact, whatever ef. */
export class Engine {
  #options
  #database
  #insert
  #search

  static async create(options) {
    return new Engine(options)
  }

  constructor(options) {
    const metric = metrics[options.metric]
    if (metric === undefined) throw new Error(`it has no metric ${options.metric}`)
    this.#options = options
    this.#database = new DatabaseSync(':memory:', { allowExtension: true })
    this.#database.loadExtension(getLoadablePath())
    this.#database.exec(
      `create virtual table points using vec0(
        vector float[${options.dimension}] distance_metric=${metric})`,
    )
    this.#insert = this.#database.prepare('insert into points(rowid, vector) values (?, ?)')
    this.#search = this.#database.prepare(
      'select rowid from points where vector match ? and k = ? order by distance',
    )
    this.#search.setReturnArrays(true)
  }

  query(vector) {
    return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength)
  }

  add(ids, vectors) {
    const rowBytes = this.#options.dimension * 4
    this.#database.exec('begin')
    for (let i = 0; i < ids.length; i++) {
      const at = vectors.byteOffset + i * rowBytes
      // Its rowids must be bound as integers, which numbers are not.
      this.#insert.run(BigInt(ids[i]), Buffer.from(vectors.buffer, at, rowBytes))
    }
    this.#database.exec('commit')
  }

  insert(vector, id) {
    this.#insert.run(BigInt(id), vector)
  }

  remove(ids) {
    const statement = this.#database.prepare('delete from points where rowid = ?')
    this.#database.exec('begin')
    for (const id of ids) statement.run(BigInt(id))
    this.#database.exec('commit')
  }

  search(_mode, { queries, k, repeat, found }) {
    for (let round = 0; round < repeat; round++) {
      for (let i = 0; i < queries.length; i++) {
        const rows = this.#search.all(queries[i], BigInt(k))
        for (let at = 0; at < rows.length; at++) found[i * k + at] = rows[at][0]
      }
    }
  }

  exact(task) {
    this.search('single', { ...task, repeat: 1 })
  }
}
