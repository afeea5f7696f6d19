/** Saving an index to a file and opening it again, in turn; the opened one must find the same as before. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { rotated } from '../arena.mjs'
import { median } from '../statistics.mjs'

const rounds = 3
const checkEf = 64

/**
 * @param {import('../arena.mjs').Arena} arena
 * @param {import('../arena.mjs').Racer[]} racers
 */
export async function measurePersistence(arena, racers) {
  const entries = racers
    .filter(racer => racer.contestant.can.has('save'))
    .map(racer => ({
      racer,
      path: join(arena.folder, `${racer.name}.index`),
      saves: [],
      opens: [],
    }))
  const failed = new Set()
  const turn = async (entry, verb, samples) => {
    if (failed.has(entry)) return
    const times = await arena.attempt(entry.racer.name, verb, () =>
      entry.racer.process.timed(verb, { path: entry.path }),
    )
    if (times) samples.push(times)
    else failed.add(entry)
  }
  for (const entry of entries) entry.before = await recallNow(arena, entry.racer)
  for (let round = 0; round < rounds; round++) {
    for (const entry of rotated(entries, round)) await turn(entry, 'save', entry.saves)
    for (const entry of rotated(entries, round)) await turn(entry, 'load', entry.opens)
  }
  const results = []
  for (const entry of entries.filter(each => !failed.has(each))) {
    results.push({
      engine: entry.racer.name,
      bytes: arena.sizeOf(entry.path),
      save: medians(entry.saves),
      open: medians(entry.opens),
      recallBefore: entry.before,
      recallAfter: await recallNow(arena, entry.racer),
    })
  }
  for (const { path } of entries) rmSync(path, { force: true })
  return results
}

async function recallNow(arena, racer) {
  return (await arena.attempt(racer.name, 'search', () => arena.recallAt(racer, { ef: checkEf })))
    ?.recall
}

function medians(samples) {
  return {
    cpu: median(samples.map(({ cpu }) => cpu)),
    wall: median(samples.map(({ wall }) => wall)),
  }
}
