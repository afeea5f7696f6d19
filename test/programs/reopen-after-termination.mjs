// Opens a database that a worker had open when it was terminated, at once, again and again:
//
//   node reopen-after-termination.mjs ROUNDS
//
// What a terminated worker had open ends beside whatever comes next, and takes the longer the more it holds. Prints how many points
// there were in each round.

import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { Database } from 'vitrine'

const points = 5000
const dimension = 64

async function leaveOpen(path) {
  const db = await Database.open(path)
  const collection = await db.createCollection('points', { dimension })
  const ids = Array.from({ length: points }, (_, i) => i)
  await collection.upsert({ ids, vectors: new Float32Array(points * dimension).fill(1) })
  parentPort.postMessage('open')
  const vector = new Float32Array(dimension)
  for (;;) await Promise.all(ids.slice(0, 64).map(id => collection.upsert([{ id, vector }])))
}

async function openAfter(path) {
  const worker = new Worker(new URL(import.meta.url), { workerData: path })
  await once(worker, 'message')
  await worker.terminate()
  const db = await Database.open(path)
  const count = await db.collection('points').count()
  await db.close()
  return count
}

if (isMainThread) {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-reopen-'))
  const counts = []
  for (let round = 0; round < Number(process.argv[2]); round++) {
    counts.push(await openAfter(join(folder, `${round}.db`)))
  }
  rmSync(folder, { recursive: true, force: true })
  console.log(JSON.stringify(counts))
} else {
  await leaveOpen(workerData)
}
