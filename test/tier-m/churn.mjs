// A16: reachability under churn. All points of a collection are replaced ten times over, by several writers at once; then a search for each
// point's own vector finds it, and searches find as much as in a collection that was built anew.
import { Database } from '../../dist/vitrine.js'
import { randomOfRun, require } from './random.mjs'

const live = Number(process.argv[2] ?? 5000)
const dimension = 24
const batch = 100
const k = 10
const { below, next, vectors } = randomOfRun()

async function recallOf(collection) {
  let found = 0
  const queries = 300
  for (let i = 0; i < queries; i++) {
    const query = vectors(1, dimension)
    const truth = await collection.search(query, { k, exact: true })
    const farthest = truth.at(-1).distance
    found += (await collection.search(query, { k, ef: 64 })).filter(
      hit => hit.distance <= farthest,
    ).length
  }
  return found / (queries * k)
}

const db = await Database.open(':memory:')
const churned = await db.createCollection('churned', { dimension })
const points = new Map()
let replaced = 0
const writer = async () => {
  while (replaced < 10 * live) {
    replaced += batch
    const ids = [...new Set(Array.from({ length: batch }, () => below(live)))]
    const columns = { ids, vectors: vectors(ids.length, dimension) }
    if (next() < 0.3) await churned.delete(ids)
    const write = churned.upsert(columns)
    for (const [i, id] of ids.entries()) {
      points.set(id, columns.vectors.slice(i * dimension, (i + 1) * dimension))
    }
    await write
  }
}
// Each writer has points of its own at any time only by chance: what counts is what the collection says in the end.
await Promise.all(Array.from({ length: 8 }, writer))
const fresh = await db.createCollection('fresh', { dimension })
let lost = 0
let size = 0
for await (const { id, vector } of churned.scan({ select: ['vector'] })) {
  size++
  await fresh.upsert([{ id, vector }])
  const [hit] = await churned.search(vector, { k: 1, ef: 64 })
  if (hit?.distance !== 0) lost++
}
const [after, anew] = [await recallOf(churned), await recallOf(fresh)]
require(lost === 0, `${lost} of ${size} points are not found by their own vectors`)
require(after >= anew - 0.005, `recall ${after} after churn, ${anew} anew`)
await db.close()
console.log(
  `A16 churn: ${replaced} replacements of ${size} points, all found; recall@10 ${after.toFixed(4)}, anew ${anew.toFixed(4)}`,
)
