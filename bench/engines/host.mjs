/**
 * Runs one npm engine in a process of its own, driven by the lines of protocol.mjs. The name of the engine is the only argument.
 */
import { closeSync, openSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { formatLine, parseLine } from './protocol.mjs'

/**
 * What a module beside this one exports as `Engine`, with a static `create(options)`; the optional members are named in its `description().can`.
 * @typedef {object} Engine
 * @property {(ids: Uint32Array, vectors: Float32Array) => void | Promise<void>} add
 * @property {(mode: string, task: SearchTask) => void | Promise<void>} search - Fills `task.found`.
 * @property {(task: SearchTask) => void | Promise<void>} [prepareSearch] - Called outside the clock.
 * @property {(task: SearchTask) => void | Promise<void>} [exact]
 * @property {() => void | Promise<void>} [prepareExact] - Called outside the clock.
 * @property {() => void | Promise<void>} [finish] - Called when everything was added: what an engine does only then, such as to build its index.
 * @property {(ids: Uint32Array) => void | Promise<void>} [remove]
 * @property {(ids: Uint32Array) => unknown} [filter] - The engine's own form of an allowed set.
 * @property {() => Record<string, number>} [memory]
 * @property {(path: string) => void | Promise<void>} [save]
 * @property {(path: string) => void | Promise<void>} [load]
 * @property {(query: Float32Array) => unknown} [query] - The engine's own form of a query, made outside the clock.
 * @property {(vector: unknown, id: number) => void | Promise<void>} [insert]
 *
 * @typedef {object} SearchTask
 * @property {unknown[]} queries - In the engine's own form.
 * @property {Float32Array} matrix - The same queries, row-major.
 * @property {number} k
 * @property {number} ef
 * @property {number} repeat
 * @property {unknown} filter - What `filter` made, or undefined.
 * @property {Uint32Array} found - `[queries * k]`, filled with the greatest id where there are fewer hits.
 */

const { Engine, description } = await import(
  new URL(`${process.argv[2]}.mjs`, import.meta.url).href
)
const maxId = 0xffffffff
/** Vectors given to the engine at a time, in a buffer made before memory is first looked at. */
const addBytes = 4 << 20

let engine
let options
let queryMatrix
let queryViews
let anonymousBefore
let addBuffer
const filters = new Map()

const verbs = {
  describe: () => description(),

  async create(fields) {
    options = {
      dimension: Number(fields.dimension),
      metric: fields.metric,
      capacity: Number(fields.capacity),
      m: Number(fields.m),
      efConstruction: Number(fields.efConstruction),
      seed: Number(fields.seed),
      threads: Number(fields.threads),
      quantization: fields.quantization,
      type: fields.type,
      replacing: fields.replacing === '1',
      baseFile: fields.base,
      baseRows: statSync(fields.base).size / (4 * Number(fields.dimension)),
    }
    queryMatrix = floats(readFileSync(fields.queries))
    addBuffer = new Float32Array(
      Math.max(1, Math.floor(addBytes / 4 / options.dimension)) * options.dimension,
    ).fill(1)
    anonymousBefore = anonymousBytes()
    engine = await Engine.create(options)
    queryViews = []
    for (let at = 0; at < queryMatrix.length; at += options.dimension) {
      const vector = queryMatrix.subarray(at, at + options.dimension)
      queryViews.push(engine.query?.(vector) ?? vector)
    }
    return {}
  },

  async add(fields) {
    const rows = numbers(fields)
    const { dimension } = options
    const step = addBuffer.length / dimension
    const file = openSync(options.baseFile, 'r')
    const total = { cpu: 0, wall: 0 }
    try {
      for (let start = 0; start < rows.length; start += step) {
        const ids = rows.slice(start, start + step)
        const vectors = addBuffer.subarray(0, ids.length * dimension)
        readRows(file, ids, new Uint8Array(vectors.buffer), dimension * 4)
        const { cpu, wall } = await timed(() => engine.add(ids, vectors))
        total.cpu += cpu
        total.wall += wall
      }
    } finally {
      closeSync(file)
    }
    return total
  },

  async insert(fields) {
    const seconds = []
    const times = await timed(async () => {
      for (const number of numbers(fields)) {
        const start = process.hrtime.bigint()
        await engine.insert(queryViews[number], options.baseRows + number)
        seconds.push(Number(process.hrtime.bigint() - start) / 1e9)
      }
    })
    writeFileSync(fields.out, Float64Array.from(seconds))
    return times
  },

  finish: () => timed(() => engine.finish?.()),

  remove: fields => timed(() => engine.remove(numbers(fields))),

  async search(fields) {
    const task = searchTask(fields)
    await engine.prepareSearch?.(task)
    const times = await timed(() => engine.search(fields.mode, task))
    if (fields.out) writeFileSync(fields.out, task.found)
    return times
  },

  async latencies(fields) {
    const whole = searchTask({ ...fields, repeat: 1 })
    const seconds = new Float64Array(whole.queries.length)
    const one = { ...whole, found: new Uint32Array(whole.k) }
    await engine.prepareSearch?.(whole)
    const times = await timed(async () => {
      for (let i = 0; i < seconds.length; i++) {
        one.queries = [whole.queries[i]]
        const start = process.hrtime.bigint()
        const pending = engine.search(description().modes.split(',')[0], one)
        if (pending) await pending
        seconds[i] = Number(process.hrtime.bigint() - start) / 1e9
      }
    })
    writeFileSync(fields.out, seconds)
    return times
  },

  async exact(fields) {
    const task = searchTask({ ...fields, repeat: 1, ef: fields.k })
    await engine.prepareExact?.()
    const times = await timed(() => engine.exact(task))
    if (fields.out) writeFileSync(fields.out, task.found)
    return times
  },

  prepare(fields) {
    filters.clear()
    return timed(() => filterFrom(fields.allowed))
  },

  memory() {
    globalThis.gc?.()
    return { resident: Math.max(0, anonymousBytes() - anonymousBefore), ...engine.memory?.() }
  },

  save: fields => timed(() => engine.save(fields.path)),
  load: fields => timed(() => engine.load(fields.path)),
}

/** CPU seconds of this process, every thread of it, and wall seconds. */
async function timed(work) {
  const cpuBefore = process.cpuUsage()
  const before = process.hrtime.bigint()
  const pending = work()
  if (pending) await pending
  const wall = Number(process.hrtime.bigint() - before) / 1e9
  const cpu = process.cpuUsage(cpuBefore)
  return { cpu: (cpu.user + cpu.system) / 1e6, wall }
}

/** @returns {SearchTask} */
function searchTask(fields) {
  const chosen = numbers(fields)
  const { dimension } = options
  const matrix = new Float32Array(chosen.length * dimension)
  chosen.forEach((number, i) => {
    matrix.set(queryMatrix.subarray(number * dimension, (number + 1) * dimension), i * dimension)
  })
  const k = Number(fields.k)
  return {
    queries: Array.from(chosen, number => queryViews[number]),
    matrix,
    k,
    ef: Number(fields.ef),
    repeat: Number(fields.repeat),
    filter: fields.allowed ? filterFrom(fields.allowed) : undefined,
    found: new Uint32Array(chosen.length * k).fill(maxId),
  }
}

function filterFrom(path) {
  if (!filters.has(path)) filters.set(path, engine.filter(integers(readFileSync(path))))
  return filters.get(path)
}

/** The numbers that a command is about: a file of them, or a range. */
function numbers(fields) {
  if (fields.rows) return integers(readFileSync(fields.rows))
  return Uint32Array.from({ length: Number(fields.count) }, (_, i) => Number(fields.first) + i)
}

function readRows(file, rows, bytes, rowBytes) {
  let start = 0
  while (start < rows.length) {
    let end = start + 1
    while (end < rows.length && rows[end] === rows[end - 1] + 1) end++
    const length = (end - start) * rowBytes
    const got = readSync(file, bytes, start * rowBytes, length, rows[start] * rowBytes)
    if (got !== length) throw new Error(`row ${rows[start]} is not in the base file`)
    start = end
  }
}

function floats(buffer) {
  return new Float32Array(buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.length))
}

function integers(buffer) {
  return new Uint32Array(buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.length))
}

/** Anonymous memory in RAM, without mapped files; the whole resident set where the system does not tell them apart. */
function anonymousBytes() {
  globalThis.gc?.()
  try {
    return Number(/RssAnon:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024
  } catch {
    return process.memoryUsage.rss()
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { verb, fields } = parseLine(line)
  try {
    const reply = await verbs[verb](fields)
    process.stdout.write(`${formatLine('ok', reply)}\n`)
  } catch (error) {
    process.stdout.write(`error ${String(error?.stack ?? error).replaceAll('\n', ' ↵ ')}\n`)
  }
}
process.exit(0)
