// O-26: more than a million points in one collection: ids, counts, searches, statistics, a checkpoint and reopening.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Database } from '../../dist/vitrine.js'
import { randomOfRun, require } from './random.mjs'

const count = Number(process.argv[2] ?? 1_050_000)
const dimension = 8
const batch = 50_000
const { below, vectors } = randomOfRun()
const folder = mkdtempSync(join(tmpdir(), 'vitrine-million-'))
const seconds = since => ((performance.now() - since) / 1000).toFixed(0)

/** Of points by which they must be found: themselves, at distance 0. */
async function check(collection, known) {
  require((await collection.count()) === count, `${await collection.count()} of ${count} points`)
  require((await collection.count({ where: { group: 7 } })) ===
    count / 50, 'the filter counts wrong')
  let found = 0
  for (const [id, vector] of known) {
    const [hit] = await collection.search(vector, { k: 1, ef: 100 })
    const [filtered] = await collection.search(vector, { k: 1, where: { group: id % 50 } })
    found += (hit.id === id ? 1 : 0) + (filtered.id === id ? 1 : 0)
    require((await collection.get(id)).payload.group ===
      id % 50, `the payload of ${id} is another's`)
  }
  require(found >= known.size * 2 * 0.99, `${found} of ${known.size * 2} points found`)
  return found / known.size / 2
}

/** What was counted meanwhile. */
function checkStats(db, expected) {
  const stats = db.stats()
  for (const [name, value] of Object.entries(expected)) {
    require(stats[name] === value, `${name} is ${stats[name]}, not ${value}`)
  }
  const indexed = db
    .statsSnapshot()
    .families.find(({ name }) => name === 'vitrine_engine_vectors_indexed_total')
  require(indexed.samples[0].value === count, `${indexed.samples[0].value} points were indexed`)
}

try {
  let start = performance.now()
  let db = await Database.open(folder)
  db.enableStats({ level: 'histograms' })
  let points = await db.createCollection('points', {
    dimension,
    m: 8,
    efConstruction: 40,
    fields: { group: 'integer' },
  })
  const known = new Map()
  for (let first = 0; first < count; first += batch) {
    const rows = vectors(batch, dimension)
    const ids = Array.from({ length: batch }, (_, i) => first + i)
    await points.upsert({ ids, vectors: rows, payloads: ids.map(id => ({ group: id % 50 })) })
    const one = below(batch)
    for (const row of [0, one, batch - 1]) {
      known.set(first + row, rows.slice(row * dimension, (row + 1) * dimension))
    }
  }
  const written = seconds(start)
  const recall = await check(points, known)
  checkStats(db, {
    totalVectors: count,
    totalUpserts: count / batch,
    totalSearches: known.size * 2,
    totalErrors: 0,
  })
  const { total } = db.memoryUsage()
  await db.checkpoint()
  await db.close()
  start = performance.now()
  db = await Database.open(folder)
  points = db.collection('points')
  const reopened = seconds(start)
  await check(points, known)
  require((await points.delete([0, count - 1])).deleted === 2, 'the first and the last are there')
  await db.close()
  console.log(
    `O-26 million: ${count} points written in ${written} s, ${(total / count).toFixed(0)} bytes of memory each, self-recall ${recall}, reopened in ${reopened} s`,
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}
