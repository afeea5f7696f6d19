import { createHash } from 'node:crypto'
import {
  copyFileSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Index, type Metric, type Quantization } from '../lib/vitrine.ts'
import { randomVectors, rowOf } from './vectors.ts'

const folder = mkdtempSync(join(tmpdir(), 'vitrine-mapped-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const dimension = 100
const rows = 2_000
const vectors = randomVectors(rows, dimension, 1)
const coded = (code: string) => expect.objectContaining({ name: 'VitrineError', code })
const open = (path: string) => Index.load(path, { vectors: 'mmap' })

async function saved(name: string, metric: Metric = 'l2', quantization: Quantization = 'auto') {
  const path = join(folder, name)
  const index = new Index({ dimension, metric, quantization, efConstruction: 60 })
  await index.add(null, vectors)
  await index.remove([3, 4, 5])
  await index.save(path)
  await index.close()
  return path
}

/** What every kind of search finds. */
async function answers(index: Index) {
  const found: unknown[] = []
  const filter = index.ids().slice(0, 100)
  for (let i = 0; i < 10; i++) {
    const query = rowOf(vectors, dimension, 50 + i)
    for (const options of [{ k: 10 }, { k: 5, exact: true }, { k: 5, filter }]) {
      found.push(index.searchSync(query, options), await index.search(query, options))
    }
    const out = { ids: new Uint32Array(7), distances: new Float32Array(7) }
    found.push(index.searchInto(query, out), out)
    found.push(index.explain(query, { k: 10 }), (await index.analyze(query, { k: 4 })).counters)
  }
  found.push(await index.searchBatch(vectors.subarray(0, 40 * dimension), { k: 10 }))
  found.push(index.ids(), createHash('sha1').update(index.get(index.ids())).digest('hex'))
  return found
}

describe('an index whose vectors are mapped', () => {
  it.each<[Metric, Quantization]>([
    ['l2', 'none'],
    ['l2', 'sq8'],
    ['cosine', 'rq4'],
    ['ip', 'auto'],
  ])('answers as one in memory: %s, %s', async (metric, quantization) => {
    const path = await saved(`${metric}-${quantization}.vitrine`, metric, quantization)
    const memory = await Index.load(path)
    const mapped = await open(path)
    expect(await answers(mapped)).toEqual(await answers(memory))
    const used = mapped.memoryUsage()
    expect(used.vectors).toBeLessThan(memory.memoryUsage().vectors / 20)
    expect(used.total).toBe(used.vectors + used.graph + used.codes + used.ids + used.other)
    const found = await mapped.searchBatch(vectors, { k: 10, recall: 0.9 })
    expect(found.counts).toEqual(new Uint32Array(rows).fill(10))
    await Promise.all([memory.close(), mapped.close()])
  })

  it('is opened without its parts, which come when they are needed', async () => {
    const mapped = await open(await saved('parts.vitrine', 'cosine', 'rq4'))
    const opened = mapped.memoryUsage()
    expect(opened.codes).toBe(0)
    expect(mapped.size).toBe(rows - 3)
    await mapped.search(rowOf(vectors, dimension, 9), { k: 10 })
    const searched = mapped.memoryUsage()
    expect(searched.codes).toBeGreaterThan(0)
    expect(searched.graph).toBeGreaterThan(opened.graph)
    expect(mapped.has(9)).toBe(true)
    expect(mapped.memoryUsage().ids).toBeGreaterThan(searched.ids)
    await mapped.close()
  })

  it('refuses every change, and says how to make one', async () => {
    const mapped = await open(await saved('changed.vitrine'))
    const vector = rowOf(vectors, dimension, 0)
    const refused = {
      ...coded('ERR_READ_ONLY'),
      asymmetricMatch: (error: Error & { code?: string }) =>
        error.code === 'ERR_READ_ONLY' && error.message.includes("{ vectors: 'memory' }"),
    }
    await expect(mapped.add(null, vector)).rejects.toEqual(refused)
    await expect(mapped.add([9_000], vector)).rejects.toEqual(refused)
    await expect(mapped.upsert([1], vector)).rejects.toEqual(refused)
    await expect(mapped.remove([1])).rejects.toEqual(refused)
    expect(() => mapped.reserve(9_000)).toThrow(refused)
    expect(mapped.size).toBe(rows - 3)
    await mapped.close()
  })

  it('is saved, onto its own file too, and as the same bytes', async () => {
    const path = await saved('copied.vitrine')
    const bytes = readFileSync(path)
    const mapped = await open(path)
    await mapped.save(`${path}.copy`)
    await mapped.save(path)
    expect(readFileSync(path).equals(bytes)).toBe(true)
    expect(readFileSync(`${path}.copy`).equals(bytes)).toBe(true)
    const again = await open(path)
    expect(await answers(again)).toEqual(await answers(mapped))
    await Promise.all([mapped.close(), again.close()])
  })

  it('outlives what becomes of the name of its file', async () => {
    const path = await saved('renamed.vitrine')
    const memory = await Index.load(path)
    const mapped = await open(path)
    const other = new Index({ dimension: 2 })
    await other.save(path)
    await other.close()
    rmSync(path)
    expect(await answers(mapped)).toEqual(await answers(memory))
    await Promise.all([memory.close(), mapped.close()])
  })

  it('is closed while searches are under way', async () => {
    const mapped = await open(await saved('closed.vitrine'))
    const searches = Promise.allSettled(
      Array.from({ length: 200 }, (_, i) =>
        mapped.search(rowOf(vectors, dimension, i), { k: 5, exact: true }),
      ),
    )
    const copy = mapped.save(join(folder, 'of-closed.vitrine'))
    await mapped.close()
    for (const search of await searches) {
      if (search.status === 'rejected') expect(search.reason).toEqual(coded('ERR_CLOSED'))
    }
    await copy
    expect(() => mapped.searchSync(rowOf(vectors, dimension, 0), { k: 1 })).toThrow(
      coded('ERR_CLOSED'),
    )
  })
})

describe('a file that is mapped and damaged', () => {
  let path: string
  let truth: unknown[]
  beforeAll(async () => {
    path = await saved('whole.vitrine', 'cosine', 'rq4')
    const memory = await Index.load(path)
    truth = await answers(memory)
    await memory.close()
  })

  it('gives a coded error or what is true, whichever byte is wrong', async () => {
    const bytes = readFileSync(path)
    const damaged = join(folder, 'damaged.vitrine')
    let refusedLater = 0
    for (let at = 11; at < bytes.length; at += 20_011) {
      writeFileSync(damaged, bytes.with(at, (bytes[at] as number) ^ 16))
      const mapped = await open(damaged).catch(error => error)
      if (mapped instanceof Index) {
        const found = await answers(mapped).catch(error => error)
        if (found instanceof Error) {
          refusedLater++
          expect(found).toEqual(coded('ERR_CORRUPT'))
        } else {
          expect(found).toEqual(truth)
        }
        await mapped.close()
      } else {
        expect(mapped.code).toMatch(/ERR_(CORRUPT|FORMAT)/)
      }
    }
    expect(refusedLater).toBeGreaterThan(10) // most of the file is vectors
  })

  it('tells of damaged ids when they are asked for', async () => {
    const bytes = readFileSync(path)
    const damaged = join(folder, 'ids.vitrine')
    const ids = 2 * 4096 // behind header and config
    writeFileSync(damaged, bytes.with(ids + 40, (bytes[ids + 40] as number) ^ 1))
    const mapped = await open(damaged)
    expect(mapped.size).toBe(rows - 3)
    expect(() => mapped.has(9)).toThrow(coded('ERR_CORRUPT'))
    expect(() => mapped.ids()).toThrow(coded('ERR_CORRUPT'))
    expect(() => mapped.idSet([9])).toThrow(coded('ERR_CORRUPT'))
    await expect(mapped.search(rowOf(vectors, dimension, 9), { k: 1 })).rejects.toEqual(
      coded('ERR_CORRUPT'),
    )
    await mapped.close()
  })

  it('is refused when it is short, and noticed when it is cut short later', async () => {
    const short = join(folder, 'short.vitrine')
    const { size } = statSync(path)
    for (const length of [0, 100, 4096, size >> 1, size - 4096, size - 1]) {
      copyFileSync(path, short)
      truncateSync(short, length)
      const expected = expect.objectContaining({ code: expect.stringMatching(/CORRUPT|FORMAT/) })
      await expect(open(short)).rejects.toEqual(expected)
    }
    copyFileSync(path, short)
    const mapped = await open(short)
    truncateSync(short, 8192)
    expect(() => mapped.get(mapped.ids())).toThrow(coded('ERR_CORRUPT'))
    await expect(answers(mapped)).rejects.toEqual(coded('ERR_CORRUPT'))
    await mapped.close()
  })

  it('may be replaced by a whole one while it is mapped', async () => {
    const replaced = join(folder, 'replaced.vitrine')
    copyFileSync(path, replaced)
    const mapped = await open(replaced)
    copyFileSync(path, `${replaced}.new`)
    renameSync(`${replaced}.new`, replaced)
    expect(await answers(mapped)).toEqual(truth)
    await mapped.close()
  })
})

describe('the option vectors', () => {
  it('takes its two words and nothing else', async () => {
    const path = await saved('options.vitrine')
    for (const wrong of ['', 'MMAP', 'disk', 1, null, true, [], { toString: () => 'mmap' }]) {
      // biome-ignore lint/suspicious/noExplicitAny: the types forbid what is tested
      await expect(Index.load(path, { vectors: wrong as any })).rejects.toEqual(coded('ERR_OPTION'))
    }
    const memory = await Index.load(path, { vectors: 'memory' })
    const mapped = await Index.load(path, { vectors: 'mmap', threads: 1, name: 'mapped' })
    expect([memory.size, mapped.size, mapped.name]).toEqual([rows - 3, rows - 3, 'mapped'])
    await Promise.all([memory.close(), mapped.close()])
  })
})
