/** What statistics cost a call from JavaScript, and how long a snapshot takes there. */
import { Database, Index } from '../../dist/vitrine.js'
import { seededRandom } from '../random.mjs'
import { median } from '../statistics.mjs'

const dimension = 64
const points = 20_000
const levels = ['off', 'counters', 'sampled', 'histograms']

function setLevel(measured, level) {
  if (level === 'off') measured.disableStats()
  else if (level === 'sampled') measured.enableStats({ recallSampleRate: 0.001 })
  else measured.enableStats({ level })
}

/**
 * @param {object} options
 * @param {number} options.rounds
 */
export async function measureStatsCalls({ rounds }) {
  const random = seededRandom(1)
  const vectors = count => Float32Array.from({ length: count * dimension }, random)
  const index = new Index({ dimension })
  const database = await Database.open(':memory:')
  try {
    await index.add(null, vectors(points))
    const queries = Array.from({ length: 256 }, () => vectors(1))
    const searches = await inTurn(rounds, index, {
      searchInto: () => {
        const out = { ids: new Uint32Array(10), distances: new Float32Array(10) }
        for (const query of queries) index.searchInto(query, out)
      },
      search: async () => {
        for (const query of queries) await index.search(query, { k: 10 })
      },
    })
    for (let i = 0; i < 1000; i++) {
      const collection = await database.createCollection(`c${i}`, { dimension: 4 })
      collection.enableStats()
    }
    database.enableStats()
    return { searches, snapshotOfDatabase: timeOfSnapshot(database) }
  } finally {
    await Promise.all([index.close(), database.close()])
  }
}

/** Seconds a call, by kind and level. */
async function inTurn(rounds, index, kinds) {
  const result = {}
  for (const [kind, run] of Object.entries(kinds)) {
    const times = levels.map(() => [])
    for (let round = -1; round < rounds; round++) {
      const order = levels.map((_, i) => i)
      for (const i of round % 2 === 0 ? order : order.toReversed()) {
        setLevel(index, levels[i])
        const start = performance.now()
        await run()
        // The first round warms up.
        if (round >= 0) times[i].push((performance.now() - start) / 1000 / 256)
      }
    }
    result[kind] = Object.fromEntries(
      levels.map((level, i) => [
        level,
        {
          seconds: median(times[i]),
          ratio: median(times[i].map((time, round) => time / times[0][round])),
        },
      ]),
    )
  }
  index.disableStats()
  return result
}

function timeOfSnapshot(database) {
  const times = Array.from({ length: 31 }, () => {
    const start = performance.now()
    database.statsSnapshot()
    return (performance.now() - start) / 1000
  })
  return median(times)
}
