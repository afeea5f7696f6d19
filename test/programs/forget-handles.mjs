// Makes 10,000 indexes, id sets and pending operations that nobody closes, with collections forced
// and not, and prints what that left behind. Needs --expose-gc.

import { readdirSync, readFileSync } from 'node:fs'
import process from 'node:process'
import { setImmediate as turn } from 'node:timers/promises'
import { Index } from 'vitrine'

const dimension = 16
const vector = new Float32Array(dimension).fill(0.5)
const threads = () => Number(/Threads:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1])
const files = () => readdirSync('/proc/self/fd').length
const measure = () => ({ rss: process.memoryUsage.rss(), threads: threads(), files: files() })

let collected = 0
const registry = new FinalizationRegistry(() => {
  collected += 1
})

function closed(error) {
  if (error.code !== 'ERR_CLOSED') throw error
}

async function forget(count) {
  for (let i = 0; i < count; i++) {
    const index = new Index({ dimension })
    registry.register(index)
    const set = index.idSet([1, 2, 3])
    if (i % 3 === 0) await index.add(null, vector)
    else if (i % 3 === 1) index.add([i], vector).catch(closed)
    index.searchSync(vector, { k: 2, filter: set })
    if (i % 5 === 0) index.search(vector, { k: 2, filter: set }).catch(closed)
    if (i % 7 === 0) void index.close()
    if (i % 100 === 0) globalThis.gc()
    if (i % 10 === 0) await turn()
  }
  for (let i = 0; i < 5; i++) {
    globalThis.gc()
    await turn()
  }
}

await forget(2000)
const before = measure()
await forget(8000)
console.log(JSON.stringify({ before, after: measure(), collected }))
