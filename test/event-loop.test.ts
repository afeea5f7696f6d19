import { describe, expect, it } from 'vitest'
import { Index } from '../lib/vitrine.ts'

/** Most results that `search` gives between two turns of the event loop, of 1,000 searches at a time. */
async function mostResultsInATurn(search: () => Promise<unknown>): Promise<number> {
  const all = 20_000
  const counted = { done: 0, sinceTurn: 0, most: 0 }
  const turn = () => {
    counted.most = Math.max(counted.most, counted.sinceTurn)
    counted.sinceTurn = 0
    if (counted.done < all) setImmediate(turn)
  }
  setImmediate(turn)
  const searching = async () => {
    while (counted.done < all) {
      await search()
      counted.done++
      counted.sinceTurn++
    }
  }
  await Promise.all(Array.from({ length: 1000 }, searching))
  return counted.most
}

describe('the event loop', () => {
  it('has its turn after a few results, however many there are', async () => {
    const index = new Index({ dimension: 2 })
    await index.add([1, 2], Float32Array.of(0, 1, 1, 0))
    const query = Float32Array.of(1, 1)
    expect(await mostResultsInATurn(() => index.search(query, { k: 1 }))).toBeLessThanOrEqual(64)
    await index.close()
  })
})
