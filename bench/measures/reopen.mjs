/**
 * Opening a database, beside reading its files from one end to the other, in turn: `cold`, after the system was told to forget them, and `warm`, when it
 * has them in memory. And beside reading them into new memory that keeps them, as a database does in the end: a system gives memory out cleared, page by page.
 */
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Database } from 'vitrine'
import { seededRandom } from '../random.mjs'
import { median } from '../statistics.mjs'

const dimension = 768
const batch = 2000
/** Bytes that are read at a time. */
const piece = 1 << 20

/**
 * @param {object} options
 * @param {string} options.folder
 * @param {number} options.points
 * @param {number} options.rounds
 * @param {(line: string) => void} options.note
 */
export async function measureReopen({ folder, points, rounds, note }) {
  note(`reopen, building ${points} x ${dimension}`)
  const path = join(folder, 'reopen')
  await fill(path, points)
  const times = {
    cold: { read: [], keep: [], open: [], search: [] },
    warm: { read: [], keep: [], open: [], search: [] },
  }
  let canForget = true
  for (let round = 0; round < rounds; round++) {
    note(`reopen, round ${round + 1}`)
    canForget &&= forget(path)
    times.cold.read.push(secondsToRead(path))
    canForget &&= forget(path)
    times.cold.keep.push(await secondsToKeep(path))
    canForget &&= forget(path)
    await timeOpening(path, points, times.cold)
    times.warm.read.push(secondsToRead(path))
    times.warm.keep.push(await secondsToKeep(path))
    await timeOpening(path, points, times.warm)
  }
  const bytes = filesOf(path).reduce((sum, file) => sum + statSync(file).size, 0)
  const ratio = (seconds, others) => median(seconds.map((one, round) => one / others[round]))
  const results = Object.entries(times).map(([cache, { read, keep, open, search }]) => ({
    cache,
    read: median(read),
    keep: median(keep),
    open: median(open),
    search: median(search),
    ratio: ratio(open, read),
    ratioOfKeep: ratio(open, keep),
  }))
  return { points, dimension, bytes, times: canForget ? results : results.slice(1) }
}

/** Lets the system drop a database's files from memory. @returns Whether it did. */
function forget(path) {
  return filesOf(path).every(file => {
    const words = [
      `of=${file}`,
      'oflag=nocache',
      'conv=notrunc,fdatasync',
      'count=0',
      'status=none',
    ]
    return spawnSync('dd', words).status === 0
  })
}

async function fill(path, points) {
  const next = seededRandom(7)
  const db = await Database.open(path, { durability: 'none' })
  const collection = await db.createCollection('points', { dimension, m: 16, efConstruction: 100 })
  for (let first = 0; first < points; first += batch) {
    const ids = Array.from({ length: Math.min(batch, points - first) }, (_, i) => first + i)
    const vectors = Float32Array.from({ length: ids.length * dimension }, () => next() - 0.5)
    await collection.upsert({ ids, vectors, payloads: ids.map(id => ({ id, text: 'payload' })) })
  }
  await db.close()
}

/** How long opening takes, and then the first search, which brings what it needs. */
async function timeOpening(path, points, times) {
  const query = new Float32Array(dimension).fill(0.1)
  const start = performance.now()
  const db = await Database.open(path)
  times.open.push((performance.now() - start) / 1000)
  const collection = db.collection('points')
  const searched = performance.now()
  await collection.search(query, { k: 10 })
  times.search.push((performance.now() - searched) / 1000)
  if ((await collection.count()) !== points) throw new Error('points are missing')
  await db.close()
}

// What a database reads when it opens: of two equal generations one.
function filesOf(path) {
  const newest = new Map()
  for (const name of readdirSync(path).sort()) {
    const part = /^ckpt-\d+-(.*)$/.exec(name)?.[1] ?? name
    newest.set(part, join(path, name))
  }
  return [...newest.values()]
}

function secondsToRead(path) {
  const buffer = new Uint8Array(piece)
  return secondsTo(() => {
    for (const file of filesOf(path)) readPieces(file, () => buffer)
  })
}

async function secondsToKeep(path) {
  const kept = []
  const seconds = secondsTo(() => {
    for (const file of filesOf(path)) {
      const bytes = new Uint8Array(statSync(file).size + 1)
      kept.push(bytes)
      readPieces(file, at => bytes.subarray(at, at + piece))
    }
  })
  kept.length = 0
  await collectGarbage()
  return seconds
}

// Otherwise the memory that `keep` took is given back, page by page, while something else is timed.
async function collectGarbage() {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  collect()
  // Threads of V8 give it back.
  await setTimeout(500)
  collect()
}

function secondsTo(act) {
  const start = performance.now()
  act()
  return (performance.now() - start) / 1000
}

/** @param {(at: number) => Uint8Array} placeOf - Where the bytes from there on go. */
function readPieces(file, placeOf) {
  const descriptor = openSync(file)
  for (let at = 0, read = 1; read > 0; at += read) read = readSync(descriptor, placeOf(at))
  closeSync(descriptor)
}
