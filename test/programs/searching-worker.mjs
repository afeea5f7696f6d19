// A worker that keeps an index busy in every way, until it is terminated. One that was given `acknowledged` keeps a database busy
// instead, says there which of its writes are done, and 'working' when one is.

import { parentPort, workerData } from 'node:worker_threads'
import { Database, Index } from 'vitrine'

const { folder, name, acknowledged } = workerData

async function writeTo(path) {
  const db = await Database.open(path)
  const points = await db.createCollection('points', { dimension: 1 })
  for (let round = 0; ; round++) {
    const ids = Array.from({ length: 8 }, (_, i) => acknowledged[0] + 1 + i)
    await Promise.all(ids.map(id => points.upsert([{ id, vector: [id] }])))
    acknowledged[0] += ids.length
    if (round === 0) parentPort.postMessage('working')
    void points.search([round], { k: 3 })
    if (round % 10 === 9) await db.checkpoint()
  }
}
if (acknowledged !== undefined) await writeTo(`${folder}/${name}.db`)

const dimension = 16
const vectors = new Float32Array(3000 * dimension).map(() => Math.random())
const query = vectors.slice(0, dimension)

const index = new Index({ dimension, efConstruction: 50 })
index.enableStats({ recallSampleRate: 1 })

for (let round = 0; ; round++) {
  const controller = new AbortController()
  const pending = [
    index.save(`${folder}/${name}`, { signal: controller.signal }),
    index.upsert(
      Uint32Array.from({ length: 3000 }, (_, i) => i),
      vectors,
      { onProgress: () => index.searchSync(query, { k: 3 }) },
    ),
    index.searchBatch(vectors, { k: 10 }),
    ...Array.from({ length: 50 }, () => index.search(query, { k: 10, ef: 100 })),
    index.remove([1, 2, 3]),
  ]
  // One that nobody closes, and one that is closed while it works.
  void new Index({ dimension }).add(null, vectors.slice(0, 50 * dimension))
  const other = new Index({ dimension })
  pending.push(other.add(null, vectors), other.close())
  if (round % 2 === 1) controller.abort()
  await Promise.allSettled(pending)
}
