import type { Clock } from '../lib/metrics/clock.ts'

/** Time that passes when it is told to. */
export class TestClock implements Clock {
  #now = Date.UTC(2026, 0, 31)
  readonly #timers = new Set<{
    readonly milliseconds: number
    readonly tick: () => void
    at: number
  }>()

  now(): number {
    return this.#now
  }

  every(milliseconds: number, tick: () => void): () => void {
    const timer = { milliseconds, tick, at: this.#now + milliseconds }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  get timers(): number {
    return this.#timers.size
  }

  /** Sets the time, as somebody who corrects the system's does. */
  set(now: number): void {
    this.#now = now
  }

  advance(milliseconds: number): void {
    const end = this.#now + milliseconds
    for (;;) {
      const next = [...this.#timers].sort((a, b) => a.at - b.at)[0]
      if (next === undefined || next.at > end) break
      this.#now = Math.max(this.#now, next.at)
      next.at += next.milliseconds
      next.tick()
    }
    this.#now = end
  }
}
