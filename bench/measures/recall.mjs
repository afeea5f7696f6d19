/**
 * Searches that ask for a recall instead of a beam width: what the set's own queries, of which the index knows nothing, get of it. First
 * as the index has measured itself, in a batch, which waits for that; then one query a call for a while, in which the index checks some
 * of them and corrects itself.
 */
export const recallTargets = [0.95, 0.99]

/** Wall seconds of searches after which the correction is looked at. */
const seconds = 8

/**
 * @typedef {object} RecallResult
 * @property {string} engine
 * @property {number} target
 * @property {number} calibrated - Recall of all queries before any of them was checked.
 * @property {number} corrected - And after some were.
 * @property {number} rate - Queries per CPU second then, one query a call, checks included.
 * @property {number} first - Wall seconds of the first batch, which waits for the measurement; 0 for later targets.
 */

/**
 * @param {import('../arena.mjs').Arena} arena
 * @param {import('../arena.mjs').Racer[]} racers
 * @returns {Promise<RecallResult[]>}
 */
export async function measureRecall(arena, racers) {
  const able = racers.filter(racer => racer.contestant.can.has('recall'))
  const results = []
  for (const racer of able) {
    arena.note('searches by recall')
    const rows = await arena.attempt(racer.name, 'recall', () => measureOne(arena, racer))
    if (rows) results.push(...rows)
  }
  return results
}

async function measureOne(arena, racer) {
  const rows = []
  for (const [i, target] of recallTargets.entries()) {
    const batch = await arena.recallAt(racer, { mode: 'batch', ef: target })
    rows.push({
      engine: racer.name,
      target,
      calibrated: batch.recall,
      first: i === 0 ? batch.wall : 0,
    })
  }
  for (const row of rows) {
    const search = { mode: 'into', ef: row.target }
    for (let spent = 0; spent < seconds; ) spent += (await arena.search(racer, search)).wall
    const { recall, cpu } = await arena.recallAt(racer, search)
    Object.assign(row, { corrected: recall, rate: arena.queryCount / cpu })
  }
  return rows
}
