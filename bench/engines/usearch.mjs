import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { peerRequire, peerVersion } from './peer-require.mjs'

const usearch = peerRequire('usearch')
const metrics = { l2: 'l2sq', cosine: 'cos', ip: 'ip' }

export function description() {
  return {
    version: peerVersion('usearch'),
    kernels: 'chosen at run time',
    modes: 'single,batch',
    can: 'exact,remove,save,insert,threads',
  }
}

/** Its beam width is fixed when an index is made, so another one is a reload of the saved index, outside the clock. */
export class Engine {
  #options
  #index
  #ef = 64
  #savedForReload
  #base

  static async create(options) {
    return new Engine(options)
  }

  constructor(options) {
    this.#options = options
    this.#index = this.#empty(this.#ef)
  }

  #empty(ef) {
    return new usearch.Index({
      dimensions: this.#options.dimension,
      metric: metrics[this.#options.metric],
      quantization: 'f32',
      connectivity: this.#options.m,
      expansion_add: this.#options.efConstruction,
      expansion_search: ef,
      multi: false,
    })
  }

  add(ids, vectors) {
    this.#forgetSaved()
    this.#index.add(BigUint64Array.from(ids, BigInt), vectors, this.#options.threads)
  }

  insert(vector, id) {
    this.#forgetSaved()
    this.#index.add(BigInt(id), vector, 1)
  }

  remove(ids) {
    this.#forgetSaved()
    this.#index.remove(BigUint64Array.from(ids, BigInt))
  }

  prepareSearch({ ef }) {
    if (ef === this.#ef) return
    if (!this.#savedForReload) {
      this.#savedForReload = join(tmpdir(), `vitrine-bench-${process.pid}.usearch`)
      this.#index.save(this.#savedForReload)
      process.once('exit', () => this.#forgetSaved())
    }
    this.#index = this.#empty(ef)
    this.#index.load(this.#savedForReload)
    this.#ef = ef
  }

  #forgetSaved() {
    if (this.#savedForReload) rmSync(this.#savedForReload, { force: true })
    this.#savedForReload = undefined
  }

  search(mode, { queries, matrix, k, repeat, found }) {
    for (let round = 0; round < repeat; round++) {
      if (mode === 'batch' && queries.length > 1) {
        const { keys, counts } = this.#index.search(matrix, k, 1)
        for (let i = 0; i < counts.length; i++) copyKeys(keys, i * k, Number(counts[i]), found)
      } else {
        for (let i = 0; i < queries.length; i++) {
          const { keys } = this.#index.search(queries[i], k, 1)
          for (let at = 0; at < keys.length; at++) found[i * k + at] = Number(keys[at])
        }
      }
    }
  }

  /** Its exact search scans vectors that the caller holds. It looks past a view's offset, so each query is given a buffer of its own. */
  prepareExact() {
    this.#base ??= readFloats(this.#options.baseFile)
  }

  exact({ queries, k, found }) {
    const { dimension, metric } = this.#options
    for (let i = 0; i < queries.length; i++) {
      const { keys } = usearch.exactSearch(
        this.#base,
        queries[i].slice(),
        dimension,
        k,
        metrics[metric],
        1,
      )
      for (let at = 0; at < keys.length; at++) found[i * k + at] = Number(keys[at])
    }
  }

  save(path) {
    this.#index.save(path)
  }

  load(path) {
    this.#index = this.#empty(this.#ef)
    this.#index.load(path)
  }
}

function copyKeys(keys, start, hits, found) {
  for (let at = start; at < start + hits; at++) found[at] = Number(keys[at])
}

function readFloats(path) {
  const { buffer, byteOffset, length } = readFileSync(path)
  return new Float32Array(buffer, byteOffset, length / 4)
}
