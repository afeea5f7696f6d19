import { peerRequire, peerVersion } from './peer-require.mjs'

const { PGlite } = peerRequire('@electric-sql/pglite')
const { vector } = peerRequire('@electric-sql/pglite-pgvector')

const operators = {
  l2: ['<->', 'vector_l2_ops'],
  cosine: ['<=>', 'vector_cosine_ops'],
  ip: ['<#>', 'vector_ip_ops'],
}
const widestSearch = 1000

export function description() {
  return {
    version: peerVersion('@electric-sql/pglite'),
    kernels: 'WebAssembly',
    modes: 'single',
    can: 'finish',
    settings: `pgvector ${peerVersion('@electric-sql/pglite-pgvector')}, hnsw on vector, in memory, COPY and an index afterwards, maintenance_work_mem 1 GB, prepared statements, ids alone`,
  }
}

/** PostgreSQL in WebAssembly, in this process. Its statements are prepared once; a query is text, made outside the clock. */
export class Engine {
  #options
  #database
  #ef

  static async create(options) {
    const engine = new Engine()
    engine.#options = options
    engine.#database = await PGlite.create({ extensions: { vector } })
    const [operator] = operators[options.metric]
    await engine.#database.exec(`
      create extension vector;
      set maintenance_work_mem = '1GB';
      set max_parallel_maintenance_workers = 0;
      set jit = off;
      create unlogged table points (id integer, vector vector(${options.dimension}));
      alter table points alter column vector set storage plain;
      prepare nearest(vector, integer) as
        select id from points order by vector ${operator} $1 limit $2`)
    return engine
  }

  query(values) {
    return `[${values.join(',')}]`
  }

  async add(ids, vectors) {
    const { dimension } = this.#options
    const lines = Array.from(
      ids,
      (id, i) => `${id}\t[${vectors.subarray(i * dimension, (i + 1) * dimension).join(',')}]\n`,
    )
    await this.#database.query(`copy points from '/dev/blob'`, [], { blob: new Blob(lines) })
  }

  async finish() {
    const { metric, m, efConstruction } = this.#options
    await this.#database.exec(`
      create index on points using hnsw (vector ${operators[metric][1]})
        with (m = ${m}, ef_construction = ${efConstruction});
      analyze points;
      set enable_seqscan = off`)
  }

  async prepareSearch({ ef }) {
    if (ef === this.#ef) return
    await this.#database.exec(`set hnsw.ef_search = ${Math.min(ef, widestSearch)}`)
    this.#ef = ef
  }

  async search(_mode, { queries, k, repeat, found }) {
    for (let round = 0; round < repeat; round++) {
      for (let i = 0; i < queries.length; i++) {
        const [{ rows }] = await this.#database.exec(`execute nearest('${queries[i]}', ${k})`, {
          rowMode: 'array',
        })
        for (let at = 0; at < rows.length; at++) found[i * k + at] = rows[at][0]
      }
    }
  }
}
