// Makes the files of test/golden anew: one folder for each version of the formats, one file of each kind in it, packed.
//
//   node scripts/make-golden.mjs
//
// A release's folder stays for ever: every later one reads it (test/golden.test.ts). As long as the formats are of major 0 they
// promise nothing, and whoever changes them runs this. `before-0.1` is of a version that wrote fewer sections.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync } from 'node:zlib'
import { Database, Index } from '../dist/vitrine.js'
import {
  collectionConfigs,
  goldenFormat,
  indexes,
  lostKey,
  mappedConfig,
  mappedMoved,
  mappedRemoved,
  measuredConfigs,
  measuredFields,
  measuredIds,
  measuredPayload,
  measuredVectors,
  pointsOf,
  typedConfigs,
  vectorsOf,
  vectorsOfType,
} from '../test/golden/contents.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const target = join(root, 'test', 'golden', goldenFormat)
const folder = mkdtempSync(join(tmpdir(), 'vitrine-golden-'))

async function saveIndexes() {
  for (const { name, ids, removed, ...options } of indexes) {
    const index = new Index(options)
    await index.add(ids, vectorsOfType(options.type ?? 'f32', ids.length, options.dimension))
    await index.remove(removed)
    await index.save(join(folder, `${name}.vitrine`))
    await index.close()
  }
}

/** Searches until the recall has been measured, which the first search begins. */
async function measure(searched, dimension) {
  const query = measuredVectors(dimension).subarray(0, dimension)
  const options = { k: 3, recall: 0.9 }
  while (searched.explain(query, options).recall.source === 'default') {
    await searched.search(query, options)
    await sleep(10)
  }
}

async function saveMeasured() {
  for (const [name, options] of Object.entries(measuredConfigs)) {
    const index = new Index(options)
    await index.add(measuredIds, measuredVectors(options.dimension))
    await measure(index, options.dimension)
    await index.save(join(folder, `measured-${name}.vitrine`))
    await index.close()
  }
  const db = await Database.open(join(folder, 'measured'))
  for (const [name, config] of Object.entries(measuredConfigs)) {
    const collection = await db.createCollection(name, { ...config, fields: measuredFields })
    await collection.upsert({
      ids: measuredIds,
      vectors: measuredVectors(config.dimension),
      payloads: measuredIds.map(measuredPayload),
    })
    await measure(collection, config.dimension)
  }
  await db.checkpoint()
  await db.close()
}

/** Vectors in the file of a checkpoint, with writes behind it that take rows of it away and add others. */
async function saveMapped() {
  const db = await Database.open(join(folder, 'mapped'))
  const collection = await db.createCollection('mapped', mappedConfig)
  const vectors = measuredVectors()
  await collection.upsert({ ids: measuredIds, vectors })
  await db.checkpoint()
  await collection.delete(mappedRemoved)
  const moved = vectors.subarray(0, mappedMoved.length * mappedConfig.dimension)
  await collection.upsert({ ids: mappedMoved, vectors: moved })
  await db.close()
}

/** Every collection, with points that were replaced and deleted, and a write with a key. */
async function fill(db) {
  for (const [name, config] of Object.entries(collectionConfigs)) {
    const collection = await db.createCollection(name, config)
    const points = pointsOf(config.dimension)
    await collection.upsert(points.map(point => ({ ...point, payload: { old: true } })))
    await collection.delete(points.slice(0, 2).map(({ id }) => id))
    await collection.upsert(points, { idempotencyKey: `${name} again` })
    await collection.upsert([{ id: lostKey, vector: vectorsOf(1, config.dimension) }])
    await collection.delete([lostKey])
  }
  await db.setAlias('alias', Object.keys(collectionConfigs)[0])
}

async function saveDatabases() {
  // In the log alone.
  const logged = await Database.open(join(folder, 'logged'))
  await fill(logged)
  await logged.close()
  // In checkpoints of two generations, with writes behind them.
  const saved = await Database.open(join(folder, 'saved'))
  await fill(saved)
  await saved.checkpoint()
  const [first, second] = Object.keys(collectionConfigs)
  await saved.collection(first).upsert([{ id: lostKey, vector: vectorsOf(1, 3) }])
  await saved.checkpoint()
  await saved.collection(first).delete([lostKey])
  await saved.collection(second).update(pointsOf(1)[0].id, pointsOf(1)[0].payload)
  await saved.close()
  // Vectors of every other type, half of the points in a checkpoint and half of them in the log.
  const typed = await Database.open(join(folder, 'typed'))
  for (const [name, config] of Object.entries(typedConfigs)) {
    const collection = await typed.createCollection(name, config)
    await collection.upsert(pointsOf(config.dimension, config.type).slice(0, 4))
  }
  await typed.checkpoint()
  for (const [name, { dimension, type }] of Object.entries(typedConfigs)) {
    await typed.collection(name).upsert(pointsOf(dimension, type).slice(4))
  }
  await typed.close()
  // As a backup has it, and as it is when nothing is in it.
  const copied = await Database.open(join(folder, 'saved'))
  await copied.backup(join(folder, 'backup'))
  await copied.close()
  await (await Database.open(join(folder, 'empty'))).close()
}

try {
  await saveIndexes()
  await saveDatabases()
  await saveMeasured()
  await saveMapped()
  rmSync(target, { recursive: true, force: true })
  let bytes = 0
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name === 'LOCK') continue
    const path = join(entry.parentPath, entry.name)
    const packed = brotliCompressSync(readFileSync(path))
    const to = join(target, `${path.slice(folder.length + 1)}.br`)
    mkdirSync(dirname(to), { recursive: true })
    writeFileSync(to, packed)
    bytes += packed.length
  }
  console.log(`${target}: ${bytes} bytes`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
