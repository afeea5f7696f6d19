/** Where engines meet: one data set laid out in files for them, what counts as found, and the ways of asking all of them alike. */
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { asFloats } from './dataset.mjs'
import { exactNeighbors, publishedNeighbors, recallOf } from './truth.mjs'

/**
 * An engine that has been started and, mostly, filled.
 * @typedef {object} Racer
 * @property {string} name
 * @property {import('./peers.mjs').Contestant} contestant
 * @property {import('./engine-process.mjs').EngineProcess} process
 *
 * @typedef {object} Search
 * @property {string} [mode] - Default the engine's first.
 * @property {number} ef
 * @property {number} [repeat]
 * @property {string} [rows] - A file of query numbers, default all of the queries.
 * @property {number} [first] - Or a range of them.
 * @property {number} [count]
 * @property {string} [allowed] - A file of ids.
 */

export class Arena {
  /** What went wrong with whom: the others go on. @type {{ engine: string, what: string, reason: string }[]} */
  failures = []

  /**
   * Lays out a data set and finds, or computes, its exact neighbours.
   * @param {import('./dataset.mjs').Dataset} dataset
   * @param {object} setup
   * @param {string} setup.folder - For files that live as long as the run.
   * @param {number} setup.k
   * @param {number} setup.core - The one core that everything single-threaded is measured on.
   * @param {string} setup.quantization - Of this package; peers have their own forms, or none.
   * @param {string} setup.type - Of this package's vectors; peers have f32.
   * @param {(line: string) => void} setup.note - Progress.
   */
  constructor(dataset, { folder, k, core, quantization, type, note }) {
    this.dataset = dataset
    this.folder = folder
    this.k = k
    this.core = core
    this.quantization = quantization
    this.type = type
    this.note = note
    this.rows = dataset.base.rows
    this.queryCount = dataset.queries.rows
    this.baseFile = this.file('base.f32', asFloats(dataset.base))
    this.queriesFile = this.file('queries.f32', asFloats(dataset.queries))
    this.acceptable = dataset.truth ? publishedNeighbors(dataset, k) : this.neighborsAmong()
  }

  /**
   * The same arena, in which the neighbours among some points count, and whose queries go on with those points themselves.
   * @param {Uint32Array} points - Base rows.
   * @returns {Arena}
   */
  among(points) {
    const narrowed = Object.assign(Object.create(Arena.prototype), this)
    const { base, queries } = this.dataset
    const vectors = [this.vectorsOf(queries), this.vectorsOf(base, points)]
    const whole = new Float32Array(vectors[0].length + vectors[1].length)
    whole.set(vectors[0])
    whole.set(vectors[1], vectors[0].length)
    narrowed.queriesFile = this.file('queries-and-points.f32', whole)
    narrowed.acceptable = this.neighborsAmong({ allowed: points })
    return narrowed
  }

  /** Exact neighbours of all queries, or of `queries`, among all rows, or among `allowed`. */
  neighborsAmong({ allowed, queries } = {}) {
    const { dimension, metric, queries: every } = this.dataset
    return exactNeighbors({
      folder: this.folder,
      base: this.baseFile,
      queries: queries ? this.file('chosen.f32', this.vectorsOf(every, queries)) : this.queriesFile,
      dimension,
      metric,
      k: this.k,
      allowed,
    })
  }

  /** Rows of a matrix as f32, by default all of them. */
  vectorsOf(matrix, rows) {
    if (!rows) return asFloats(matrix)
    const { dimension } = this.dataset
    const vectors = new Float32Array(rows.length * dimension)
    rows.forEach((number, i) => {
      vectors.set(matrix.data.subarray(number * dimension, (number + 1) * dimension), i * dimension)
    })
    return vectors
  }

  /** Writes raw numbers for the engines to read. @returns {string} The path. */
  file(name, numbers) {
    const path = join(this.folder, name)
    writeFileSync(path, numbers)
    return path
  }

  /**
   * Starts an engine with an empty index.
   * @param {import('./peers.mjs').Contestant} contestant
   * @param {object} [options]
   * @param {number} [options.capacity]
   * @param {number[]} [options.cores]
   * @param {boolean} [options.replacing] - Removed points make room for new ones, where an engine must be told.
   * @returns {Promise<Racer>}
   */
  async enter(
    contestant,
    { capacity = this.rows + this.queryCount, cores = [this.core], replacing = false } = {},
  ) {
    const racer = { name: contestant.name, contestant, process: contestant.start(cores) }
    await racer.process.request('create', {
      dimension: this.dataset.dimension,
      metric: this.dataset.metric,
      capacity,
      m: 16,
      efConstruction: 200,
      seed: 100,
      quantization: this.quantization,
      type: this.type,
      threads: cores.length,
      replacing: replacing ? 1 : 0,
      base: this.baseFile,
      queries: this.queriesFile,
    })
    return racer
  }

  /**
   * Runs `work`; a failure is noted and gives undefined, so that one engine cannot end the run.
   * @template T
   * @param {string} engine
   * @param {string} what
   * @param {() => Promise<T>} work
   * @returns {Promise<T | undefined>}
   */
  async attempt(engine, what, work) {
    try {
      return await work()
    } catch (error) {
      const reason = error.message.split(' ↵ ')[0]
      this.failures.push({ engine, what, reason })
      this.note(`${engine} failed at ${what}: ${reason}`)
      return undefined
    }
  }

  /**
   * @param {Racer} racer
   * @param {Search} search
   * @returns {Promise<{ cpu: number, wall: number }>} Seconds of all `repeat` rounds.
   */
  search(racer, search) {
    return racer.process.timed('search', searchFields(this, racer, search))
  }

  /**
   * @param {Racer} racer
   * @param {Search} search
   * @returns {Promise<{ cpu: number, wall: number, found: Uint32Array }>}
   */
  async searchFor(racer, search) {
    const out = join(this.folder, 'found.u32')
    const times = await racer.process.timed('search', { ...searchFields(this, racer, search), out })
    return { ...times, found: this.takeIntegers(out) }
  }

  /** The recall of a search over all queries. */
  async recallAt(racer, search) {
    const { found, ...times } = await this.searchFor(racer, search)
    return { recall: recallOf(found, this.k, this.acceptable), ...times }
  }

  /** Reads a file of u32 that an engine has written, and removes it. */
  takeIntegers(path) {
    return new Uint32Array(take(path))
  }

  /** Reads a file of f64 that an engine has written, and removes it. */
  takeDoubles(path) {
    return new Float64Array(take(path))
  }

  /** Bytes of a file. */
  sizeOf(path) {
    return statSync(path).size
  }
}

function searchFields(arena, racer, search) {
  const {
    mode = racer.contestant.modes[0],
    ef,
    repeat = 1,
    rows,
    first = 0,
    count,
    allowed,
  } = search
  const range = rows ? { rows } : { first, count: count ?? arena.queryCount }
  return { mode, k: arena.k, ef, repeat, allowed, ...range }
}

function take(path) {
  const bytes = readFileSync(path)
  rmSync(path)
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)
}

/** The list, beginning at another member each time. */
export function rotated(list, by) {
  return list.map((_, i) => list[(i + by) % list.length])
}
