// A19: scrubbing finds a bit that flipped in a file that nobody reads, 100 times in 100 in one pass, heals it, and no search notices.
import { channel } from 'node:diagnostics_channel'
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Database } from '../../dist/vitrine.js'
import { randomOfRun, require } from './random.mjs'

const plants = 100
const dimension = 32
const { below, vectors } = randomOfRun()
const folder = mkdtempSync(join(tmpdir(), 'vitrine-planted-'))

function flip(path, bit) {
  const file = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  readSync(file, byte, 0, 1, bit >> 3)
  byte[0] ^= 1 << (bit & 7)
  writeSync(file, byte, 0, 1, bit >> 3)
  closeSync(file)
}

/** Milliseconds of searches one after the other while `work` runs; without it, of so many. */
async function timeSearches(collection, work, count = 0) {
  let done = work === undefined
  const ended = Promise.resolve(work).finally(() => {
    done = true
  })
  const times = []
  while (!done || times.length < count) {
    const start = performance.now()
    await collection.search(vectors(1, dimension), { k: 5 })
    times.push(performance.now() - start)
  }
  await ended
  return times
}
const p99 = times => times.sort((a, b) => a - b)[Math.ceil(times.length * 0.99) - 1] ?? 0

let events = 0
channel('vitrine:damage').subscribe(() => events++)
try {
  const db = await Database.open(folder, { scrubBytesPerSecond: 0 })
  const collection = await db.createCollection('points', { dimension })
  for (let round = 0; round < 2; round++) {
    const ids = Array.from({ length: 3000 }, (_, id) => id)
    await collection.upsert({ ids, vectors: vectors(ids.length, dimension) })
    await db.checkpoint()
  }
  const quiet = await timeSearches(collection, undefined, 2000)
  const times = []
  for (let plant = 0; plant < plants; plant++) {
    const files = readdirSync(folder).filter(name => /^(ckpt|manifest)-/.test(name))
    const path = join(folder, files[below(files.length)])
    const bit = below(statSync(path).size * 8)
    flip(path, bit)
    let found
    const scrubbed = db.scrub().then(report => (found = report))
    times.push(...(await timeSearches(collection, scrubbed)))
    require(found.length === 1 && found[0].path === path, `bit ${bit} of ${path} was not found`)
    require(!db.degraded, 'nothing is damaged any more')
  }
  await new Promise(resolve => setImmediate(resolve))
  require(events === plants, `${events} events for ${plants} plants`)
  require((await db.verify()).length === 0, 'everything is whole')
  await db.close()
  const [before, during] = [p99(quiet), p99(times)]
  console.log(
    `A19 planted damage: ${plants} of ${plants} found and healed; search p99 ${during.toFixed(2)} ms, ${before.toFixed(2)} ms without scrubbing`,
  )
  require(during - before <= 5, 'searches stall for more than 5 ms at p99')
} finally {
  rmSync(folder, { recursive: true, force: true })
}
