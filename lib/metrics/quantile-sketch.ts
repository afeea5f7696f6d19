// Quantiles of any number of observations in bounded memory, each within a hundredth of what it is: observations are counted in buckets that
// grow by a constant factor (Masson, Rim, Lee: DDSketch, VLDB 2019).

const accuracy = 0.01
const growth = (1 + accuracy) / (1 - accuracy)
const logGrowth = Math.log(growth)
/** Nearer to zero, or further from it, makes no difference any more; some 2,400 buckets lie between. */
const least = 1e-9
const most = 1e12

export class QuantileSketch {
  /** Observations by bucket: of ones above zero, and of ones below. */
  readonly #above = new Map<number, number>()
  readonly #below = new Map<number, number>()
  #zeros = 0
  count = 0
  sum = 0

  /** @param value - Finite. */
  record(value: number): void {
    this.count++
    this.sum += value
    const size = Math.abs(value)
    if (size < least) {
      this.#zeros++
      return
    }
    const bucket = Math.ceil(Math.log(Math.min(size, most)) / logGrowth)
    const buckets = value > 0 ? this.#above : this.#below
    buckets.set(bucket, (buckets.get(bucket) ?? 0) + 1)
  }

  /** The observations that the shares `shares` of all are at most; of none NaN. */
  quantiles(shares: readonly number[]): number[] {
    const buckets = this.#ascending()
    return shares.map(share => {
      const rank = share * (this.count - 1)
      let before = 0
      for (const { value, count } of buckets) {
        before += count
        if (before > rank) return value
      }
      return buckets.at(-1)?.value ?? Number.NaN
    })
  }

  #ascending(): { value: number; count: number }[] {
    // The middle of a bucket, as far from both ends in proportion.
    const middle = (bucket: number) => (2 * growth ** bucket) / (1 + growth)
    const of = (buckets: ReadonlyMap<number, number>, sign: number) =>
      [...buckets]
        .sort(([a], [b]) => sign * (a - b))
        .map(([bucket, count]) => ({ value: sign * middle(bucket), count }))
    const zeros = this.#zeros > 0 ? [{ value: 0, count: this.#zeros }] : []
    return [...of(this.#below, -1), ...zeros, ...of(this.#above, 1)]
  }
}
