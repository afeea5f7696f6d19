const isSanitized = process.env.VITRINE_SANITIZER !== undefined

/**
 * How much there is of a loop of which every round is like the others: a sample, unless all are asked for
 * (VITRINE_EVERY_ROUND=1). With a sanitizer, where everything takes many times as long, always a sample.
 */
export const rounds = (every: number, sample: number): number =>
  process.env.VITRINE_EVERY_ROUND === '1' && !isSanitized ? every : sample

/** How much to do of what is always done: all of it, or a part with a sanitizer. */
export const scaled = (full: number, part: number): number => (isSanitized ? part : full)
