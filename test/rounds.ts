/**
 * How much there is of a loop of which every round is like the others: a sample, unless all are asked for
 * (VITRINE_EVERY_ROUND=1).
 */
export const rounds = (every: number, sample: number): number =>
  process.env.VITRINE_EVERY_ROUND === '1' ? every : sample
