import type { HistogramSample } from '../statistics.ts'

/** How many observations fell where, in base-2 exponential buckets: those of {@link HistogramSample.exponential}. */
export interface Distribution {
  readonly count: number
  readonly sum: number
  readonly scale: number
  readonly zeroThreshold: number
  readonly zeroCount: number
  readonly offset: number
  readonly counts: readonly number[]
}

/** What is kept of a histogram. */
export function distributionOf({ count, sum, exponential }: HistogramSample): Distribution {
  return { count, sum, ...exponential }
}

/** All observations of both, which have the same scale: all of ours do. */
export function merged(a: Distribution | undefined, b: Distribution): Distribution {
  if (a === undefined || a.counts.length === 0) return withoutBuckets(a, b)
  if (b.counts.length === 0) return withoutBuckets(b, a)
  const offset = Math.min(a.offset, b.offset)
  const end = Math.max(a.offset + a.counts.length, b.offset + b.counts.length)
  const counts = Array.from({ length: end - offset }, (_, i) => {
    const index = offset + i
    return (a.counts[index - a.offset] ?? 0) + (b.counts[index - b.offset] ?? 0)
  })
  return { ...totals(a, b), offset, counts }
}

/** @param bare - Has no buckets but that of zero. */
function withoutBuckets(bare: Distribution | undefined, other: Distribution): Distribution {
  return bare === undefined ? other : { ...other, ...totals(bare, other) }
}

function totals(a: Distribution, b: Distribution) {
  return {
    scale: a.scale,
    zeroThreshold: a.zeroThreshold,
    count: a.count + b.count,
    sum: a.sum + b.sum,
    zeroCount: a.zeroCount + b.zeroCount,
  }
}

/**
 * What a share `q` of the observations do not exceed, between 0 and 1. The bucket is the right one, and of scale 3 no wider than an eleventh
 * of what it holds; within it observations are taken to be spread evenly. Undefined where nothing was observed.
 */
export function quantileOf(distribution: Distribution, q: number): number | undefined {
  const { scale, zeroThreshold, zeroCount, offset, counts } = distribution
  const buckets = [
    { lower: 0, upper: zeroThreshold, count: zeroCount },
    ...counts.map((count, i) => ({
      lower: 2 ** ((offset + i) / 2 ** scale),
      upper: 2 ** ((offset + i + 1) / 2 ** scale),
      count,
    })),
  ]
  // Of the buckets, not `count`: whoever counts meanwhile may have come to one of them before the other.
  const total = buckets.reduce((sum, { count }) => sum + count, 0)
  const rank = Math.max(1, Math.ceil(q * total))
  let below = 0
  for (const { lower, upper, count } of buckets) {
    if (below + count >= rank) return lower + ((rank - below) / count) * (upper - lower)
    below += count
  }
  return undefined
}
