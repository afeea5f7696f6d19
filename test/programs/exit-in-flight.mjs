// Ends the process in the way that the first argument names, with operations pending.

import process from 'node:process'
import { Worker } from 'node:worker_threads'
import { Index } from 'vitrine'

const [way, delay] = process.argv.slice(2)
const dimension = 32
const vectors = new Float32Array(4000 * dimension).map(() => Math.random())
const index = new Index({ dimension })
// Its searches are repeated behind everything else.
index.enableStats({ recallSampleRate: 1 })

const ways = {
  exit: () => process.exit(7),
  throw: () => {
    throw new Error('uncaught')
  },
  reject: () => void Promise.reject(new Error('unhandled')),
  sigterm: () => process.kill(process.pid, 'SIGTERM'),
  sigint: () => process.kill(process.pid, 'SIGINT'),
  'exit in onProgress': () => undefined,
  'exit in a worker': () => {
    const worker = new Worker(
      `const { Index } = require('vitrine')
       const index = new Index({ dimension: 8 })
       for (let i = 0; i < 64; i++) void index.add(null, new Float32Array(800))
       setTimeout(() => process.exit(3), ${delay})`,
      { eval: true },
    )
    worker.on('exit', code => process.exit(code + 4))
  },
}

for (let i = 0; i < 64; i++) {
  if (i % 4 === 0) {
    void index.add(null, vectors, {
      onProgress: () => {
        if (way === 'exit in onProgress') process.exit(7)
      },
    })
  } else if (i % 4 === 1) void index.searchBatch(vectors, { k: 10 })
  else void index.search(vectors.subarray(0, dimension), { k: 10 })
}
setTimeout(ways[way], Number(delay))
