/** What is slow where nothing is known yet. */
const usualMs = 100

const cellsPerDoubling = 8
const leastPower = -20
const cells = 40 * cellsPerDoubling
const firstKnown = 128
const betweenLooks = 64
const memory = 8192

/**
 * Some times what the slowest hundredth of the latest queries takes at least, and never below a least duration. Until 128 queries have been seen
 * it is 100 ms. What came long ago counts less and less: all counts are halved each time that they come to 8192.
 */
export class AdaptiveThreshold {
  readonly #minMs: number
  readonly #factor: number
  readonly #counts = new Uint32Array(cells)
  #total = 0
  #untilLook = firstKnown
  #milliseconds: number

  constructor(minMs: number, factor: number) {
    this.#minMs = minMs
    this.#factor = factor
    this.#milliseconds = Math.max(minMs, usualMs)
  }

  /** From here on a query is slow. */
  get milliseconds(): number {
    return this.#milliseconds
  }

  observe(milliseconds: number): void {
    const cell = Math.floor((Math.log2(milliseconds) - leastPower) * cellsPerDoubling)
    this.#counts[Math.min(Math.max(cell, 0), cells - 1)]!++
    this.#total++
    if (--this.#untilLook > 0) return
    this.#untilLook = betweenLooks
    this.#milliseconds = Math.max(this.#minMs, this.#factor * this.#p99())
    if (this.#total >= memory) this.#forget()
  }

  /** The upper edge of its cell: too high by a ninth at most. */
  #p99(): number {
    let above = this.#total / 100
    let cell = cells - 1
    for (; cell > 0; cell--) {
      above -= this.#counts[cell]!
      if (above < 0) break
    }
    return 2 ** ((cell + 1) / cellsPerDoubling + leastPower)
  }

  #forget(): void {
    this.#total = 0
    for (let i = 0; i < cells; i++) {
      this.#counts[i]! >>= 1
      this.#total += this.#counts[i]!
    }
  }
}
