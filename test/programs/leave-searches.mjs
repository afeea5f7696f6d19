// Begins a hundred searches of the database that it is given, and ends without waiting for them.

import process from 'node:process'
import { workerData } from 'node:worker_threads'
import { Database } from 'vitrine'

const db = await Database.open(workerData)
const points = db.collection('points')
for (let i = 0; i < 100; i++) points.search([1, 1], { k: 1 }).catch(() => undefined)
process.exit(0)
