/** Exact search, a full scan a query. */
import { join } from 'node:path'
import { rotated } from '../arena.mjs'
import { median } from '../statistics.mjs'
import { recallOf } from '../truth.mjs'

const rounds = 3
const queries = 100

/**
 * @param {import('../arena.mjs').Arena} arena
 * @param {import('../arena.mjs').Racer[]} racers
 */
export async function measureExact(arena, racers) {
  const count = Math.min(queries, arena.queryCount)
  const out = join(arena.folder, 'exact-found.u32')
  let entries = racers
    .filter(racer => racer.contestant.can.has('exact'))
    .map(racer => ({ racer, cpu: [], wall: [], recall: 0 }))
  for (let round = 0; round < rounds; round++) {
    for (const entry of rotated(entries, round)) {
      const times = await arena.attempt(entry.racer.name, 'exact', () =>
        entry.racer.process.timed('exact', { first: 0, count, k: arena.k, out }),
      )
      if (times) {
        entry.cpu.push(times.cpu)
        entry.wall.push(times.wall)
        entry.recall = recallOf(arena.takeIntegers(out), arena.k, arena.acceptable.slice(0, count))
      } else entries = entries.filter(other => other !== entry)
    }
  }
  return entries.map(({ racer, cpu, wall, recall }) => ({
    engine: racer.name,
    queries: count,
    rate: count / median(cpu),
    wallRate: count / median(wall),
    recall,
  }))
}
