// A database in memory: put points, find the nearest, change and remove some.
import { Database } from 'vitrine'

const db = await Database.open(':memory:')
try {
  const cities = await db.createCollection('cities', { dimension: 2 })
  await cities.upsert([
    { id: 'rome', vector: [41.9, 12.5], payload: { name: 'Rome', country: 'Italy' } },
    { id: 'paris', vector: [48.9, 2.4], payload: { name: 'Paris', country: 'France' } },
    { id: 'berlin', vector: [52.5, 13.4], payload: { name: 'Berlin', country: 'Germany' } },
    { id: 7, vector: [52.2, 21.0], payload: { name: 'Warsaw', country: 'Poland' } },
  ])

  const hits = await cities.search([50, 14], { k: 2 })
  for (const { payload, distance } of hits) {
    console.log(`${payload.name}, ${Math.sqrt(distance).toFixed(1)} degrees away`)
  }

  await cities.update('berlin', { rivers: ['Spree', 'Havel'] })
  console.log(await cities.get('berlin', { select: ['payload', 'vector'] }))

  const { deleted } = await cities.delete([7, 'atlantis'])
  console.log(`${deleted} deleted, ${await cities.count()} left`)

  for await (const { id } of cities.scan()) console.log(`there is ${id}`)
} finally {
  await db.close()
}
