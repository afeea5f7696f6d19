import { peerRequire, peerVersion } from './peer-require.mjs'
import { SqliteTable } from './sqlite-table.mjs'

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
export class Engine extends SqliteTable {
  #search

  static async create(options) {
    return new Engine(options)
  }

  constructor({ dimension, metric }) {
    if (metrics[metric] === undefined) throw new Error(`it has no metric ${metric}`)
    const table = `vec0(vector float[${dimension}] distance_metric=${metrics[metric]})`
    // Its rowids must be bound as integers, which numbers are not.
    super(getLoadablePath(), table, dimension, BigInt)
    this.#search = this.database.prepare(
      'select rowid from points where vector match ? and k = ? order by distance',
    )
    this.#search.setReturnArrays(true)
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
