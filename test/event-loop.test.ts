import { describe, expect, it } from 'vitest'
import { Index } from '../lib/vitrine.ts'

/**
 * Most results that `search` gives between two turns of the event loop.
 * @param first - Results that do not count.
 */
async function mostResultsInATurn(
  { all, atATime, first = 0 }: { all: number; atATime: number; first?: number },
  search: () => Promise<unknown>,
): Promise<number> {
  const counted = { done: 0, sinceTurn: 0, most: 0 }
  const turn = () => {
    if (counted.done - counted.sinceTurn >= first) {
      counted.most = Math.max(counted.most, counted.sinceTurn)
    }
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
  await Promise.all(Array.from({ length: atATime }, searching))
  return counted.most
}

async function twoPoints(): Promise<Index> {
  const index = new Index({ dimension: 2 })
  await index.add([1, 2], Float32Array.of(0, 1, 1, 0))
  return index
}
const query = Float32Array.of(1, 1)

describe('the event loop', () => {
  it('has its turn after a few results, however many there are', async () => {
    const index = await twoPoints()
    const most = await mostResultsInATurn({ all: 20_000, atATime: 1000 }, () =>
      index.search(query, { k: 1 }),
    )
    expect(most).toBeLessThanOrEqual(64)
    await index.close()
  })

  it('has its turn after fewer results when they are much work', async () => {
    const index = await twoPoints()
    const most = await mostResultsInATurn({ all: 300, atATime: 100, first: 150 }, async () => {
      await index.search(query, { k: 1 })
      const until = performance.now() + 0.5
      while (performance.now() < until);
    })
    expect(most).toBeLessThanOrEqual(4)
    await index.close()
  })
})
