import { engineInfo, Index } from 'vitrine'
import { bfloat16, binary16, toHalf } from '../../dist/half-floats.js'

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

/** f32 as vectors of a type; made outside the clock, but for a few percent of the time of a build. */
const converters = {
  f32: vectors => vectors,
  f16: vectors => Uint16Array.from(vectors, value => toHalf(value, binary16)),
  bf16: vectors => Uint16Array.from(vectors, value => toHalf(value, bfloat16)),
  i8: vectors => whole(vectors, Int8Array.from(vectors)),
  u8: vectors => whole(vectors, Uint8Array.from(vectors)),
}

function whole(vectors, bytes) {
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] !== vectors[i]) throw new Error(`${vectors[i]} does not fit a byte`)
  }
  return bytes
}

/** The public API of this package, as a program would call it. */
export class Engine {
  #index
  #converted

  static async create(options) {
    return new Engine(options)
  }

  constructor({
    dimension,
    metric,
    capacity,
    m,
    efConstruction,
    seed,
    threads,
    quantization,
    type,
  }) {
    this.#converted = converters[type]
    this.#index = new Index({
      dimension,
      metric,
      m,
      efConstruction,
      seed,
      threads,
      capacity,
      quantization,
      type,
    })
  }

  query(vector) {
    return this.#converted(vector)
  }

  prepareSearch(task) {
    task.matrix = this.#converted(task.matrix)
  }

  async add(ids, vectors) {
    await this.#index.add(ids, this.#converted(vectors))
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
