import { DatabaseSync } from 'node:sqlite'
import { peerRequire, peerVersion } from './peer-require.mjs'

const { vectorlitePath } = peerRequire('vectorlite')

export function description() {
  const database = new DatabaseSync(':memory:', { allowExtension: true })
  database.loadExtension(vectorlitePath())
  database.close()
  return {
    version: peerVersion('vectorlite'),
    kernels: 'chosen at run time',
    modes: 'single',
    can: 'filter,remove,insert',
  }
}

/** An SQLite extension. Queries are blobs, made outside the clock; ids come back as integer rows. */
export class Engine {
  #options
  #database
  #insert
  #statements = new Map()

  static async create(options) {
    return new Engine(options)
  }

  constructor(options) {
    this.#options = options
    this.#database = new DatabaseSync(':memory:', { allowExtension: true })
    this.#database.loadExtension(vectorlitePath())
    const graph = [
      `max_elements=${options.capacity}`,
      `ef_construction=${options.efConstruction}`,
      `M=${options.m}`,
      `random_seed=${options.seed}`,
    ]
    this.#database.exec(
      `create virtual table points using vectorlite(
        vector float32[${options.dimension}] ${options.metric}, hnsw(${graph.join(', ')}))`,
    )
    this.#insert = this.#database.prepare('insert into points(rowid, vector) values (?, ?)')
  }

  query(vector) {
    return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength)
  }

  add(ids, vectors) {
    const rowBytes = this.#options.dimension * 4
    this.#database.exec('begin')
    for (let i = 0; i < ids.length; i++) {
      this.#insert.run(
        ids[i],
        Buffer.from(vectors.buffer, vectors.byteOffset + i * rowBytes, rowBytes),
      )
    }
    this.#database.exec('commit')
  }

  insert(vector, id) {
    this.#insert.run(id, vector)
  }

  remove(ids) {
    const statement = this.#database.prepare('delete from points where rowid = ?')
    this.#database.exec('begin')
    for (const id of ids) statement.run(id)
    this.#database.exec('commit')
  }

  filter(ids) {
    return `[${ids.join(',')}]`
  }

  /** Numbers are bound as reals, which knn_param refuses, so k and ef are part of the text: one statement for each pair. */
  #searchStatement(k, ef, filtered) {
    const key = `${k} ${ef} ${filtered}`
    if (!this.#statements.has(key)) {
      const allowed = filtered ? ' and rowid in (select value from json_each(?))' : ''
      const statement = this.#database.prepare(
        `select rowid from points where knn_search(vector, knn_param(?, ${k}, ${ef}))${allowed}`,
      )
      statement.setReturnArrays(true)
      this.#statements.set(key, statement)
    }
    return this.#statements.get(key)
  }

  search(_mode, { queries, k, ef, repeat, filter, found }) {
    const statement = this.#searchStatement(k, ef, filter !== undefined)
    for (let round = 0; round < repeat; round++) {
      for (let i = 0; i < queries.length; i++) {
        const rows =
          filter === undefined ? statement.all(queries[i]) : statement.all(queries[i], filter)
        for (let at = 0; at < rows.length; at++) found[i * k + at] = rows[at][0]
      }
    }
  }
}
