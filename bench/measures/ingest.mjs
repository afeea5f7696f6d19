/**
 * Writes that are on the device when they resolve, beside better-sqlite3 and beside what the device does at all, in turn.
 *
 * Every point has the same bytes for all: an id, a vector and a payload of some hundred bytes. vitrine links each point into its graph
 * before the write resolves, and SQLite has no index of vectors: `unlinked` is the same write without that.
 */
import { closeSync, fdatasyncSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { rotated } from '../arena.mjs'
import { seededRandom } from '../random.mjs'
import { median } from '../statistics.mjs'

const shapes = [
  { shape: 'one writer', writers: 1, batch: 1 },
  { shape: 'batches of 1,000', writers: 1, batch: 1000 },
  { shape: '64 writers', writers: 64, batch: 1 },
]
const calibrationBytes = 64 << 20

/**
 * @param {object} options
 * @param {string} options.folder - On the device to be measured.
 * @param {number[]} options.dimensions
 * @param {number} options.rounds
 * @param {number} options.seconds - Of one chunk.
 * @param {{ name: string, open: (folder: string, dimension: number) => Promise<any>, writers: number }[]} options.stores
 * @param {(line: string) => void} options.note
 */
export async function measureIngest({ folder, dimensions, rounds, seconds, stores, note }) {
  const results = []
  for (const dimension of dimensions) {
    for (const { shape, writers, batch } of shapes) {
      note(`ingest, ${dimension} components, ${shape}`)
      const work = join(folder, `ingest-${dimension}-${writers}-${batch}`)
      mkdirSync(work)
      const entries = stores
        .filter(store => store.writers >= writers)
        .map(store => ({ name: store.name, open: store.open, rates: [] }))
      const calibration = { name: 'fdatasync', rates: [] }
      for (let round = 0; round < rounds; round++) {
        for (const entry of rotated([...entries, calibration], round)) {
          const path = join(work, `${entry.name}-${round}`)
          entry.rates.push(
            entry === calibration
              ? flushesPerSecond(folder, batch * pointBytes(dimension), seconds)
              : await pointsPerSecond(await entry.open(path, dimension), {
                  dimension,
                  writers,
                  batch,
                  seconds,
                }),
          )
          rmSync(path, { recursive: true, force: true })
        }
      }
      results.push({
        dimension,
        shape,
        writers,
        batch,
        flushes: median(calibration.rates),
        points: Object.fromEntries(entries.map(({ name, rates }) => [name, median(rates)])),
        flushesOfRounds: calibration.rates,
        pointsOfRounds: Object.fromEntries(entries.map(({ name, rates }) => [name, rates])),
      })
    }
  }
  return results
}

const payloadOf = id => ({
  title: `A point with the number ${id}`,
  tags: ['one', 'two'],
  year: 2020,
  text: 'x'.repeat(40),
})
const pointBytes = dimension => 4 * dimension + JSON.stringify(payloadOf(1000)).length + 8

async function pointsPerSecond(store, { dimension, writers, batch, seconds }) {
  const next = seededRandom(dimension)
  const pool = Float32Array.from({ length: (batch + 1000) * dimension }, () => next() - 0.5)
  let written = 0
  let id = 0
  const points = () => {
    const from = (id % 1000) * dimension
    const ids = Array.from({ length: batch }, () => id++)
    return {
      ids,
      vectors: pool.slice(from, from + batch * dimension),
      payloads: ids.map(payloadOf),
    }
  }
  await store.write(points()) // the files are there, and the code is warm
  const start = performance.now()
  const until = start + seconds * 1000
  const work = async () => {
    while (performance.now() < until) {
      await store.write(points())
      written += batch
    }
  }
  await Promise.all(Array.from({ length: writers }, work))
  const spent = (performance.now() - start) / 1000
  if ((await store.count()) !== id) throw new Error('points are missing')
  await store.close()
  return written / spent
}

/** What the device does: as many bytes, written over zeros and flushed. */
function flushesPerSecond(folder, bytes, seconds) {
  const path = join(folder, 'calibration')
  const file = openSync(path, 'w')
  try {
    const size = Math.max(calibrationBytes, 4 * bytes)
    writeSync(file, Buffer.alloc(size))
    fdatasyncSync(file)
    const data = Buffer.alloc(Math.ceil(bytes / 4096) * 4096, 1)
    let flushes = 0
    let at = 0
    const start = performance.now()
    const until = start + seconds * 1000
    while (performance.now() < until) {
      if (at + data.length > size) at = 0
      writeSync(file, data, 0, data.length, at)
      fdatasyncSync(file)
      at += data.length
      flushes++
    }
    return flushes / ((performance.now() - start) / 1000)
  } finally {
    closeSync(file)
    rmSync(path)
  }
}
