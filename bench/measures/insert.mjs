/** Adding one point a call to the full index. The points are the queries, so this comes after everything that searches. */
import { join } from 'node:path'
import { median, quantile } from '../statistics.mjs'

const points = 500
const slices = 5

/**
 * @param {import('../arena.mjs').Arena} arena
 * @param {import('../arena.mjs').Racer[]} racers
 */
export async function measureInsert(arena, racers) {
  const count = Math.floor(Math.min(points, arena.queryCount) / slices)
  const able = racers.filter(racer => racer.contestant.can.has('insert'))
  const samples = new Map(able.map(racer => [racer, { cpu: 0, seconds: [] }]))
  const out = join(arena.folder, 'insert.f64')
  for (let slice = 0; slice < slices; slice++) {
    for (const [racer, sample] of samples) {
      const times = await arena.attempt(racer.name, 'insert', () =>
        racer.process.timed('insert', { first: slice * count, count, out }),
      )
      if (times) {
        sample.cpu += times.cpu
        sample.seconds.push(...arena.takeDoubles(out))
      } else samples.delete(racer)
    }
  }
  return Array.from(samples, ([racer, { cpu, seconds }]) => ({
    engine: racer.name,
    points: seconds.length,
    cpu: cpu / seconds.length,
    p50: median(seconds),
    p99: quantile(seconds, 0.99),
  }))
}
