// Writes to several collections that are done together or not at all, once each.
import { Database } from 'vitrine'

const db = await Database.open(':memory:')
try {
  const fields = { owner: 'keyword' }
  const accounts = await db.createCollection('accounts', { dimension: 2, fields })
  const journal = await db.createCollection('journal', { dimension: 2, fields })
  const note = (id, owner, text) => ({ id, vector: [1, 0], payload: { owner, text } })
  await accounts.upsert([
    note('a', 'ann', 'first'),
    note('b', 'bob', 'first'),
    note('c', 'bob', 'second'),
  ])

  // Both collections, or none.
  await db.transaction(tx => {
    tx.collection('accounts').delete(['a'])
    tx.collection('journal').insert([note(1, 'ann', 'closed')])
  })
  console.log('after the first', await accounts.count(), await journal.count())

  // One of its writes cannot be done: nothing is.
  const failure = await db
    .transaction(tx => {
      tx.collection('accounts').delete({ where: { owner: 'bob' } })
      tx.collection('journal').insert([note(1, 'bob', 'closed')])
    })
    .catch(error => error)
  console.log(failure.code, failure.details.outcome, await accounts.count())

  // A key makes it safe to try again when nobody knows whether it was done.
  const close = () =>
    db.transaction(
      tx => {
        tx.collection('accounts').delete({ where: { owner: 'bob' } })
        tx.collection('journal').insert([note(2, 'bob', 'closed')])
      },
      { idempotencyKey: 'close bob' },
    )
  const [first, again] = [await close(), await close()]
  console.log('the same', first.lsn === again.lsn, await accounts.count(), await journal.count())
} finally {
  await db.close()
}
