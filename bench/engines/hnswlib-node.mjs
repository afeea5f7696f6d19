import { peerRequire, peerVersion } from './peer-require.mjs'

const { HierarchicalNSW, BruteforceSearch } = peerRequire('hnswlib-node')

export function description() {
  return {
    version: peerVersion('hnswlib-node'),
    kernels: 'as npm built it',
    modes: 'single',
    can: 'filter,exact,remove,save,insert',
  }
}

/** Takes and gives plain arrays of numbers, which are made outside the clock. */
export class Engine {
  #options
  #index
  #bruteForce

  static async create(options) {
    return new Engine(options)
  }

  constructor(options) {
    this.#options = options
    this.#index = new HierarchicalNSW(options.metric, options.dimension)
    this.#index.initIndex({
      maxElements: options.capacity,
      m: options.m,
      efConstruction: options.efConstruction,
      randomSeed: options.seed,
      allowReplaceDeleted: options.replacing,
    })
  }

  query(vector) {
    return Array.from(vector)
  }

  add(ids, vectors) {
    const { dimension, replacing } = this.#options
    for (let i = 0; i < ids.length; i++) {
      const point = Array.from(vectors.subarray(i * dimension, (i + 1) * dimension))
      this.#index.addPoint(point, ids[i], replacing)
    }
  }

  insert(vector, id) {
    this.#index.addPoint(vector, id, this.#options.replacing)
  }

  remove(ids) {
    for (const id of ids) this.#index.markDelete(id)
  }

  filter(ids) {
    const allowed = new Uint8Array(this.#options.baseRows + 1)
    for (const id of ids) allowed[id] = 1
    return id => allowed[id] === 1
  }

  search(_mode, { queries, k, ef, repeat, filter, found }) {
    this.#index.setEf(ef)
    for (let round = 0; round < repeat; round++) {
      for (let i = 0; i < queries.length; i++) {
        const { neighbors } = this.#index.searchKnn(queries[i], k, filter)
        for (let at = 0; at < neighbors.length; at++) found[i * k + at] = neighbors[at]
      }
    }
  }

  /** The package's exact search is an index of its own. */
  prepareExact() {
    if (this.#bruteForce) return
    const { metric, dimension, capacity } = this.#options
    this.#bruteForce = new BruteforceSearch(metric, dimension)
    this.#bruteForce.initIndex(capacity)
    for (const id of this.#index.getIdsList())
      this.#bruteForce.addPoint(this.#index.getPoint(id), id)
  }

  exact({ queries, k, found }) {
    for (let i = 0; i < queries.length; i++) {
      const { neighbors } = this.#bruteForce.searchKnn(queries[i], k)
      for (let at = 0; at < neighbors.length; at++) found[i * k + at] = neighbors[at]
    }
  }

  save(path) {
    this.#index.writeIndexSync(path)
  }

  load(path) {
    this.#index = new HierarchicalNSW(this.#options.metric, this.#options.dimension)
    this.#index.readIndexSync(path, this.#options.replacing)
  }
}
