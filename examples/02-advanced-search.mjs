// Filters as objects and as SQL, a plan, a recommendation, and a walk over everything that matches.
import { Database } from 'vitrine'

const dimension = 16
const languages = ['en', 'de', 'fr']
const vectorOf = seed =>
  Float32Array.from({ length: dimension }, (_, i) => Math.sin(seed * (i + 1)))

const db = await Database.open(':memory:')
try {
  const books = await db.createCollection('books', {
    dimension,
    metric: 'cosine',
    fields: { lang: 'keyword', tags: 'keyword[]', year: 'integer', price: 'number', at: 'date' },
  })
  await books.upsert(
    Array.from({ length: 5000 }, (_, id) => ({
      id,
      vector: vectorOf(id),
      payload: {
        title: `book ${id}`,
        lang: languages[id % 3],
        tags: id % 7 === 0 ? ['rare', 'old'] : ['new'],
        year: 1950 + (id % 75),
        price: (id % 400) / 10,
        at: new Date(Date.UTC(2024, 0, 1 + (id % 365))),
      },
    })),
  )

  const where = { lang: 'en', year: { $gte: 2000 }, $or: [{ tags: 'rare' }, { price: { $lt: 5 } }] }
  const hits = await books.search(vectorOf(0.5), { k: 3, where })
  for (const { payload } of hits) console.log(payload.title, payload.lang, payload.year)

  const sql = "lang = 'en' AND year >= ? AND (tags IN ('rare') OR price < 5)"
  console.log(
    'matches',
    await books.count({ where }),
    await books.count({ where: sql, params: [2000] }),
  )

  const { plan } = await books.analyze(vectorOf(0.5), { k: 3, where })
  console.log(plan.kind, 'expected', plan.estimatedShare.toFixed(3), 'found', plan.share.toFixed(3))

  const liked = hits.map(hit => hit.id)
  const alike = await books.recommend({
    positive: liked,
    negative: [1],
    k: 2,
    where: { lang: 'en' },
  })
  console.log(
    'recommended',
    alike.length,
    alike.some(hit => liked.includes(hit.id)),
  )

  const january = { at: { $lt: new Date('2024-02-01') } }
  let sum = 0
  for await (const { payload } of books.scan({ where: january })) sum += payload.price
  console.log('of January', await books.count({ where: january }), sum.toFixed(1))

  await books.addField('title', 'keyword')
  console.log('by title', await books.count({ where: { title: 'book 17' } }))
} finally {
  await db.close()
}
