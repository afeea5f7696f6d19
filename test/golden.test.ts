import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Collection, Database, Index, type StoredPoint } from '../lib/vitrine.ts'
import {
  collectionConfigs,
  goldenFormat,
  indexes,
  lostKey,
  mappedConfig,
  mappedPoints,
  measuredConfigs,
  measuredFields,
  measuredIds,
  measuredPayload,
  measuredVectors,
  pointsOf,
  typedConfigs,
  vectorsOf,
  vectorsOfType,
} from './golden/contents.mjs'
import { root } from './layers.ts'

// Files that versions of vitrine have written (scripts/make-golden.mjs) hold what they held.

const golden = join(root, 'test', 'golden')
const formats = readdirSync(golden, { withFileTypes: true })
  .filter(entry => entry.isDirectory())
  .map(entry => entry.name)
// Nothing was kept of codes and of what was measured then, and no vectors stayed in files.
const measuring = formats.filter(format => format !== 'before-0.1')
type MeasuredConfig = (typeof measuredConfigs)[keyof typeof measuredConfigs]
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vitrine-golden-'))
  for (const entry of readdirSync(golden, { recursive: true, withFileTypes: true })) {
    if (!entry.name.endsWith('.br')) continue
    const path = join(entry.parentPath, entry.name)
    const to = join(folder, path.slice(golden.length, -3))
    mkdirSync(dirname(to), { recursive: true })
    writeFileSync(to, brotliDecompressSync(readFileSync(path)))
  }
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function contents(collection: Collection): Promise<Map<unknown, StoredPoint>> {
  const points = new Map<unknown, StoredPoint>()
  for await (const point of collection.scan({ select: ['payload', 'vector'] })) {
    points.set(point.id, point)
  }
  return points
}

async function expectWhole(db: Database) {
  expect(await db.verify()).toEqual([])
  expect(db.degraded).toBe(false)
  expect(db.aliases()).toEqual({ alias: 'first' })
  expect(db.collections().map(({ name }) => name)).toEqual(Object.keys(collectionConfigs))
  for (const [name, config] of Object.entries(collectionConfigs)) {
    const collection = db.collection(name)
    expect(collection.info()).toMatchObject(config)
    const points = pointsOf(config.dimension)
    expect(await contents(collection)).toEqual(new Map(points.map(point => [point.id, point])))
    expect(await collection.has(lostKey)).toBe(false)
    const query = vectorsOf(1, config.dimension)
    const options = { k: points.length, select: ['vector'] as const }
    const walked = await collection.search(query, options)
    expect(walked).toEqual(await collection.search(query, { ...options, exact: true }))
    expect(walked).toHaveLength(points.length)
  }
}

describe.each(formats)('%s', format => {
  it('is there', () => {
    expect(readdirSync(join(folder, format)).sort()).toEqual(
      [
        ...indexes.map(({ name }) => `${name}.vitrine`),
        'backup',
        'empty',
        'logged',
        'saved',
        'typed',
        ...(measuring.includes(format)
          ? [
              'mapped',
              'measured',
              ...Object.keys(measuredConfigs).map(name => `measured-${name}.vitrine`),
            ]
          : []),
      ].sort(),
    )
  })

  it.each(
    indexes.flatMap(index => [
      { ...index, place: 'memory' as const },
      { ...index, place: 'mmap' as const },
    ]),
  )('holds the index $name, for $place', async ({ name, ids, removed, place, ...options }) => {
    const index = await Index.load(join(folder, format, `${name}.vitrine`), { vectors: place })
    const type = 'type' in options ? options.type : 'f32'
    const vectors = vectorsOfType(type, ids.length, options.dimension)
    const elements = vectors.length / Math.max(ids.length, 1)
    const kept = (ids as (number | bigint)[]).filter(id => !(removed as unknown[]).includes(id))
    expect(Array.from<number | bigint>(index.ids())).toEqual(kept)
    expect([index.dimension, index.metric, index.type]).toEqual([
      options.dimension,
      options.metric,
      type,
    ])
    for (const id of kept) {
      const at = (ids as (number | bigint)[]).indexOf(id) * elements
      const vector = vectors.subarray(at, at + elements)
      expect(index.get([id as number])).toEqual(vector)
      const query = { k: kept.length, ef: 200 }
      const walked = index.searchSync(vector, query)
      expect(walked).toEqual(index.searchSync(vector, { ...query, exact: true }))
    }
    await index.close()
  })

  it.each(['logged', 'saved', 'backup'])('holds the database %s', async name => {
    const path = join(folder, format, name)
    const copy = join(folder, `${format}-${name}`)
    cpSync(path, copy, { recursive: true })
    const db = await Database.open(copy)
    await expectWhole(db)
    // A write with a key that was done is not done again.
    const lsn = db.lastLsn
    const again = await db.collection('third').delete(['a'], { idempotencyKey: 'third again' })
    expect([again.deleted, db.lastLsn]).toEqual([0, lsn])
    await db.checkpoint()
    await db.close()
    const reopened = await Database.open(copy, { readOnly: true })
    await expectWhole(reopened)
    await reopened.close()
  })

  it('holds a database of every other type of vectors', async () => {
    const copy = join(folder, `${format}-typed`)
    cpSync(join(folder, format, 'typed'), copy, { recursive: true })
    const db = await Database.open(copy)
    for (const [name, config] of Object.entries(typedConfigs)) {
      const collection = db.collection(name)
      expect(collection.info()).toMatchObject(config)
      const points = pointsOf(config.dimension, config.type)
      expect(await contents(collection)).toEqual(new Map(points.map(point => [point.id, point])))
    }
    expect(await db.verify()).toEqual([])
    await db.close()
  })

  it('holds a database without anything in it', async () => {
    const db = await Database.open(join(folder, format, 'empty'), { create: false })
    expect([db.collections(), await db.verify(), db.lastLsn]).toEqual([[], [], 0n])
    await db.close()
  })
})

/** The types of a file's sections (docs/formats/index-file.md), of files that have sections. */
function sectionsOf(path: string): number[] {
  const bytes = readFileSync(path)
  if (![1, 4, 5].includes(bytes.readUInt16LE(8))) return []
  const footer = bytes.length - 4096
  const table = Number(bytes.readBigUInt64LE(footer))
  const count = Number(bytes.readBigUInt64LE(footer + 8)) / 56
  return Array.from({ length: count }, (_, i) => bytes.readUInt32LE(table + i * 56))
}

it('has every type of section in the newest format', () => {
  const declared = readFileSync(join(root, 'native/storage/container_format.h'), 'utf8')
  const [, list = ''] = /enum class SectionType[^{]*\{([^}]*)\}/.exec(declared) ?? []
  const types = [...list.matchAll(/ = (\d+),/g)].map(([, type]) => Number(type))
  expect(types.length).toBeGreaterThan(10)
  const files = readdirSync(join(folder, goldenFormat), { recursive: true, withFileTypes: true })
  const found = files
    .filter(entry => entry.isFile())
    .flatMap(entry => sectionsOf(join(entry.parentPath, entry.name)))
  expect([...new Set(found)].sort((a, b) => a - b)).toEqual(types.sort((a, b) => a - b))
})

describe.each(measuring)('%s', format => {
  const vectors = new Map(
    Object.values(measuredConfigs).map(({ dimension }) => [dimension, measuredVectors(dimension)]),
  )
  const vectorOf = (id: number, dimension = mappedConfig.dimension) =>
    vectors.get(dimension)?.subarray(id * dimension, (id + 1) * dimension) ?? []
  const expectMeasured = (searched: Index | Collection, config: MeasuredConfig) => {
    const query = vectorOf(0, config.dimension)
    const { quantization, recall } = searched.explain(query, { k: 3, recall: 0.9 })
    expect([quantization, recall?.source]).toEqual([config.quantization, 'calibrated'])
  }

  it.each(
    Object.entries(measuredConfigs).flatMap(([name, config]) => [
      { name, config, place: 'memory' as const },
      { name, config, place: 'mmap' as const },
    ]),
  )('holds what was measured of the index $name, for $place', async ({ name, config, place }) => {
    const path = join(folder, format, `measured-${name}.vitrine`)
    const index = await Index.load(path, { vectors: place })
    expectMeasured(index, config)
    expect(Array.from(index.ids())).toEqual(measuredIds)
    expect(index.get(measuredIds)).toEqual(measuredVectors(config.dimension))
    for (const id of [0, 300, 700]) {
      const query = vectorOf(id, config.dimension)
      const walked = index.searchSync(query, { k: 10, ef: 500 })
      expect(walked).toEqual(index.searchSync(query, { k: 10, exact: true }))
    }
    await index.close()
  })

  it('holds a collection whose vectors are mapped', async () => {
    const copy = join(folder, `${format}-mapped`)
    cpSync(join(folder, format, 'mapped'), copy, { recursive: true })
    const points = mappedPoints()
    // As it was left, and once its rows have gone over to a file of this version.
    for (const readOnly of [false, true]) {
      const db = await Database.open(copy, { readOnly })
      const collection = db.collection('mapped')
      expect(collection.info()).toMatchObject(mappedConfig)
      const stored = await contents(collection)
      expect(stored.size).toBe(points.size)
      for (const [id, row] of points) expect(stored.get(id)?.vector).toEqual(vectorOf(row))
      for (const id of [0, 300, 700]) {
        const exact = await collection.search(vectorOf(id), { k: 10, exact: true })
        expect(await collection.search(vectorOf(id), { k: 10, ef: 500 })).toEqual(exact)
      }
      expect(await db.verify()).toEqual([])
      if (!readOnly) await db.checkpoint()
      await db.close()
    }
  })

  it('holds what was measured of collections, and their fields', async () => {
    const copy = join(folder, `${format}-measured`)
    cpSync(join(folder, format, 'measured'), copy, { recursive: true })
    const db = await Database.open(copy)
    for (const [name, config] of Object.entries(measuredConfigs)) {
      const collection = db.collection(name)
      expect(collection.info()).toMatchObject({ ...config, fields: measuredFields })
      expectMeasured(collection, config)
      const points = await contents(collection)
      expect(points.size).toBe(measuredIds.length)
      for (const id of measuredIds) {
        const payload = measuredPayload(id)
        const point = { id, vector: vectorOf(id, config.dimension), ...(payload && { payload }) }
        expect(points.get(id)).toEqual(point)
      }
      const where = { at: { $lt: new Date('2024-01-04') }, done: false, tags: 'a' }
      const hits = await collection.search(vectorOf(1, config.dimension), { k: 10, where })
      expect(hits.map(hit => hit.id).sort()).toEqual([100, 200])
      for (const id of [0, 300, 700]) {
        const query = vectorOf(id, config.dimension)
        const walked = await collection.search(query, { k: 10, ef: 500 })
        expect(walked).toEqual(await collection.search(query, { k: 10, exact: true }))
      }
    }
    expect(await db.verify()).toEqual([])
    await db.close()
  })
})
