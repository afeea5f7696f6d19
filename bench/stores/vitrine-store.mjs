import { Database } from 'vitrine'

/** A collection, with every write on the device when it resolves. */
export class VitrineStore {
  static writers = 64
  #db
  #collection
  #zeros

  static open(folder, dimension) {
    return new VitrineStore().#open(folder, { dimension })
  }

  /**
   * The same without the building of an index: zero vectors, as many bytes to be logged and checked, stand outside the graph of a
   * collection of cosine.
   */
  static openUnlinked(folder, dimension) {
    return new VitrineStore().#open(folder, { dimension, metric: 'cosine' }, true)
  }

  async #open(folder, config, zeros = false) {
    this.#db = await Database.open(folder)
    this.#collection = await this.#db.createCollection('points', config)
    this.#zeros = zeros
    return this
  }

  /** @param {{ ids: number[], vectors: Float32Array, payloads: object[] }} points */
  async write(points) {
    if (this.#zeros) points.vectors.fill(0)
    const { durable } = await this.#collection.upsert(points)
    if (!durable) throw new Error('a write was not durable')
  }

  count() {
    return this.#collection.count()
  }

  close() {
    return this.#db.close()
  }
}
