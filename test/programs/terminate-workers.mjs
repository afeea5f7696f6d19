// Starts workers, two at a time, and terminates each at a random moment: while it loads, or with
// operations pending.
//
//   node terminate-workers.mjs COUNT SEED [main]
//
// With `main` this thread uses an index of its own meanwhile; without, the addon comes and goes with
// the workers. Prints how many were terminated.

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
  while (terminated < Number(count)) {
    terminated += 1
    const name = `lane-${number}`
    const worker = new Worker(program, { workerData: { folder, name }, stdout: true })
    const failed = new Promise((_, reject) => worker.once('error', reject))
    // A third while it loads, the rest while it works.
    const delay = random() < 0.33 ? random() * 60 : 60 + random() * 120
    await Promise.race([sleep(delay), failed])
    await Promise.race([worker.terminate(), failed])
  }
}
await Promise.all([lane(0), lane(1)])
running = false
const searches = await mine
const files = readdirSync(folder)
rmSync(folder, { recursive: true, force: true })
console.log(JSON.stringify({ terminated, searches, files: files.sort() }))
