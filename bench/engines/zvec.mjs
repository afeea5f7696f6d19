import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { peerRequire, peerVersion } from './peer-require.mjs'

const {
  ZVecCollectionSchema,
  ZVecCreateAndOpen,
  ZVecDataType,
  ZVecIndexType,
  ZVecInitialize,
  ZVecMetricType,
} = peerRequire('@zvec/zvec')

const metrics = { l2: ZVecMetricType.L2, cosine: ZVecMetricType.COSINE, ip: ZVecMetricType.IP }
/** What one call takes. */
const batchPoints = 1000

export function description() {
  return {
    version: peerVersion('@zvec/zvec'),
    kernels: 'chosen at run time',
    modes: 'single',
    can: 'finish',
    settings:
      'HNSW on f32, nodes in contiguous memory, optimized after loading, one thread, synchronous calls without fields or vectors',
  }
}

/** A collection on disk, as the package has no other; its ids are text. */
export class Engine {
  #options
  #folder
  #collection

  static async create(options) {
    return new Engine(options)
  }

  constructor(options) {
    this.#options = options
    ZVecInitialize({ queryThreads: options.threads, optimizeThreads: options.threads })
    this.#folder = mkdtempSync(join(tmpdir(), 'vitrine-bench-zvec-'))
    process.once('exit', () => rmSync(this.#folder, { recursive: true, force: true }))
    const schema = new ZVecCollectionSchema({
      name: 'points',
      vectors: {
        name: 'vector',
        dataType: ZVecDataType.VECTOR_FP32,
        dimension: options.dimension,
        indexParams: {
          indexType: ZVecIndexType.HNSW,
          metricType: metrics[options.metric],
          m: options.m,
          efConstruction: options.efConstruction,
          useContiguousMemory: true,
        },
      },
    })
    this.#collection = ZVecCreateAndOpen(join(this.#folder, 'points'), schema)
  }

  add(ids, vectors) {
    const { dimension } = this.#options
    for (let first = 0; first < ids.length; first += batchPoints) {
      const last = Math.min(ids.length, first + batchPoints)
      const points = []
      for (let i = first; i < last; i++) {
        const vector = vectors.subarray(i * dimension, (i + 1) * dimension)
        points.push({ id: String(ids[i]), vectors: { vector } })
      }
      const failed = this.#collection.insertSync(points).find(status => !status.ok)
      if (failed) throw new Error(failed.message)
    }
  }

  finish() {
    this.#collection.optimizeSync({ concurrency: this.#options.threads })
  }

  search(_mode, { queries, k, ef, repeat, found }) {
    const params = { indexType: ZVecIndexType.HNSW, ef }
    for (let round = 0; round < repeat; round++) {
      for (let i = 0; i < queries.length; i++) {
        const hits = this.#collection.querySync({
          fieldName: 'vector',
          vector: queries[i],
          topk: k,
          params,
          outputFields: [],
        })
        for (let at = 0; at < hits.length; at++) found[i * k + at] = Number(hits[at].id)
      }
    }
  }
}
