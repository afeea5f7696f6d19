import { describe, VitrineError } from '../errors.ts'
import {
  Measured,
  type MetricFamily,
  type MetricLabels,
  type StatsSnapshot,
} from '../statistics.ts'

/** Indexes, databases and collections whose metrics are wanted. */
export type Sources = Measured | Iterable<Measured>

/** Labels in one text, the same for the same labels. */
export function keyOf(labels: MetricLabels): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : Number(a > b))))
}

/** What a source's series have in common, which tells them from those of others. */
const sourceKey = (source: Measured) => keyOf(Measured.sourceOf(source)!.labels)

/**
 * The sources, which differ in their labels.
 * @param before - Sources that are there already.
 * @throws {VitrineError} `ERR_ARGUMENT` for what has no statistics; `ERR_EXISTS` where two have one name.
 */
export function toSources(sources: unknown, before: Iterable<Measured> = []): readonly Measured[] {
  const given =
    Measured.sourceOf(sources) !== undefined || !isIterable(sources) ? [sources] : [...sources]
  const names = new Set(Array.from(before, sourceKey))
  return given.map(each => {
    if (Measured.sourceOf(each) === undefined) {
      throw new VitrineError(
        'ERR_ARGUMENT',
        `sources must be indexes, databases or collections, not ${describe(each)}`,
      )
    }
    const key = sourceKey(each as Measured)
    if (names.has(key)) {
      const { labels } = Measured.sourceOf(each)!
      const shown = Object.values(labels).join(', ')
      throw new VitrineError('ERR_EXISTS', `two sources are called ${shown}: name them apart`, {
        details: labels,
      })
    }
    names.add(key)
    return each as Measured
  })
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value
}

/** A stats snapshot; undefined of a source that is closed: then its series end. */
export function snapshotOf(source: Measured, since?: StatsSnapshot): StatsSnapshot | undefined {
  try {
    return source.statsSnapshot(since && { since })
  } catch (error) {
    if (VitrineError.is(error) && error.code === 'ERR_CLOSED') return undefined
    throw error
  }
}

/** A family with the samples of all sources, each with the times that its source's snapshot has. */
export interface CollectedFamily {
  readonly family: MetricFamily
  readonly parts: readonly { readonly family: MetricFamily; readonly snapshot: StatsSnapshot }[]
}

/** Of those sources that are open, by family. */
export function collect(sources: Iterable<Measured>): readonly CollectedFamily[] {
  const byName = new Map<
    string,
    { family: MetricFamily; parts: { family: MetricFamily; snapshot: StatsSnapshot }[] }
  >()
  for (const source of sources) {
    const snapshot = snapshotOf(source)
    for (const family of snapshot?.families ?? []) {
      const found = byName.get(family.name)
      const part = { family, snapshot: snapshot! }
      if (found === undefined) byName.set(family.name, { family, parts: [part] })
      else found.parts.push(part)
    }
  }
  return [...byName.values()]
}
