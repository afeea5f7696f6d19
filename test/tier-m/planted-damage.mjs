// A19: verification finds a bit that flipped in a file that nobody reads, 100 times in 100, while searches go on.
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

/** Flips a bit; the same call takes it back. */
function flip(path, bit) {
  const file = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  readSync(file, byte, 0, 1, bit >> 3)
  byte[0] ^= 1 << (bit & 7)
  writeSync(file, byte, 0, 1, bit >> 3)
  closeSync(file)
}

try {
  const db = await Database.open(folder)
  const collection = await db.createCollection('points', { dimension })
  for (let round = 0; round < 2; round++) {
    const ids = Array.from({ length: 3000 }, (_, id) => id)
    await collection.upsert({ ids, vectors: vectors(ids.length, dimension) })
    await db.checkpoint()
  }
  const files = readdirSync(folder).filter(name => /^(ckpt|manifest)-/.test(name))
  let slowest = 0
  for (let plant = 0; plant < plants; plant++) {
    const path = join(folder, files[below(files.length)])
    const bit = below(statSync(path).size * 8)
    flip(path, bit)
    const verified = db.verify()
    const start = performance.now()
    await collection.search(vectors(1, dimension), { k: 5 })
    slowest = Math.max(slowest, performance.now() - start)
    const damages = await verified
    flip(path, bit)
    require(damages.some(damage => damage.path === path), `bit ${bit} of ${path} was not found`)
  }
  require((await db.verify()).length === 0, 'without damage nothing is found')
  await db.close()
  console.log(
    `A19 planted damage: ${plants} of ${plants} found; slowest search ${slowest.toFixed(1)} ms`,
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}
