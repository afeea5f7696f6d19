import { peerRequire, peerVersion } from './peer-require.mjs'

const { PGlite } = peerRequire('@electric-sql/pglite')
const { vector } = peerRequire('@electric-sql/pglite-pgvector')

/** pgvector's operator, and the class of operators that its index is made for. */
const metrics = {
  l2: ['<->', 'vector_l2_ops'],
  cosine: ['<=>', 'vector_cosine_ops'],
  ip: ['<#>', 'vector_ip_ops'],
}
/** The most that pgvector's index takes. */
const mostEf = 1000

export function description() {
  return {
    version: `${peerVersion('@electric-sql/pglite')} with pgvector of ${peerVersion('@electric-sql/pglite-pgvector')}`,
    kernels: 'WebAssembly',
    modes: 'single',
    can: 'filter,finish,exact,remove,insert',
    settings:
      'PostgreSQL in memory, rows copied in, hnsw index made after loading with maintenance_work_mem 512 MB, iterative scans for filters',
  }
}

/** PostgreSQL with pgvector, compiled to WebAssembly. Calls are asynchronous; vectors travel as text, made outside the clock. */
export class Engine {
  #options
  #database
  #operator
  #ef

  static async create(options) {
    const engine = new Engine()
    engine.#options = options
    engine.#operator = metrics[options.metric][0]
    engine.#database = await PGlite.create({ extensions: { vector } })
    await engine.#database.exec(`
      create extension vector;
      create table points (id integer primary key, vector vector(${options.dimension}));
      set maintenance_work_mem = '512MB';
      set hnsw.iterative_scan = strict_order;`)
    return engine
  }

  query(components) {
    return `[${components.join(',')}]`
  }

  async add(ids, vectors) {
    const { dimension } = this.#options
    const lines = Array.from(ids, (id, i) => {
      return `${id}\t${this.query(vectors.subarray(i * dimension, (i + 1) * dimension))}\n`
    })
    await this.#database.query("copy points from '/dev/blob'", [], { blob: new Blob(lines) })
  }

  async finish() {
    const { metric, m, efConstruction } = this.#options
    await this.#database.exec(`
      create index on points using hnsw (vector ${metrics[metric][1]})
        with (m = ${m}, ef_construction = ${efConstruction});
      analyze points;`)
  }

  async insert(components, id) {
    await this.#database.query('insert into points values ($1, $2)', [id, components])
  }

  async remove(ids) {
    await this.#database.query('delete from points where id = any($1)', [Array.from(ids)])
  }

  filter(ids) {
    return Array.from(ids)
  }

  async prepareSearch({ ef }) {
    await this.#useIndex(true)
    if (ef === this.#ef) return
    this.#ef = ef
    await this.#database.exec(`set hnsw.ef_search = ${Math.min(ef, mostEf)}`)
  }

  async prepareExact() {
    await this.#useIndex(false)
  }

  async #useIndex(wanted) {
    await this.#database.exec(`set enable_indexscan = ${wanted ? 'on' : 'off'}`)
  }

  async search(_mode, { queries, k, repeat, filter, found }) {
    const allowed = filter === undefined ? '' : 'where id = any($2)'
    const text = `select id from points ${allowed} order by vector ${this.#operator} $1 limit ${k}`
    const options = { rowMode: 'array' }
    for (let round = 0; round < repeat; round++) {
      for (let i = 0; i < queries.length; i++) {
        const values = filter === undefined ? [queries[i]] : [queries[i], filter]
        const { rows } = await this.#database.query(text, values, options)
        for (let at = 0; at < rows.length; at++) found[i * k + at] = rows[at][0]
      }
    }
  }

  async exact(task) {
    await this.search('single', { ...task, repeat: 1 })
  }
}
