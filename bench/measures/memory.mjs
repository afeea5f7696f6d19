/** What an index takes: growth of the process's anonymous memory since before it was made, and what the engine says itself. */

/**
 * @param {import('../arena.mjs').Arena} arena
 * @param {import('../arena.mjs').Racer[]} racers
 */
export async function measureMemory(arena, racers) {
  const vectors = arena.rows * arena.dataset.dimension * 4
  const results = []
  for (const racer of racers) {
    const reply = await arena.attempt(racer.name, 'memory', () => racer.process.request('memory'))
    if (!reply) continue
    const { resident, ...own } = Object.fromEntries(
      Object.entries(reply).map(([key, value]) => [key, Number(value)]),
    )
    results.push({
      engine: racer.name,
      vectors,
      resident,
      perPointBesidesVectors: (resident - vectors) / arena.rows,
      reported: Object.keys(own).length > 0 ? own : undefined,
    })
  }
  return results
}
