// Starts workers, two at a time, and terminates each at a random moment: while it loads, or with
// operations pending.
//
//   node terminate-workers.mjs COUNT SEED [main]
//
// With `main` this thread uses an index of its own meanwhile; without, the addon comes and goes with
// the workers. Some workers write to a database with which later ones go on; in the end it has every
// write that one of them said is acknowledged. Prints how many were terminated.

import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'

const [count, seed, main] = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'vitrine-terminate-'))
const program = new URL('searching-worker.mjs', import.meta.url)

let state = Number(seed)
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return state / 2 ** 32
}

let mine
let running = true
if (main === 'main') {
  const { Index } = await import('vitrine')
  mine = (async () => {
    const index = new Index({ dimension: 8 })
    const vectors = Float32Array.from({ length: 800 }, random)
    await index.add(null, vectors)
    let searches = 0
    for (; running; searches++) {
      const row = searches % 100
      const { ids } = await index.search(vectors.subarray(row * 8, row * 8 + 8), { k: 1 })
      if (ids[0] !== row) throw new Error(`search ${searches} found ${ids[0]}`)
    }
    await index.close()
    return searches
  })()
}

let terminated = 0
async function lane(number) {
  const acknowledged = new Float64Array(new SharedArrayBuffer(8))
  while (terminated < Number(count)) {
    terminated += 1
    const name = `lane-${number}`
    const writes = random() < 0.2
    const workerData = { folder, name, ...(writes && { acknowledged }) }
    const worker = new Worker(program, { workerData, stdout: true })
    const failed = new Promise((_, reject) => worker.once('error', reject))
    // A third while it loads, the rest while it works.
    const loads = random() < 0.33
    // One at least is told that a write is done, however slow that is.
    if (writes && !loads && acknowledged[0] === 0) {
      await Promise.race([once(worker, 'message'), failed])
    }
    const delay = loads ? random() * 60 : 60 + random() * (writes ? 300 : 120)
    await Promise.race([sleep(delay), failed])
    await Promise.race([worker.terminate(), failed])
  }
  return acknowledged[0]
}
const writes = await Promise.all([lane(0), lane(1)])
running = false
const searches = await mine
const { Database } = await import('vitrine')
let lost = 0
for (const [number, count] of writes.entries()) {
  const db = await Database.open(join(folder, `lane-${number}.db`))
  const points = await db.createCollection('points', { dimension: 1 })
  for (let id = 1; id <= count; id++) if (!(await points.has(id))) lost++
  await db.close()
}
const acknowledged = writes[0] + writes[1]
const files = readdirSync(folder).filter(name => !name.endsWith('.db'))
rmSync(folder, { recursive: true, force: true })
console.log(JSON.stringify({ terminated, searches, acknowledged, lost, files: files.sort() }))
