// Writes to two collections of a folder until it is killed: `node write-until-killed.mjs <folder> <seed>`. Prints each
// write before it begins, as JSON: [number, ids that are put into both, ids that are deleted]; and 'done' once it has resolved.
import { writeSync } from 'node:fs'
import process from 'node:process'
import { Database } from 'vitrine'

const [, , folder, seed] = process.argv
const db = await Database.open(folder, { name: 'killed' })
const a = await db.createCollection('a', { dimension: 4 })
await db.createCollection('b', { dimension: 4, metric: 'cosine' })
let state = Number(seed) + 1
const random = limit => {
  state = (state * 48271) % 2147483647
  return state % limit
}

let next = (await a.count()) === 0 ? 0 : (await a.get('next')).payload.next
const write = async () => {
  const number = next++
  const put = Array.from({ length: 1 + random(4) }, () => random(50))
  const gone = random(3) === 0 ? [random(50)] : []
  writeSync(1, `${JSON.stringify([number, put, gone])}\n`)
  const points = put.map(id => ({ id, vector: [number, id, 1, 1], payload: { number } }))
  await db.transaction(tx => {
    for (const name of ['a', 'b']) {
      tx.collection(name).upsert(points)
      tx.collection(name).delete(gone)
    }
    tx.collection('a').upsert([{ id: 'next', vector: [0, 0, 0, 1], payload: { next } }])
  })
  writeSync(1, 'done\n')
}
for (;;) {
  await write()
  if (random(40) === 0) await db.checkpoint()
}
