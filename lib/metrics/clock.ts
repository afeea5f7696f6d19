import { describe, VitrineError } from '../errors.ts'
import type { Rule } from '../options.ts'

/** Where time comes from, so that it can be somebody else's. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Calls `tick` every so many milliseconds. @returns What ends that. */
  every(milliseconds: number, tick: () => void): () => void
}

/** The system's. Its timers let the process end. */
export const systemClock: Clock = {
  now: () => Date.now(),
  every: (milliseconds, tick) => {
    const timer = setInterval(tick, milliseconds).unref()
    return () => clearInterval(timer)
  },
}

export const clockRule: Rule<Clock> = (value, option) => {
  const clock = value as Clock | null
  if (typeof clock?.now === 'function' && typeof clock.every === 'function') return clock
  throw new VitrineError(
    'ERR_OPTION',
    `${option} must have now and every, not ${describe(value)}`,
    {
      details: { option },
    },
  )
}
