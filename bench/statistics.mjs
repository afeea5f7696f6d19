/** The arithmetic of the benchmark: order statistics and what lies between two rungs of a recall ladder. */

/** @param {Iterable<number>} values */
export function median(values) {
  return quantile(values, 0.5)
}

/**
 * Linear between the two nearest ranks; NaN of nothing.
 * @param {Iterable<number>} values
 * @param {number} q - 0 to 1
 */
export function quantile(values, q) {
  const sorted = Float64Array.from(values).sort()
  if (sorted.length === 0) return Number.NaN
  const at = q * (sorted.length - 1)
  const low = Math.floor(at)
  const high = Math.ceil(at)
  return sorted[low] + (sorted[high] - sorted[low]) * (at - low)
}

/**
 * @typedef {object} Rung - One setting of an engine.
 * @property {number} ef
 * @property {number} recall
 * @property {number} rate - Queries a second.
 */

/**
 * The rate at which a ladder reaches a recall: between the last rung below it and the first at or above it, logarithmic in the rate
 * and in the share that is missed. A ladder that begins above the target gives the rate of its first rung.
 * @param {readonly Rung[]} ladder - By ascending ef.
 * @param {number} target
 * @returns {number | undefined} Undefined when no rung reaches the target.
 */
export function rateAtRecall(ladder, target) {
  const reached = ladder.findIndex(rung => rung.recall >= target)
  if (reached === -1) return undefined
  if (reached === 0) return ladder[0].rate
  const [below, above] = [ladder[reached - 1], ladder[reached]]
  const [low, high, wanted] = [below.recall, above.recall, target].map(missedLog)
  const share = low === high ? 1 : (wanted - low) / (high - low)
  return Math.exp(Math.log(below.rate) + share * (Math.log(above.rate) - Math.log(below.rate)))
}

/** The recall that a ladder has at a rate, between rungs linear in log rate; undefined outside of the ladder. */
export function recallAtRate(ladder, rate) {
  for (let i = 1; i < ladder.length; i++) {
    const [slower, faster] = [ladder[i], ladder[i - 1]]
    if (rate <= faster.rate && rate >= slower.rate) {
      const span = Math.log(faster.rate) - Math.log(slower.rate)
      const share = span === 0 ? 0 : (Math.log(faster.rate) - Math.log(rate)) / span
      return faster.recall + share * (slower.recall - faster.recall)
    }
  }
  return undefined
}

/** A perfect recall counts as one miss in ten million, so that it has a place on the axis. */
function missedLog(recall) {
  return Math.log(Math.max(1 - recall, 1e-7))
}
