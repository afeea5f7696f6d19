import { DatabaseSync } from 'node:sqlite'
import { peerRequire, peerVersion } from './peer-require.mjs'
import { SqliteTable } from './sqlite-table.mjs'

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
export class Engine extends SqliteTable {
  #statements = new Map()

  static async create(options) {
    return new Engine(options)
  }

  constructor({ dimension, metric, capacity, m, efConstruction, seed }) {
    const graph = `max_elements=${capacity}, ef_construction=${efConstruction}, M=${m}, random_seed=${seed}`
    const table = `vectorlite(vector float32[${dimension}] ${metric}, hnsw(${graph}))`
    super(vectorlitePath(), table, dimension, id => id)
  }

  filter(ids) {
    return `[${ids.join(',')}]`
  }

  /** Numbers are bound as reals, which knn_param refuses, so k and ef are part of the text: one statement for each pair. */
  #searchStatement(k, ef, filtered) {
    const key = `${k} ${ef} ${filtered}`
    if (!this.#statements.has(key)) {
      const allowed = filtered ? ' and rowid in (select value from json_each(?))' : ''
      const statement = this.database.prepare(
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
