/** What an index takes: growth of the process's anonymous memory since before it was made, and what the engine says itself. */

const componentBytes = { f32: 4, f16: 2, bf16: 2, i8: 1, u8: 1 }

/**
 * @param {import('../arena.mjs').Arena} arena
 * @param {import('../arena.mjs').Racer[]} racers
 */
export async function measureMemory(arena, racers) {
  const components = arena.rows * arena.dataset.dimension
  const results = []
  for (const racer of racers) {
    const reply = await arena.attempt(racer.name, 'memory', () => racer.process.request('memory'))
    if (!reply) continue
    const vectors = components * (racer.name === 'vitrine' ? componentBytes[arena.type] : 4)
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
