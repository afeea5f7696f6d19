import { engineInfo, Index } from 'vitrine'

const maxId = 0xffffffff

export function description() {
  const { version, instructionSet } = engineInfo()
  return {
    version,
    kernels: instructionSet,
    modes: 'into,sync,batch',
    can: 'filter,recall,exact,remove,save,insert,threads',
  }
}

/** The public API of this package, as a program would call it. */
export class Engine {
  #index

  static async create(options) {
    return new Engine(options)
  }

  constructor({ dimension, metric, capacity, m, efConstruction, seed, threads, quantization }) {
    this.#index = new Index({
      dimension,
      metric,
      m,
      efConstruction,
      seed,
      threads,
      capacity,
      quantization,
    })
  }

  async add(ids, vectors) {
    await this.#index.add(ids, vectors)
  }

  async insert(vector, id) {
    await this.#index.add([id], vector)
  }

  async remove(ids) {
    await this.#index.remove(ids)
  }

  filter(ids) {
    return this.#index.idSet(ids)
  }

  search(mode, { queries, matrix, k, ef, repeat, filter, found }) {
    // Below 1 it is a recall.
    const options = ef < 1 ? { k, recall: ef } : { k, ef }
    if (filter !== undefined) options.filter = filter
    if (mode === 'batch') return this.#searchBatch(matrix, options, repeat, found)
    for (let round = 0; round < repeat; round++) {
      if (mode === 'sync') this.#searchSync(queries, options, found)
      else this.#searchInto(queries, options, found)
    }
  }

  #searchInto(queries, options, found) {
    const { k } = options
    const out = { ids: new Uint32Array(k), distances: new Float32Array(k) }
    for (let i = 0; i < queries.length; i++) {
      const hits = this.#index.searchInto(queries[i], out, options)
      found.set(out.ids, i * k)
      if (hits < k) found.fill(maxId, i * k + hits, (i + 1) * k)
    }
  }

  #searchSync(queries, options, found) {
    for (let i = 0; i < queries.length; i++) {
      found.set(this.#index.searchSync(queries[i], options).ids, i * options.k)
    }
  }

  async #searchBatch(matrix, options, repeat, found) {
    for (let round = 0; round < repeat; round++) {
      found.set((await this.#index.searchBatch(matrix, options)).ids)
    }
  }

  exact({ queries, k, found }) {
    for (let i = 0; i < queries.length; i++) {
      found.set(this.#index.searchSync(queries[i], { k, exact: true }).ids, i * k)
    }
  }

  memory() {
    return this.#index.memoryUsage()
  }

  async save(path) {
    await this.#index.save(path)
  }

  async load(path) {
    await this.#index.close()
    this.#index = await Index.load(path)
  }
}
