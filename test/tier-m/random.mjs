import { seededRandom } from '../../bench/random.mjs'

/** Random numbers of one run; the seed, VITRINE_SEED or the time, is printed. */
export function randomOfRun() {
  const seed = Number(process.env.VITRINE_SEED ?? Date.now() % 2 ** 31)
  console.log(`VITRINE_SEED=${seed}`)
  const next = seededRandom(seed)
  return {
    next,
    below: limit => Math.floor(next() * limit),
    vectors: (count, dimension) =>
      Float32Array.from({ length: count * dimension }, () => next() - 0.5),
  }
}

/** Ends the run with a failure. @param {boolean} holds */
export function require(holds, what) {
  if (!holds) throw new Error(what)
}
