import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { Index, type Metric } from '../lib/vitrine.ts'
import { randomNumbers, randomVectors, rowOf } from './vectors.ts'

const folder = mkdtempSync(join(tmpdir(), 'vitrine-index-file-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const dimension = 12
const coded = (code: string) => expect.objectContaining({ name: 'VitrineError', code })

describe('an index that is saved and loaded', () => {
  it.each<[Metric, 'u32' | 'u64']>([
    ['l2', 'u32'],
    ['cosine', 'u32'],
    ['ip', 'u64'],
  ])('gives the same answers: %s, %s', async (metric, idType) => {
    const path = join(folder, `${metric}.vitrine`)
    const index = new Index({ dimension, metric, idType, m: 8, efConstruction: 80 })
    const vectors = randomVectors(1200, dimension, 3)
    vectors.fill(0, 0, 2 * dimension) // two zero vectors
    vectors.copyWithin(5 * dimension, 3 * dimension, 4 * dimension) // two equal ones
    await index.add(null, vectors)
    await index.remove([7, 8, 9])
    await index.save(path)

    const loaded = await Index.load<'u32' | 'u64'>(path, { name: 'again' })
    expect(loaded).toMatchObject({ dimension, metric, idType, size: 1197, name: 'again' })
    expect(loaded.ids()).toEqual(index.ids())
    expect(loaded.get(loaded.ids())).toEqual(index.get(index.ids()))
    for (let i = 0; i < 30; i++) {
      const query = randomVectors(1, dimension, 50 + i)
      for (const options of [{ k: 20 }, { k: 5, ef: 10 }, { k: 9, exact: true }]) {
        expect(loaded.searchSync(query, options)).toEqual(index.searchSync(query, options))
      }
    }
    // It goes on where the other one was.
    const more = randomVectors(2, dimension, 99)
    expect(await loaded.add(null, more)).toEqual(await index.add(null, more))
    await Promise.all([index.close(), loaded.close()])
  })

  it('may be empty', async () => {
    const path = join(folder, 'empty.vitrine')
    const index = new Index({ dimension: 3 })
    await index.save(path)
    await index.close()
    const loaded = await Index.load(path)
    expect(loaded).toMatchObject({ dimension: 3, size: 0 })
    await loaded.add(null, [1, 2, 3])
    expect(loaded.searchSync([1, 2, 3], { k: 1 }).ids).toEqual(Uint32Array.of(0))
    await loaded.close()
  })
})

describe('save', () => {
  it('holds the writes that were called before, and not up those after', async () => {
    const path = join(folder, 'busy.vitrine')
    const index = new Index({ dimension, efConstruction: 40 })
    const vectors = randomVectors(6000, dimension, 4)
    const before = index.add(null, vectors.subarray(0, 2000 * dimension))
    const saved = index.save(path)
    const after = index.add(null, vectors.subarray(2000 * dimension))
    await Promise.all([before, saved, after])
    const loaded = await Index.load(path)
    expect(loaded.size).toBeGreaterThanOrEqual(2000)
    expect((loaded.size - 2000) % 16).toBe(0) // whole chunks of what came after
    expect(loaded.get(loaded.ids())).toEqual(vectors.subarray(0, loaded.size * dimension))
    const query = rowOf(vectors, dimension, 1234)
    expect(loaded.searchSync(query, { k: 1 }).ids).toEqual(Uint32Array.of(1234))
    await Promise.all([index.close(), loaded.close()])
  })

  it('is finished by close, and replaces the file of before', async () => {
    const path = join(folder, 'closed.vitrine')
    writeFileSync(path, 'something else')
    const index = new Index({ dimension })
    await index.add(null, randomVectors(500, dimension, 5))
    const saved = index.save(path)
    await index.close()
    await saved
    const loaded = await Index.load(path)
    expect(loaded.size).toBe(500)
    await loaded.close()
    expect(readdirSync(folder).filter(name => name.startsWith('closed'))).toEqual([
      'closed.vitrine',
    ])
  })

  it('leaves the file of before, and nothing else, when it fails or is aborted', async () => {
    const path = join(folder, 'kept.vitrine')
    writeFileSync(path, 'kept')
    const index = new Index({ dimension })
    await index.add(null, randomVectors(2000, dimension, 6))
    const signal = AbortSignal.abort(new Error('no'))
    await expect(index.save(path, { signal })).rejects.toThrow('no')
    const controller = new AbortController()
    const saved = index.save(path, { signal: controller.signal })
    controller.abort(new Error('not now'))
    await expect(saved).rejects.toThrow('not now')
    await expect(index.save(join(folder, 'missing', 'x'))).rejects.toEqual(coded('ERR_IO'))
    await expect(index.save(folder)).rejects.toEqual(coded('ERR_IO'))
    expect(readFileSync(path, 'utf8')).toBe('kept')
    expect(readdirSync(folder).filter(name => name.includes('kept'))).toEqual(['kept.vitrine'])
    for (const wrong of ['', 'a\0b', 5, undefined, null, {}, ['x']]) {
      await expect(index.save(wrong as string)).rejects.toEqual(coded('ERR_ARGUMENT'))
      await expect(Index.load(wrong as string)).rejects.toEqual(coded('ERR_ARGUMENT'))
    }
    await index.close()
    await expect(index.save(path)).rejects.toEqual(coded('ERR_CLOSED'))
  })

  it('takes a path from the current folder', async () => {
    const index = new Index({ dimension: 1 })
    const path = relative(process.cwd(), join(folder, 'relative.vitrine'))
    await index.save(path)
    const loaded = await Index.load(path)
    await Promise.all([index.close(), loaded.close()])
    expect(statSync(join(folder, 'relative.vitrine')).size).toBeGreaterThan(4096)
  })
})

describe('load', () => {
  it('refuses what is no index', async () => {
    const load = (bytes: Uint8Array | string) => {
      const path = join(folder, 'wrong')
      writeFileSync(path, bytes)
      return Index.load(path).then(index => index.close())
    }
    await expect(Index.load(join(folder, 'nowhere'))).rejects.toEqual(coded('ERR_IO'))
    await expect(load('')).rejects.toMatchObject({ code: /ERR_(FORMAT|CORRUPT)/ })
    await expect(load('hello')).rejects.toMatchObject({ code: /ERR_(FORMAT|CORRUPT)/ })
    await expect(load(new Uint8Array(100_000))).rejects.toMatchObject({
      code: /ERR_(FORMAT|CORRUPT)/,
    })
  })

  it('notices damage anywhere in the file', async () => {
    const path = join(folder, 'damaged.vitrine')
    const index = new Index({ dimension: 2 })
    await index.add(null, randomVectors(50, 2, 7))
    await index.save(path)
    const bytes = readFileSync(path)
    const random = randomNumbers(21)
    for (let i = 0; i < 60; i++) {
      const at = Math.floor(random() * bytes.length)
      const damaged = Uint8Array.from(bytes)
      damaged[at]! ^= 1 << (i % 8)
      writeFileSync(path, i % 4 === 0 ? damaged.subarray(0, at) : damaged)
      const outcome = await Index.load(path).catch(error => error)
      if (outcome instanceof Index) {
        // Bytes that mean nothing: then nothing is lost.
        expect(outcome.get(outcome.ids())).toEqual(index.get(index.ids()))
        await outcome.close()
      } else {
        expect(outcome.code).toMatch(/ERR_(FORMAT|CORRUPT)/)
      }
    }
    await index.close()
  })

  it('refuses options that other releases may have', async () => {
    const path = join(folder, 'options.vitrine')
    const index = new Index({ dimension: 1 })
    await index.save(path)
    await index.close()
    // biome-ignore lint/suspicious/noExplicitAny: the types forbid what is tested
    const load = (options: any) => Index.load(path, options)
    await expect(load({ vectors: 'disk' })).rejects.toMatchObject({
      code: 'ERR_OPTION',
      message: "vectors must be 'memory' or 'mmap', not 'disk'",
    })
    await expect(load({ metric: 'l2' })).rejects.toEqual(coded('ERR_OPTION'))
    await expect(load({ signal: AbortSignal.abort('x') })).rejects.toBe('x')
  })
})
