// A15: linearizability. 8 clients put, delete and read the points of a collection; each point's history must be one that a single
// register could have. And readers see the sum that every transfer between points keeps.
import { Database } from '../../dist/vitrine.js'
import { randomOfRun, require } from './random.mjs'

const histories = Number(process.argv[2] ?? 200)
const operations = 500
const clients = 8
const keys = 12
const { below } = randomOfRun()

/** Records what each client asked and was told, with the order of calls and answers. */
async function record(collection) {
  const history = new Map(Array.from({ length: keys }, (_, key) => [key, []]))
  let clock = 0
  let value = 0
  let left = operations
  const client = async () => {
    while (left-- > 0) {
      const key = below(keys)
      const operation = { kind: ['put', 'read', 'read', 'delete'][below(4)], called: clock++ }
      if (operation.kind === 'put') {
        operation.value = ++value
        await collection.upsert([{ id: key, vector: [1], payload: { value } }])
      } else if (operation.kind === 'delete') {
        operation.deleted = (await collection.delete([key])).deleted
      } else {
        operation.value = (await collection.get(key))?.payload.value ?? 0
      }
      operation.answered = clock++
      history.get(key).push(operation)
      if (below(4) === 0) await new Promise(setImmediate)
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  return history
}

/** The value after an operation on a register of `value` (0: nothing there), or undefined where its answer is impossible. */
function applied(operation, value) {
  if (operation.kind === 'put') return operation.value
  if (operation.kind === 'read') return operation.value === value ? value : undefined
  return operation.deleted === (value === 0 ? 0 : 1) ? 0 : undefined
}

/** Wing and Gong: tries every operation that may come next, and remembers where that led to nothing. */
function isLinearizable(history) {
  const seen = new Set()
  const search = (left, value) => {
    if (left.length === 0) return true
    const state = `${value}:${left.map(({ called }) => called).join()}`
    if (seen.has(state)) return false
    seen.add(state)
    const firstAnswer = Math.min(...left.map(({ answered }) => answered))
    return left.some((operation, i) => {
      if (operation.called > firstAnswer) return false
      const next = applied(operation, value)
      return next !== undefined && search(left.toSpliced(i, 1), next)
    })
  }
  return search(
    history.toSorted((a, b) => a.called - b.called),
    0,
  )
}

async function checkSums(db) {
  const accounts = await db.createCollection('accounts', { dimension: 1 })
  const ids = Array.from({ length: 10 }, (_, id) => id)
  await accounts.upsert(ids.map(id => ({ id, vector: [1], payload: { amount: 100 } })))
  let reads = 0
  let transfers = 0
  let running = true
  const transfer = async () => {
    for (; transfers < 2000; transfers++) {
      const [from, to] = [below(10), below(10)]
      if (from === to) continue
      const points = await accounts.getMany([from, to])
      const [left, right] = points.map(point => point.payload.amount)
      await accounts.upsert([
        { id: from, vector: [1], payload: { amount: left - 1 } },
        { id: to, vector: [1], payload: { amount: right + 1 } },
      ])
    }
    running = false
  }
  const read = async () => {
    for (; running; reads++) {
      const points = await accounts.getMany(ids)
      const sum = points.reduce((total, point) => total + point.payload.amount, 0)
      require(sum === 1000, `a reader saw the sum ${sum}`)
      if (reads % 16 === 0) await new Promise(setImmediate)
    }
  }
  await Promise.all([transfer(), ...Array.from({ length: 4 }, read)])
  return { reads, transfers }
}

const db = await Database.open(':memory:')
for (let i = 0; i < histories; i++) {
  const collection = await db.createCollection(`history-${i}`, { dimension: 1 })
  for (const [key, history] of await record(collection)) {
    require(isLinearizable(history), `history ${i} of point ${key} is not linearizable`)
  }
  await db.dropCollection(`history-${i}`)
}
const { reads, transfers } = await checkSums(db)
await db.close()
console.log(
  `A15 histories: ${histories} of ${operations} operations linearizable; ${reads} reads saw the sum of ${transfers} transfers`,
)
