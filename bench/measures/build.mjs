/** Filling an index, all engines in turn by slices of the data, with one thread and with two, so that a loud minute of the machine meets each of them. */
import { rotated } from '../arena.mjs'

const slices = 20
/** Where the recall of what was built is read off; it is no measure of speed. */
const recallEf = 64

/**
 * @typedef {object} BuildResult
 * @property {string} engine
 * @property {number} threads
 * @property {number} cpu - Seconds.
 * @property {number} wall - Seconds.
 * @property {number} recall - At ef 64.
 */

/**
 * Builds every contestant's index and keeps it.
 * @param {import('../arena.mjs').Arena} arena
 * @param {import('../peers.mjs').Contestant[]} contestants
 * @param {object} options
 * @param {boolean} options.twoCores - Those that can build with two threads do so as well, and that index is let go.
 * @returns {Promise<{ racers: import('../arena.mjs').Racer[], results: BuildResult[] }>}
 */
export async function build(arena, contestants, { twoCores }) {
  const entries = []
  const enter = async (contestant, cores) => {
    const racer = await arena.attempt(contestant.name, 'create', () =>
      arena.enter(contestant, { cores }),
    )
    if (racer) entries.push({ racer, threads: cores.length, cpu: 0, wall: 0 })
  }
  for (const contestant of contestants) {
    await enter(contestant, [arena.core])
    if (twoCores && contestant.can.has('threads')) await enter(contestant, [0, 1])
  }
  const failed = new Set()
  for (let slice = 0; slice < slices; slice++) {
    const first = Math.floor((arena.rows * slice) / slices)
    const count = Math.floor((arena.rows * (slice + 1)) / slices) - first
    for (const entry of rotated(entries, slice)) {
      if (failed.has(entry)) continue
      const times = await arena.attempt(entry.racer.name, 'build', () =>
        entry.racer.process.timed('add', { first, count }),
      )
      if (times) {
        entry.cpu += times.cpu
        entry.wall += times.wall
      } else failed.add(entry)
    }
  }
  for (const entry of entries.filter(({ racer }) => racer.contestant.can.has('finish'))) {
    if (failed.has(entry)) continue
    const times = await arena.attempt(entry.racer.name, 'build', () =>
      entry.racer.process.timed('finish'),
    )
    if (times) {
      entry.cpu += times.cpu
      entry.wall += times.wall
    } else failed.add(entry)
  }
  const racers = []
  const results = []
  for (const entry of entries) {
    const searched = failed.has(entry)
      ? undefined
      : await arena.attempt(entry.racer.name, 'search', () =>
          arena.recallAt(entry.racer, { ef: recallEf }),
        )
    if (searched && entry.threads === 1) racers.push(entry.racer)
    else await entry.racer.process.close()
    if (!searched) continue
    results.push({
      engine: entry.racer.name,
      threads: entry.threads,
      cpu: entry.cpu,
      wall: entry.wall,
      recall: searched.recall,
    })
  }
  return { racers, results }
}
