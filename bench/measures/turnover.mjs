/**
 * What ten full turnovers leave of an index. A third of the base is live; each step removes a twentieth of it and adds as many of the
 * other points: at random, or whole clusters at once. Afterwards the index and a fresh build of the same points climb the same ladder
 * in turn, and every live point is searched for by its own vector.
 */
import { seededRandom } from '../random.mjs'
import { distanceBetween, row } from '../truth.mjs'
import { compareAt, measureSearch, targets } from './search.mjs'

const stepsPerTurnover = 20
const maxLive = 20_000
const clusters = 100
const selfEf = 128
const seed = 20250301

/**
 * @param {import('../arena.mjs').Arena} arena
 * @param {import('../peers.mjs').Contestant[]} contestants
 * @param {object} options
 * @param {number} options.turnovers
 * @param {number} options.rounds
 */
export async function measureTurnover(arena, contestants, { turnovers, rounds }) {
  const able = contestants.filter(contestant => contestant.can.has('remove'))
  const results = []
  for (const kind of ['random', 'clustered']) {
    const plan = planOf(arena, kind, turnovers)
    for (const contestant of able) {
      arena.note(`${turnovers} turnovers, ${kind}, ${contestant.name}`)
      const result = await arena.attempt(contestant.name, `turnover ${kind}`, () =>
        turnOver(arena, contestant, plan, { rounds }),
      )
      if (result) results.push({ engine: contestant.name, kind, turnovers, ...result })
    }
  }
  return results
}

/** The first points, and what each step removes and adds. */
function planOf(arena, kind, turnovers) {
  const random = seededRandom(seed)
  const order = kind === 'random' ? shuffled(arena.rows, random) : clustered(arena, random)
  const liveCount = Math.min(maxLive, Math.floor(arena.rows / 3))
  const live = Array.from(order.subarray(0, liveCount))
  const waiting = Array.from(order.subarray(liveCount))
  const first = Uint32Array.from(live)
  const steps = []
  const width = Math.floor(liveCount / stepsPerTurnover)
  for (let step = 0; step < turnovers * stepsPerTurnover; step++) {
    const removed = kind === 'random' ? drawn(live, width, random) : live.splice(0, width)
    const added = waiting.splice(0, width)
    live.push(...added)
    waiting.push(...removed)
    steps.push({ removed: Uint32Array.from(removed).sort(), added: Uint32Array.from(added).sort() })
  }
  return { first: first.sort(), steps, live: Uint32Array.from(live).sort() }
}

function shuffled(count, random) {
  const order = Uint32Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1))
    const swapped = order[i]
    order[i] = order[other]
    order[other] = swapped
  }
  return order
}

/** The points by the nearest of some of them, so that neighbours leave and come together. */
function clustered(arena, random) {
  const { metric, dimension, base } = arena.dataset
  const centres = Array.from(shuffled(arena.rows, random).subarray(0, clusters), at =>
    row(base.data, at, dimension),
  )
  const cluster = Uint32Array.from({ length: arena.rows }, (_, i) => {
    const point = row(base.data, i, dimension)
    let best = 0
    let nearest = Number.POSITIVE_INFINITY
    centres.forEach((centre, number) => {
      const distance = distanceBetween(metric, centre, point)
      if (distance < nearest) {
        nearest = distance
        best = number
      }
    })
    return best
  })
  return Uint32Array.from({ length: arena.rows }, (_, i) => i).sort(
    (a, b) => cluster[a] - cluster[b],
  )
}

/** Takes so many members out of a list at random. */
function drawn(list, count, random) {
  const taken = []
  for (let i = 0; i < count; i++) {
    const at = Math.floor(random() * list.length)
    taken.push(list[at])
    list[at] = list.at(-1)
    list.pop()
  }
  return taken
}

async function turnOver(arena, contestant, { first, steps, live }, { rounds }) {
  const capacity = first.length + Math.ceil(first.length / stepsPerTurnover)
  const among = arena.among(live)
  const aged = await among.enter(contestant, { capacity, replacing: true })
  const fresh = await among.enter(contestant, { capacity })
  try {
    const rows = numbers => ({ rows: arena.file('rows.u32', numbers) })
    await fresh.process.timed('add', rows(live))
    await aged.process.timed('add', rows(first))
    let cpu = 0
    for (const { removed, added } of steps) {
      cpu += (await aged.process.timed('remove', rows(removed))).cpu
      cpu += (await aged.process.timed('add', rows(added))).cpu
    }
    const named = [
      { ...aged, name: 'aged' },
      { ...fresh, name: 'fresh' },
    ]
    const series = await measureSearch(among, named, {
      rounds,
      reference: 'fresh',
      firstModeOnly: true,
    })
    const [agedSeries, freshSeries] = ['aged', 'fresh'].map(name =>
      series.find(each => each.engine === name),
    )
    return {
      live: live.length,
      cpuPerReplacement: cpu / (steps.length * steps[0].removed.length),
      aged: agedSeries,
      fresh: freshSeries,
      at: Object.fromEntries(
        targets.map(target => [target, compareAt(agedSeries, freshSeries, target)]),
      ),
      lost: {
        aged: await lostPoints(among, aged, live),
        fresh: await lostPoints(among, fresh, live),
      },
    }
  } finally {
    await aged.process.close()
    await fresh.process.close()
  }
}

/** Live points that a wide search for their own vector does not return. */
async function lostPoints(among, racer, live) {
  const { found } = await among.searchFor(racer, {
    ef: selfEf,
    first: among.queryCount,
    count: live.length,
  })
  let lost = 0
  live.forEach((id, i) => {
    if (!found.subarray(i * among.k, (i + 1) * among.k).includes(id)) lost++
  })
  return lost
}
