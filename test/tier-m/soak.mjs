// A17, short: upserts, deletes, searches, checkpoints and reopenings for two minutes. Memory, open files, threads and disk do not grow.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { Database } from '../../dist/vitrine.js'
import { randomOfRun, require } from './random.mjs'

const seconds = Number(process.argv[2] ?? 120)
const live = 5000
const dimension = 16
const { below, next, vectors } = randomOfRun()
const folder = mkdtempSync(join(tmpdir(), 'vitrine-soak-'))

let operations = 0
async function work(collection, until) {
  while (performance.now() < until) {
    const ids = Array.from({ length: 50 }, () => below(live))
    const payloads = ids.map(id => ({ id, text: 'x'.repeat(below(100)) }))
    if (next() < 0.2) await collection.delete(ids)
    else await collection.upsert({ ids, vectors: vectors(50, dimension), payloads })
    await Promise.all(ids.map(() => collection.search(vectors(1, dimension), { k: 5 })))
    operations += 100
  }
}

function now() {
  globalThis.gc?.()
  const status = readFileSync('/proc/self/status', 'utf8')
  const { heapTotal, heapUsed } = process.memoryUsage()
  return {
    operations,
    // V8 keeps room for young objects, 8, 16 and at last 32 MiB, and doubles it when it sees fit: what it uses of its heap is told apart.
    native: Number(/VmRSS:\s+(\d+)/.exec(status)[1]) / 1024 - heapTotal / 2 ** 20,
    heap: heapUsed / 2 ** 20,
    files: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
  }
}

/** Megabytes for each million operations, by least squares, and how many standard errors that is from 0. */
function slopeOf(samples, kind) {
  const count = samples.length
  const mean = values => values.reduce((sum, value) => sum + value, 0) / count
  const x = samples.map(sample => sample.operations / 1e6)
  const y = samples.map(sample => sample[kind])
  const [meanX, meanY] = [mean(x), mean(y)]
  const spread = x.reduce((sum, value) => sum + (value - meanX) ** 2, 0)
  const slope = x.reduce((sum, value, i) => sum + (value - meanX) * (y[i] - meanY), 0) / spread
  const rest = y.reduce((sum, value, i) => sum + (value - meanY - slope * (x[i] - meanX)) ** 2, 0)
  return { slope, t: slope / Math.sqrt(rest / Math.max(count - 2, 1) / spread) }
}

function spawnWorker() {
  const module = JSON.stringify(join(import.meta.dirname, '../../dist/vitrine.js'))
  const worker = new Worker(`import(${module})`, { eval: true })
  return new Promise((ended, failed) => worker.once('exit', ended).once('error', failed))
}

try {
  const samples = []
  const start = performance.now()
  let most = 0
  let data = 0
  for (let round = 0; performance.now() - start < seconds * 1000; round++) {
    const db = await Database.open(join(folder, 'db'))
    const collection = await db.createCollection('points', { dimension, m: 8 })
    await work(collection, performance.now() + 2000)
    await db.checkpoint()
    data = Math.max(data, db.diskUsage().checkpoint)
    await work(collection, performance.now() + 500)
    await db.checkpoint()
    most = Math.max(most, db.diskUsage().checkpoint + db.diskUsage().previous)
    await db.close()
    if (round % 4 === 0) await spawnWorker()
    samples.push(now())
  }
  const warm = samples.slice(Math.ceil(samples.length / 3))
  const memory = ['native', 'heap'].map(kind => ({ kind, ...slopeOf(warm, kind) }))
  const [first, last] = [warm[0], warm.at(-1)]
  console.log(
    `A17 soak: ${operations} operations, ${samples.length} reopenings, ` +
      memory
        .map(
          ({ kind, slope, t }) =>
            `${kind} ${last[kind].toFixed(1)} MB and ${slope.toFixed(2)} a million (t ${t.toFixed(1)}), `,
        )
        .join('') +
      `files ${first.files} to ${last.files}, threads ${first.threads} to ${last.threads}, ` +
      `checkpoints at most ${(most / data).toFixed(1)} x one of them`,
  )
  for (const { kind, slope, t } of memory) require(slope <= 1 || t < 2, `${kind} memory grows`)
  require(last.files <= first.files && last.threads <= first.threads, 'files or threads stay')
  require(most <= 3 * data, 'disk grows')
} finally {
  rmSync(folder, { recursive: true, force: true })
}
