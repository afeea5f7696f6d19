// What a binary must do on every processor and runtime that it is made for. Plain node:test, so that it runs where vitest does not:
// scripts/test-runtimes.mjs starts it under other Nodes, under emulated processors, and with the kernels of less able ones.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { after, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { Database, engineInfo, Index } from 'vitrine'

const folder = mkdtempSync(join(tmpdir(), 'vitrine-platform-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** Numbers that are the same everywhere. */
function* numbers(seed) {
  let state = seed
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    yield (state >>> 8) / 2 ** 24 - 0.5
  }
}

function matrix(rows, dimension, seed) {
  const source = numbers(seed)
  return Float32Array.from({ length: rows * dimension }, () => source.next().value)
}

/** The distance as its definition says, in f64. */
const reference = {
  l2: (a, b) => a.reduce((sum, x, i) => sum + (x - b[i]) ** 2, 0),
  ip: (a, b) => -a.reduce((sum, x, i) => sum + x * b[i], 0),
  cosine: (a, b) => {
    const dot = (x, y) => x.reduce((sum, value, i) => sum + value * y[i], 0)
    return 1 - dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
  },
}

/** Every remainder of every width of register, and dimensions that people use. */
const dimensions = [
  ...Array.from({ length: 67 }, (_, i) => i + 1),
  ...[96, 100, 128, 300, 768, 784, 1100],
]
const rows = 40

test('the kernels are those that were asked for', () => {
  const { instructionSet } = engineInfo()
  const wanted = process.env.VITRINE_EXPECTED_ISA
  if (wanted) assert.equal(instructionSet, wanted)
  console.log(`${process.arch}, Node ${process.version}, kernels ${instructionSet}`)
})

for (const metric of Object.keys(reference)) {
  test(`distances by ${metric} are right in ${dimensions.length} dimensions`, async () => {
    for (const dimension of dimensions) {
      const vectors = matrix(rows, dimension, dimension)
      const query = matrix(1, dimension, 1000 + dimension)
      const row = i => vectors.subarray(i * dimension, (i + 1) * dimension)
      const index = new Index({ dimension, metric })
      await index.add(
        Uint32Array.from({ length: rows }, (_, i) => i),
        vectors,
      )
      for (const exact of [true, false]) {
        const { ids, distances } = index.searchSync(query, { k: rows, ef: 100, exact })
        assert.equal(new Set(ids).size, rows, `${dimension}: every point once`)
        ids.forEach((id, i) => {
          const right = reference[metric](query, row(id))
          const bound = 1e-5 * Math.max(1, Math.abs(right), dimension / 16)
          assert.ok(
            Math.abs(distances[i] - right) <= bound,
            `${dimension}: ${distances[i]}, ${right}`,
          )
          assert.ok(i === 0 || distances[i - 1] <= distances[i], `${dimension}: in order`)
        })
      }
      await index.close()
    }
  })
}

for (const quantization of ['none', 'sq8', 'rq4']) {
  test(`a walk with quantization ${quantization} finds the neighbours, also after a reload`, async () => {
    const dimension = 96
    const count = 2000
    const vectors = matrix(count, dimension, 7)
    const index = new Index({ dimension, quantization })
    await index.add(
      Uint32Array.from({ length: count }, (_, i) => i),
      vectors,
    )
    const path = join(folder, `${quantization}.vitrine`)
    await index.save(path)
    const copy = await Index.load(path)
    for (const each of [index, copy]) {
      let found = 0
      for (let i = 0; i < 20; i++) {
        const query = matrix(1, dimension, 5000 + i)
        const right = each.searchSync(query, { k: 10, exact: true }).ids
        const walked = each.searchSync(query, { k: 10, ef: 400 }).ids
        found += [...right].filter(id => walked.includes(id)).length
      }
      assert.ok(found >= 190, `recall ${found / 200}`)
      await each.close()
    }
  })
}

test('a database keeps what it was given', async () => {
  const path = join(folder, 'database')
  const first = await Database.open(path)
  const notes = await first.createCollection('notes', { dimension: 3, fields: { lang: 'keyword' } })
  await notes.upsert([
    { id: 'a', vector: [1, 2, 3], payload: { lang: 'en' } },
    { id: 'b', vector: [1, 2, 4], payload: { lang: 'de' } },
  ])
  await first.close()
  const second = await Database.open(path)
  const hits = await second.collection('notes').search([1, 2, 3], { k: 2, where: { lang: 'de' } })
  assert.deepEqual(
    hits.map(({ id }) => id),
    ['b'],
  )
  await second.close()
})

test('four workers search at once, each an index of its own', async () => {
  const program = `
    import { parentPort, workerData } from 'node:worker_threads'
    import { Index } from 'vitrine'
    const index = new Index({ dimension: 8 })
    const vectors = Float32Array.from({ length: 8000 }, (_, i) => (i * 7919 + workerData) % 101)
    await index.add(Uint32Array.from({ length: 1000 }, (_, i) => i + workerData), vectors)
    const { ids } = await index.search(vectors.subarray(0, 8), { k: 1 })
    const batch = await index.searchBatch(vectors, { k: 1 })
    await index.close()
    parentPort.postMessage([ids[0], batch.ids.length])`
  const answers = await Promise.all(
    [0, 1, 2, 3].map(
      workerData =>
        new Promise((resolve, reject) => {
          const worker = new Worker(
            new URL(`data:text/javascript,${encodeURIComponent(resolved(program))}`),
            { workerData },
          )
          worker.once('message', resolve)
          worker.once('error', reject)
        }),
    ),
  )
  answers.forEach(([id, count], worker) => {
    assert.ok(id >= worker && id < 1000 + worker)
    assert.equal(count, 1000)
  })
})

/** A program in a data: URL finds no package by name. */
function resolved(program) {
  return program.replace("'vitrine'", JSON.stringify(import.meta.resolve('vitrine')))
}
