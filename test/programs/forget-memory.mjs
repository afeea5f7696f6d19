// Makes 160 indexes of 2 MB that nobody closes, and prints how many V8 collected of its own accord:
// it must know how much memory an index takes to see the need.

import process from 'node:process'
import { setImmediate as turn } from 'node:timers/promises'
import { Index } from 'vitrine'

const dimension = 65_536
const vectors = new Float32Array(8 * dimension).map((_, i) => i % 777)
let collected = 0
const registry = new FinalizationRegistry(() => {
  collected += 1
})
for (let i = 0; i < 160; i++) {
  const index = new Index({ dimension, m: 2, efConstruction: 4 })
  registry.register(index)
  await index.add(null, vectors)
  await turn()
}
console.log(JSON.stringify({ collected, rss: process.memoryUsage.rss() }))
