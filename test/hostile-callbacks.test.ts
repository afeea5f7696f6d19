import { describe, expect, it } from 'vitest'
import { Index, type SearchOptions, VitrineError } from '../lib/vitrine.ts'
import { randomVectors } from './vectors.ts'

// Code of the caller that runs in the middle of a call: getters, callbacks and listeners that throw
// or call back into the index.

const dimension = 4
const query = Float32Array.of(1, 2, 3, 4)

async function newIndex() {
  const index = new Index({ dimension, efConstruction: 40 })
  await index.add(null, randomVectors(300, dimension, 1))
  return index
}

/** Everything that can be done to an index from inside one of its calls. */
const intrusions: Record<string, (index: Index) => unknown> = {
  throw: () => {
    throw new Error('mine')
  },
  'throw a revoked proxy': () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    throw proxy
  },
  close: index => index.close(),
  add: index => index.add(null, randomVectors(600, dimension, 2)),
  upsert: index => index.upsert([0], query),
  remove: index => index.remove(index.ids()),
  search: index => index.search(query, { k: 3 }),
  searchSync: index => index.searchSync(query, { k: 3 }),
  searchInto: index =>
    index.searchInto(query, { ids: new Uint32Array(9), distances: new Float32Array(9) }),
  searchBatch: index => index.searchBatch(randomVectors(200, dimension, 3), { k: 5 }),
  analyze: index => index.analyze(query, { k: 3 }),
  explain: index => index.explain(query, { k: 3 }),
  idSet: index => index.idSet([1, 2, 3]),
  reserve: index => index.reserve(1000),
  'close and open another': async index => {
    void index.close()
    const other = await newIndex()
    await other.close()
  },
  'collect garbage': () => {
    for (let i = 0; i < 50; i++) new Index({ dimension: 1 })
  },
}

/** Intrudes while the call reads `value`. */
function trap<T>(index: Index, intrude: (index: Index) => unknown, value: T, pending: unknown[]) {
  return {
    get() {
      const result = intrude(index)
      if (result instanceof Promise) pending.push(result.catch(onlyCoded))
      return value
    },
    enumerable: true,
  }
}

function onlyCoded(error: unknown) {
  if (!(error instanceof VitrineError)) throw error
}

async function settle(call: () => unknown) {
  try {
    await call()
  } catch (error) {
    onlyCoded(error)
  }
}

describe.each(Object.entries(intrusions))('a getter that does this: %s', (_, intrude) => {
  it('spoils no search and no write', async () => {
    const ids = () => new Uint32Array(5)
    const distances = () => new Float32Array(5)
    type Calls = (index: Index, options: SearchOptions) => (() => unknown)[]
    const searches: Calls = (index, options) => [
      () => index.searchSync(query, options),
      () => index.searchInto(query, { ids: ids(), distances: distances() }, options),
      () => index.search(query, options),
      () => index.searchBatch(query, options),
      () => index.analyze(query, options),
      () => index.explain(query, options),
    ]
    const pending: unknown[] = []
    for (const key of ['k', 'ef', 'filter', 'signal'] as const) {
      const values = { k: 5, ef: 9, filter: [1, 2], signal: new AbortController().signal }
      for (let call = 0; call < 6; call++) {
        const index = await newIndex()
        const options = Object.defineProperty(
          { k: 5 } as SearchOptions,
          key,
          trap<unknown>(index, intrude, values[key], pending),
        )
        await settle(() => searches(index, options)[call]!())
        await index.close()
      }
    }
    await Promise.all(pending)
  })

  it('spoils no array and no output', async () => {
    const pending: unknown[] = []
    const arrays = (index: Index) => {
      const list = [1, 2, 3, 4]
      Object.defineProperty(list, 2, trap(index, intrude, 3, pending))
      return list
    }
    const calls: ((index: Index) => unknown)[] = [
      index => index.add([900], arrays(index)),
      index => index.add(arrays(index), randomVectors(4, dimension, 1)),
      index => index.upsert(arrays(index), randomVectors(4, dimension, 1)),
      index => index.remove(arrays(index)),
      index => index.get(arrays(index)),
      index => index.idSet(arrays(index)),
      index => index.searchSync(arrays(index), { k: 2 }),
      index => index.search(arrays(index), { k: 2, filter: arrays(index) }),
      index => index.searchBatch(arrays(index), { k: 2 }),
      index => {
        const out = { ids: new Uint32Array(3), distances: new Float32Array(3) }
        Object.defineProperty(out, 'ids', trap(index, intrude, new Uint32Array(3), pending))
        return index.searchInto(query, out)
      },
      index => {
        const options = {}
        Object.defineProperty(
          options,
          'onProgress',
          trap(index, intrude, () => 1, pending),
        )
        return index.add(null, query, options)
      },
    ]
    for (const call of calls) {
      const index = await newIndex()
      await settle(() => call(index))
      await index.close()
    }
    await Promise.all(pending)
  })
})

describe.each(Object.entries(intrusions))('onProgress that does this: %s', (name, intrude) => {
  it('spoils no write', async () => {
    const index = await newIndex()
    const pending: unknown[] = []
    const added = index.add(null, randomVectors(3000, dimension, 5), {
      onProgress: () => {
        const result = intrude(index)
        if (result instanceof Promise) pending.push(result.catch(onlyCoded))
      },
    })
    const [outcome] = await Promise.allSettled([added])
    if (name.startsWith('throw')) expect(outcome.status).toBe('rejected')
    if (outcome.status === 'rejected') {
      if (name === 'throw') expect(outcome.reason).toEqual(new Error('mine'))
      else if (name.startsWith('close')) expect(outcome.reason.code).toBe('ERR_CLOSED')
      else expect(name).toBe('throw a revoked proxy')
    }
    await index.close()
    await Promise.all(pending)
  })
})

describe('a listener on abort', () => {
  it('may call back into the index', async () => {
    for (const [name, intrude] of Object.entries(intrusions)) {
      if (name.startsWith('throw')) continue // Node reports those as uncaught
      const index = await newIndex()
      const controller = new AbortController()
      const pending: unknown[] = []
      controller.signal.addEventListener('abort', () => pending.push(intrude(index)))
      const calls = [
        index.add(null, randomVectors(2000, dimension, 6), { signal: controller.signal }),
        index.searchBatch(randomVectors(500, dimension, 7), { k: 9, signal: controller.signal }),
        index.search(query, { k: 9, signal: controller.signal }),
      ]
      controller.abort(new Error('stop'))
      const reasons = await Promise.allSettled(calls)
      expect(reasons).toEqual(Array(3).fill({ status: 'rejected', reason: new Error('stop') }))
      await Promise.allSettled(pending)
      await index.close()
    }
  })
})

describe('a promise', () => {
  it('is settled once, whatever its continuation does', async () => {
    const index = await newIndex()
    let continued = 0
    const chain = async (depth: number): Promise<void> => {
      await index.search(query, { k: 1 })
      continued += 1
      if (depth === 0) return
      index.searchSync(query, { k: 1 })
      await Promise.all([chain(depth - 1), index.upsert([depth], query)])
    }
    await Promise.all(Array.from({ length: 20 }, () => chain(10)))
    expect(continued).toBe(220)
    await index.close()
  })
})
