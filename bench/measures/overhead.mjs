/**
 * What a call costs beyond the engine. An index of ten points is searched for ten: the engine's part is ten distances in cache.
 * `call` is the whole of it, an upper bound. `beyondEngine` takes off the same searches made by one call of the engine's batch mode,
 * where there is one; both are CPU seconds a query on one core.
 */
import { rotated } from '../arena.mjs'
import { median } from '../statistics.mjs'

const points = 10
const rounds = 9
/** Few enough to stay in cache, so that reading them is not taken for the cost of a call. */
const queries = 100
const repeats = 400

/**
 * @param {import('../arena.mjs').Arena} arena
 * @param {import('../peers.mjs').Contestant[]} contestants
 */
export async function measureOverhead(arena, contestants) {
  const count = Math.min(queries, arena.queryCount)
  const entries = []
  for (const contestant of contestants) {
    const racer = await arena.attempt(contestant.name, 'overhead', async () => {
      const entered = await arena.enter(contestant, { capacity: points })
      await entered.process.timed('add', { first: 0, count: points })
      return entered
    })
    if (!racer) continue
    for (const mode of contestant.modes) entries.push({ racer, mode, samples: [] })
  }
  const failed = new Set()
  for (let round = 0; round < rounds; round++) {
    for (const { racer, mode, samples } of rotated(entries, round)) {
      if (failed.has(racer)) continue
      const times = await arena.attempt(racer.name, 'overhead', () =>
        arena.search(racer, { mode, ef: points, count, repeat: repeats }),
      )
      if (times) samples.push(times.cpu / (count * repeats))
      else failed.add(racer)
    }
  }
  for (const racer of new Set(entries.map(entry => entry.racer))) await racer.process.close()
  const measured = entries.filter(entry => !failed.has(entry.racer))
  return measured.map(({ racer, mode, samples }) => {
    const batch = measured.find(other => other.racer === racer && other.mode === 'batch')
    const call = median(samples)
    const engine = batch && mode !== 'batch' ? median(batch.samples) : undefined
    return {
      engine: racer.name,
      mode,
      points,
      call,
      beyondEngine: engine === undefined ? undefined : call - engine,
    }
  })
}
