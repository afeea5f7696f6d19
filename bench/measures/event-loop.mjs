/**
 * How long the event loop is held up while a collection works: 1,000 searches at a time, writes and a checkpoint. Beside it, in the same
 * process: at rest, and with as many busy threads as there are cores, which is what the machine alone does to a timer.
 */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { Database } from 'vitrine'
import { seededRandom } from '../random.mjs'

const dimension = 384
const searchesAtATime = 1000
const writeBatch = 100
/** Milliseconds between two looks, which the histogram counts as delay. */
const resolution = 1

/**
 * @param {object} options
 * @param {string} options.folder
 * @param {number} options.points
 * @param {number} options.seconds
 * @param {(line: string) => void} options.note
 */
export async function measureEventLoop({ folder, points, seconds, note }) {
  note(`event loop, building ${points} x ${dimension}`)
  const next = seededRandom(3)
  const vectors = count => Float32Array.from({ length: count * dimension }, () => next() - 0.5)
  const db = await Database.open(join(folder, 'event-loop'))
  const collection = await db.createCollection('points', { dimension })
  for (let first = 0; first < points; first += 1000) {
    const ids = Array.from({ length: Math.min(1000, points - first) }, (_, i) => first + i)
    await collection.upsert({ ids, vectors: vectors(ids.length) })
  }
  const queries = Array.from({ length: 64 }, () => vectors(1))
  const batches = Array.from({ length: 16 }, () => vectors(writeBatch))

  note('event loop, at rest and beside busy threads')
  const rest = await delaysDuring(() => sleep(seconds * 1000))
  const busy = await delaysDuring(() => beBusy(seconds))
  note('event loop, at work')
  const done = { searches: 0, writes: 0, checkpoints: 0 }
  const work = await delaysDuring(async () => {
    const until = performance.now() + seconds * 1000
    const searching = async i => {
      for (; performance.now() < until; done.searches++) {
        await collection.search(queries[i % queries.length], { k: 10 })
      }
    }
    const writing = async () => {
      for (; performance.now() < until; done.writes++) {
        const first = (done.writes * writeBatch) % points
        const ids = Array.from({ length: writeBatch }, (_, i) => (first + i) % points)
        await collection.upsert({ ids, vectors: batches[done.writes % batches.length] })
      }
    }
    const checkpointing = async () => {
      await db.checkpoint()
      done.checkpoints++
    }
    await Promise.all([
      ...Array.from({ length: searchesAtATime }, (_, i) => searching(i)),
      writing(),
      checkpointing(),
    ])
  })
  await db.close()
  return { points, dimension, seconds, rest, busy, work, ...done }
}

async function delaysDuring(act) {
  const histogram = monitorEventLoopDelay({ resolution })
  await sleep(50)
  histogram.enable()
  await act()
  histogram.disable()
  const delay = nanoseconds => Math.max(0, nanoseconds / 1e9 - resolution / 1e3)
  return {
    p50: delay(histogram.percentile(50)),
    p99: delay(histogram.percentile(99)),
    max: delay(histogram.max),
  }
}

async function beBusy(seconds) {
  const spin =
    'const until = Date.now() + require("node:worker_threads").workerData; while (Date.now() < until);'
  const workers = Array.from(
    { length: availableParallelism() },
    () => new Worker(spin, { eval: true, workerData: seconds * 1000 }),
  )
  await Promise.all(workers.map(worker => new Promise(ended => worker.once('exit', ended))))
}
