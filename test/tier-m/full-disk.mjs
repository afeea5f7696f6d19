// A9: a real full disk. Fills a tmpfs until a write is refused, makes room, goes on and reopens, 20 times: searches never fail, what was
// acknowledged is there, and writes go on. Needs root, to mount.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Database } from '../../dist/vitrine.js'
import { randomOfRun, require } from './random.mjs'

const cycles = 20
const dimension = 64
const { below, vectors } = randomOfRun()
const folder = mkdtempSync(join(tmpdir(), 'vitrine-full-disk-'))
const ballast = join(folder, 'ballast')
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256m', 'tmpfs', folder])

const acknowledged = new Map()
let refused = 0
let searches = 0

async function search(collection) {
  const hits = await collection.search(vectors(1, dimension), { k: 5 })
  require(hits.length === Math.min(5, acknowledged.size), 'a search finds what is there')
  searches++
}

/** Takes all of the disk but `bytes`. The database may take some of it meanwhile, for the next segment of its log. */
function leave(bytes) {
  for (;;) {
    const { bavail, bsize } = statfsSync(folder)
    try {
      writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - bytes)))
      return
    } catch (error) {
      if (error.code !== 'ENOSPC') throw error
      rmSync(ballast)
    }
  }
}

/** Writes until the disk is full; every answer is kept to. */
async function fill(collection) {
  for (let i = 0; i < 5000; i++) {
    const id = below(400)
    const text = 'x'.repeat(20_000 + below(1000))
    try {
      await collection.upsert([{ id, vector: vectors(1, dimension), payload: { text } }])
      acknowledged.set(id, text)
    } catch (error) {
      require(['ERR_IO', 'ERR_TOO_LARGE'].includes(error.code), `${error.code}: ${error.message}`)
      if (error.details.outcome === 'unknown') acknowledged.delete(id)
      await search(collection)
      return true
    }
    if (i % 50 === 0) await search(collection)
  }
  return false
}

async function expectAcknowledged(collection) {
  for (const [id, text] of acknowledged) {
    const point = await collection.get(id)
    require(point?.payload.text === text, `point ${id} is not what was acknowledged`)
  }
}

try {
  let db
  for (let cycle = 0; cycle < cycles; cycle++) {
    db = await Database.open(join(folder, 'db'))
    let collection = await db.createCollection('points', { dimension, m: 4, efConstruction: 20 })
    await expectAcknowledged(collection)
    leave((5 + below(20)) << 20)
    require(await fill(collection), 'the disk was never full')
    refused++
    await expectAcknowledged(collection)
    // Half of the time it is closed while it is full.
    if (cycle % 2 === 0) {
      await db.close().catch(error => require(error.code === 'ERR_IO', error.message))
      db = await Database.open(join(folder, 'db'))
      collection = db.collection('points')
      await expectAcknowledged(collection)
    }
    rmSync(ballast)
    const gone = [...acknowledged.keys()].slice(0, acknowledged.size / 2)
    await collection.delete(gone)
    for (const id of gone) acknowledged.delete(id)
    await db.checkpoint()
    await db.checkpoint()
    await collection.upsert([{ id: 1000, vector: vectors(1, dimension) }])
    await collection.delete([1000])
    require((await db.verify()).length === 0, 'the files are whole')
    await db.close()
  }
  console.log(
    `A9 full disk: ${cycles} cycles, ${refused} refusals, ${searches} searches, none failed`,
  )
} finally {
  execFileSync('umount', ['-l', folder])
  rmdirSync(folder)
}
