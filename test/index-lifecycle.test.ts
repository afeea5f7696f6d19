import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { Index } from '../lib/vitrine.ts'
import { quarantineBytes } from './child-process.ts'
import { scaled } from './rounds.ts'
import { randomVectors, rowOf } from './vectors.ts'

const dimension = 16
/** More than a dozen of the chunks in which writes become visible; half of that with a sanitizer. */
const count = scaled(8000, 4000)
const many = randomVectors(count, dimension, 1)
const newIndex = () => new Index({ dimension, efConstruction: 60 })

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1000
}

describe('close', () => {
  it('refuses what comes after it', async () => {
    const index = new Index({ dimension: 1 })
    await index.add(null, [1])
    const closing = index.close()
    expect(index.closed).toBe(true)
    const refusal = expect.objectContaining({ name: 'VitrineError', code: 'ERR_CLOSED' })
    const out = { ids: new Uint32Array(1), distances: new Float32Array(1) }
    for (const call of [
      () => index.searchSync([0], { k: 1 }),
      () => index.searchInto([0], out),
      () => index.explain([0], { k: 1 }),
      () => index.has(0),
      () => index.get([0]),
      () => index.ids(),
      () => index.reserve(1),
      () => index.idSet([0]),
      () => index.memoryUsage(),
    ]) {
      expect(call).toThrow(refusal)
    }
    for (const promise of [
      index.add(null, [1]),
      index.upsert([0], [1]),
      index.remove([0]),
      index.search([0], { k: 1 }),
      index.searchBatch([0], { k: 1 }),
      index.analyze([0], { k: 1 }),
    ]) {
      await expect(promise).rejects.toEqual(refusal)
    }
    expect(index).toMatchObject({ size: 0, dimension: 1, closed: true })
    await closing
  })

  it('may be called again and at once', async () => {
    const index = new Index({ dimension: 1 })
    await Promise.all([index.close(), index.close(), index[Symbol.asyncDispose]()])
    await index.close()
    expect(index.closed).toBe(true)
  })

  it('ends what is pending with ERR_CLOSED, soon', async () => {
    await using whole = newIndex()
    const secondsOfOne = await secondsOf(() => whole.add(null, many))
    const index = newIndex()
    const writes = [index.add(null, many), index.add(null, many), index.remove([1])]
    const searches = [
      index.search(rowOf(many, dimension, 0), { k: 5 }),
      index.searchBatch(many, { k: 10, exact: true }),
    ]
    const settled = Promise.allSettled([...writes, ...searches])
    // Three writes and a batch are pending.
    expect(await secondsOf(() => index.close())).toBeLessThan(secondsOfOne)
    const results = await settled
    const reasons = results.map(result =>
      result.status === 'rejected' ? result.reason.code : 'fulfilled',
    )
    expect(reasons.slice(0, 3)).toEqual(Array(3).fill('ERR_CLOSED'))
    for (const reason of reasons.slice(3)) expect(['ERR_CLOSED', 'fulfilled']).toContain(reason)
  })

  it('frees the memory of the vectors', async () => {
    const vectors = randomVectors(250, 4096, 1)
    const round = async () => {
      const index = new Index({ dimension: 4096, m: 2, efConstruction: 1 })
      await index.add(null, vectors)
      await index.close()
    }
    for (let i = 0; i < 4; i++) await round()
    const before = process.memoryUsage.rss()
    for (let i = 0; i < 40; i++) await round()
    // 40 indexes of 4 MiB each.
    expect(process.memoryUsage.rss() - before).toBeLessThan(80 * 2 ** 20 + quarantineBytes)
  })
})

describe('a signal', () => {
  it('that is aborted already keeps a call from starting', async () => {
    const index = new Index({ dimension: 1 })
    const reason = new Error('mine')
    const signal = AbortSignal.abort(reason)
    await expect(index.add(null, [1], { signal })).rejects.toBe(reason)
    await expect(index.upsert([1], [1], { signal })).rejects.toBe(reason)
    await expect(index.remove([1], { signal })).rejects.toBe(reason)
    await expect(index.search([1], { k: 1, signal })).rejects.toBe(reason)
    await expect(index.searchBatch([1], { k: 1, signal })).rejects.toBe(reason)
    await expect(index.analyze([1], { k: 1, signal })).rejects.toBe(reason)
    expect(() => index.searchSync([1], { k: 1, signal })).toThrow(reason)
    expect(index.size).toBe(0)
    await index.close()
  })

  it('ends a write between chunks of points, which stay', async () => {
    const index = newIndex()
    const controller = new AbortController()
    const added = index.add(null, many, {
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('enough')),
    })
    await expect(added).rejects.toThrow('enough')
    const { size } = index
    expect(size).toBeGreaterThan(0)
    expect(size).toBeLessThan(count)
    await sleep(50)
    expect(index.size).toBe(size)
    expect(index.get(index.ids())).toEqual(many.subarray(0, size * dimension))
    await index.close()
  })

  it('ends what waits at once, without waiting for what runs', async () => {
    const index = newIndex()
    let firstIsPending = true
    const first = index
      .add(null, many)
      .catch(error => error.code)
      .finally(() => {
        firstIsPending = false
      })
    const controller = new AbortController()
    const second = index.add(null, many, { signal: controller.signal })
    controller.abort()
    await expect(second).rejects.toMatchObject({ name: 'AbortError' })
    expect(firstIsPending).toBe(true)
    await index.close()
    expect(await first).toBe('ERR_CLOSED')
  })

  it('ends a batch of searches, soon, however small the index', async () => {
    const index = newIndex()
    await index.add(null, many.subarray(0, 900 * dimension))
    const queries = randomVectors(100_000, dimension, 2)
    const tenth = queries.subarray(0, 10_000 * dimension)
    for (const exact of [true, false]) {
      const secondsOfTenth = await secondsOf(() => index.searchBatch(tenth, { k: 10, exact }))
      const controller = new AbortController()
      const { signal } = controller
      const batch = index.searchBatch(queries, { k: 10, exact, signal })
      let aborted = 0
      setTimeout(() => {
        aborted = performance.now()
        controller.abort('stop')
      }, 5)
      await expect(batch).rejects.toBe('stop')
      expect((performance.now() - aborted) / 1000).toBeLessThan(5 * secondsOfTenth)
    }
    await index.close()
  })

  it('is not listened to once the call is settled', async () => {
    const index = new Index({ dimension: 1 })
    const controller = new AbortController()
    const { signal } = controller
    let listeners = 0
    const { addEventListener, removeEventListener } = signal
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners += 1
      addEventListener.apply(signal, args)
    }
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners -= 1
      removeEventListener.apply(signal, args)
    }
    await index.add(null, [1], { signal })
    await index.search([1], { k: 1, signal })
    await index.searchBatch([Number.NaN], { k: 1, signal }).catch(() => undefined)
    expect(listeners).toBe(0)
    controller.abort()
    expect(index.size).toBe(1)
    await index.close()
  })

  it('serves any number of calls with one listener', async () => {
    const index = newIndex()
    await index.add(null, many.subarray(0, 100 * dimension))
    const controller = new AbortController()
    const { signal } = controller
    let listeners = 0
    const { addEventListener } = signal
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners += 1
      addEventListener.apply(signal, args)
    }
    const calls = Array.from({ length: 40 }, (_, i) =>
      index.search(rowOf(many, dimension, i), { k: 3, signal }),
    )
    expect(listeners).toBe(1)
    await calls[0]
    const more = index.add(null, many, { signal })
    const results = Promise.allSettled([...calls, more])
    controller.abort('all')
    expect((await results).at(-1)).toEqual({ status: 'rejected', reason: 'all' })
    expect(listeners).toBeLessThanOrEqual(2)
    await index.close()
  })

  it('that does not work is refused', async () => {
    const index = newIndex()
    const broken = () => {
      throw new Error('broken')
    }
    const signal = { aborted: false, addEventListener: broken, removeEventListener: broken }
    await expect(
      index.search(rowOf(many, dimension, 0), { k: 3, signal: signal as never }),
    ).rejects.toMatchObject({
      name: 'VitrineError',
      code: 'ERR_ARGUMENT',
      cause: { message: 'broken' },
    })
    await index.close()
  })

  it('leaves no rejection behind and no memory, however often it is aborted', async () => {
    const index = newIndex()
    await index.add(null, many.subarray(0, 500 * dimension))
    const unhandled: unknown[] = []
    const remember = (reason: unknown) => unhandled.push(reason)
    process.on('unhandledRejection', remember)
    const outcomes = { aborted: 0, done: 0 }
    const most = scaled(4000, 1000)
    const round = async (calls: number) => {
      const query = rowOf(many, dimension, 0)
      const pending = Array.from({ length: calls }, (_, i) => {
        const controller = new AbortController()
        const { signal } = controller
        const call =
          i % 3 === 0
            ? index.search(query, { k: 10, ef: 200, signal })
            : i % 3 === 1
              ? index.remove([1_000_000 + i], { signal })
              : index.searchBatch(query, { k: 10, signal })
        if (i % 2 === 0) controller.abort()
        else setImmediate(() => controller.abort())
        return call.then(
          () => {
            outcomes.done += 1
          },
          error => {
            if (error.name !== 'AbortError') throw error
            outcomes.aborted += 1
          },
        )
      })
      await Promise.all(pending)
    }
    try {
      // Until the young generation has the size that it keeps.
      for (let i = 0; i < 4; i++) await round(most)
      const before = process.memoryUsage.rss()
      for (let i = 0; i < 8; i++) await round(most / 2)
      expect(process.memoryUsage.rss() - before).toBeLessThan(60 * 2 ** 20 + quarantineBytes)
      await sleep(20)
      expect(unhandled).toEqual([])
      expect(outcomes.aborted + outcomes.done).toBe(8 * most)
      // Every call that was aborted while it was pending, at the least.
      expect(outcomes.aborted).toBeGreaterThanOrEqual(4 * most)
    } finally {
      process.off('unhandledRejection', remember)
      await index.close()
    }
  }, 60_000)
})

describe('more calls than can wait', () => {
  it('are refused with ERR_OVERLOADED', async () => {
    const index = new Index({ dimension, m: 64, efConstruction: 16_384 })
    const slow = index.add(null, many).catch(error => error.code)
    const calls = Array.from({ length: 66_000 }, () => index.remove([1_000_000]))
    const refused = await Promise.race(calls.map(call => call.catch(error => error)))
    expect(refused).toMatchObject({ name: 'VitrineError', code: 'ERR_OVERLOADED' })
    await index.close()
    expect(await slow).toBe('ERR_CLOSED')
    const codes = new Set<string>()
    for (const result of await Promise.allSettled(calls)) {
      if (result.status === 'rejected') codes.add(result.reason.code)
    }
    expect([...codes].sort()).toEqual(['ERR_CLOSED', 'ERR_OVERLOADED'])
  }, 60_000)
})

describe('more memory than there is', () => {
  it('is ERR_OUT_OF_MEMORY, and the index goes on', async () => {
    const refusal = expect.objectContaining({ name: 'VitrineError', code: 'ERR_OUT_OF_MEMORY' })
    const huge = 2 ** 30
    expect(() => new Index({ dimension: 65_536, capacity: huge })).toThrow(refusal)
    const index = new Index({ dimension: 65_536 })
    expect(() => index.reserve(huge)).toThrow(refusal)
    await index.add([1], new Float32Array(65_536))
    expect(index.size).toBe(1)
    await index.close()
  })
})

describe('timeoutMs', () => {
  it('ends a search that takes longer', async () => {
    const index = new Index({ dimension: 512, m: 2, efConstruction: 4 })
    await index.add(null, randomVectors(3000, 512, 1))
    const queries = randomVectors(2000, 512, 2)
    const refusal = expect.objectContaining({ name: 'VitrineError', code: 'ERR_TIMEOUT' })
    await expect(index.searchBatch(queries, { k: 1, exact: true, timeoutMs: 5 })).rejects.toEqual(
      refusal,
    )
    // Waiting counts.
    const waiting = Array.from({ length: 3000 }, () =>
      index.search(queries.subarray(0, 512), { k: 100, exact: true, timeoutMs: 20 }),
    )
    const results = await Promise.allSettled(waiting)
    const late = results.filter(({ status }) => status === 'rejected')
    expect(late.length).toBeGreaterThan(0)
    for (const result of late) expect(result).toMatchObject({ reason: refusal })
    const { ids } = await index.search(queries.subarray(0, 512), { k: 1, timeoutMs: 60_000 })
    expect(ids).toHaveLength(1)
    await index.close()
  })
})

describe('onProgress', () => {
  it('tells how far a write is, in order, and at last that it is done', async () => {
    const index = newIndex()
    const reports: [number, number][] = []
    let settled = false
    await index.add(null, many, {
      onProgress: (done, total) => {
        expect(settled).toBe(false)
        reports.push([done, total])
      },
    })
    settled = true
    expect(reports.at(-1)).toEqual([count, count])
    expect(reports.length).toBeGreaterThan(1)
    reports.forEach(([done, total], i) => {
      expect(total).toBe(count)
      expect(done).toBeGreaterThan(reports[i - 1]?.[0] ?? 0)
    })
    await sleep(100)
    expect(reports.at(-1)).toEqual([count, count])

    const removed: number[] = []
    await index.remove(index.ids(), { onProgress: done => removed.push(done) })
    expect(removed.at(-1)).toBe(count)
    await index.close()
  }, 60_000)

  it('rejects with what the callback throws, and cancels the write', async () => {
    const index = newIndex()
    const mine = new Error('mine')
    const added = index.add(null, many, {
      onProgress: () => {
        throw mine
      },
    })
    await expect(added).rejects.toBe(mine)
    expect(index.size).toBeLessThan(count)
    await index.close()
  })
})

describe('searches beside writes', () => {
  it('answer at any time, from a whole state', async () => {
    const index = new Index({ dimension, metric: 'cosine', efConstruction: 60 })
    await index.add(null, many.subarray(0, 1000 * dimension))
    const writing = (async () => {
      for (let round = 0; round < 4; round++) {
        const first = 1000 + round * 500
        const ids = Uint32Array.from({ length: 500 }, (_, i) => first + i)
        await index.add(ids, many.subarray(first * dimension, (first + 500) * dimension))
        await index.remove(ids.subarray(0, 250))
      }
    })()
    let writingDone = false
    void writing.then(() => {
      writingDone = true
    })
    let searches = 0
    while (!writingDone) {
      const row = (searches * 37) % 1000
      const query = rowOf(many, dimension, row)
      const [one, batch] = await Promise.all([
        index.search(query, { k: 5, ef: 100 }),
        index.searchBatch(query, { k: 5, ef: 100 }),
      ])
      expect(one.ids[0]).toBe(row)
      expect(batch.ids[0]).toBe(row)
      expect(index.searchSync(query, { k: 5, ef: 100 }).ids[0]).toBe(row)
      searches += 1
    }
    await writing
    expect(searches).toBeGreaterThan(1)
    expect(index.size).toBe(2000)
    await index.close()
  }, 60_000)
})
