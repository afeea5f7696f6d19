import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { peerRequire, peerVersion } from './peer-require.mjs'

const { connect, Index } = peerRequire('@lancedb/lancedb')
const arrow = peerRequire('apache-arrow')

const metrics = { l2: 'l2', cosine: 'cosine', ip: 'dot' }
/** Candidates by codes for each neighbour wanted, whose distances are then computed on the vectors. */
const refineFactor = 3

export function description() {
  return {
    version: peerVersion('@lancedb/lancedb'),
    kernels: 'chosen at run time',
    modes: 'single,batch',
    can: 'finish',
    settings: `IVF_HNSW_SQ, one partition, refineFactor ${refineFactor}, ids selected alone, compacted, one thread; batch is so many calls at a time`,
  }
}

/** A table on disk. Calls are asynchronous; in `batch` sixteen are under way at a time. */
export class Engine {
  #options
  #folder
  #table

  static async create(options) {
    // Before its runtime begins: threads beyond the cores given to this process only get in the way.
    process.env.LANCE_CPU_THREADS = String(options.threads)
    const engine = new Engine()
    engine.#options = options
    engine.#folder = mkdtempSync(join(tmpdir(), 'vitrine-bench-lancedb-'))
    process.once('exit', () => rmSync(engine.#folder, { recursive: true, force: true }))
    const database = await connect(engine.#folder)
    engine.#table = await database.createEmptyTable('points', engine.#schema())
    return engine
  }

  #schema() {
    const component = new arrow.Field('item', new arrow.Float32(), true)
    return new arrow.Schema([
      new arrow.Field('id', new arrow.Uint32(), false),
      new arrow.Field('vector', new arrow.FixedSizeList(this.#options.dimension, component), false),
    ])
  }

  /** Columns over the arrays themselves, without an object for each row. */
  async add(ids, vectors) {
    const [idField, vectorField] = this.#schema().fields
    const length = ids.length
    const values = arrow.makeData({
      type: new arrow.Float32(),
      data: vectors.slice(0, length * this.#options.dimension),
    })
    const lists = arrow.makeData({ type: vectorField.type, length, nullCount: 0, child: values })
    const columns = [arrow.makeData({ type: idField.type, data: ids }), lists]
    const rows = arrow.makeData({
      type: new arrow.Struct([idField, vectorField]),
      length,
      nullCount: 0,
      children: columns,
    })
    await this.#table.add(new arrow.Table([new arrow.RecordBatch(this.#schema(), rows)]))
  }

  async finish() {
    const { metric, m, efConstruction } = this.#options
    await this.#table.optimize()
    await this.#table.createIndex('vector', {
      config: Index.hnswSq({
        distanceType: metrics[metric],
        numPartitions: 1,
        m: 2 * m,
        efConstruction,
      }),
    })
  }

  async search(mode, { queries, k, ef, repeat, found }) {
    const step = mode === 'batch' ? 16 : 1
    for (let round = 0; round < repeat; round++) {
      for (let i = 0; i < queries.length; i += step) {
        const some = queries.slice(i, i + step)
        const answers = await Promise.all(some.map(query => this.#ask(query, k, ef)))
        for (const [j, ids] of answers.entries()) found.set(ids, (i + j) * k)
      }
    }
  }

  async #ask(query, k, ef) {
    const rows = await this.#table
      .vectorSearch(query)
      .distanceType(metrics[this.#options.metric])
      .nprobes(1)
      .ef(Math.max(ef, k * refineFactor))
      .refineFactor(refineFactor)
      .select(['id'])
      .limit(k)
      .toArrow()
    return rows.getChild('id').toArray()
  }
}
