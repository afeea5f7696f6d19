import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { native } from '../lib/binding.ts'
import { errorCodes } from '../lib/errors.ts'
import { Index, VitrineError } from '../lib/vitrine.ts'
import { root } from './layers.ts'

describe('the table of error codes', () => {
  it('is the same in lib, in the addon and in docs/errors.md', () => {
    const rows = readFileSync(join(root, 'docs', 'errors.md'), 'utf8')
      .split('\n')
      .filter(line => line.startsWith('| `'))
      .map(line => line.split('|').map(cell => cell.trim()))
    expect(native.errorCodes()).toEqual(Object.keys(errorCodes))
    expect(rows.map(([, code]) => code)).toEqual(Object.keys(errorCodes).map(code => `\`${code}\``))
    // Meanings are the same words; cause and remedy are there.
    expect(rows.map(([, , meaning]) => meaning)).toEqual(Object.values(errorCodes))
    for (const [, , , cause, remedy] of rows) {
      expect(cause).toMatch(/\w{3}/)
      expect(remedy).toMatch(/\w{3}/)
    }
  })
})

describe('VitrineError', () => {
  it('is an Error with a name, a code, and details and a cause where there are some', () => {
    const cause = new Error('first')
    const error = new VitrineError('ERR_IO', 'text', { details: { path: 'x' }, cause })
    expect(error).toBeInstanceOf(Error)
    expect(String(error)).toBe('VitrineError: text')
    expect(error).toMatchObject({ code: 'ERR_IO', details: { path: 'x' }, cause })
    const bare = new VitrineError('ERR_IO', 'text')
    expect('cause' in bare).toBe(false)
    expect('details' in bare).toBe(false)
  })

  it('is what the addon throws and rejects with', async () => {
    const index = new Index({ dimension: 2 })
    let thrown: unknown
    try {
      index.get([1])
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBeInstanceOf(VitrineError)
    expect(thrown).toMatchObject({ code: 'ERR_NOT_FOUND', message: /\b1\b/ })
    const rejected = await index.add(null, [Number.NaN, 0]).catch(error => error)
    expect(rejected).toBeInstanceOf(VitrineError)
    expect(rejected.code).toBe('ERR_VECTOR')
    await index.close()
  })
})

describe('an unknown option', () => {
  it.each([
    ['efSearch', 'ef'],
    ['timeout', 'timeoutMs'],
    ['K', 'k'],
    ['fitler', 'filter'],
  ])('%s is refused, and the nearest is named: %s', async (option, nearest) => {
    const index = new Index({ dimension: 2 })
    const search = () => index.searchSync([0, 0], { k: 1, [option]: 1 })
    expect(search).toThrow(`did you mean '${nearest}'`)
    expect(search).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION', details: { option, nearest } }),
    )
    await index.close()
  })

  it('is refused by every function that takes options', async () => {
    // biome-ignore lint/suspicious/noExplicitAny: the types forbid what is tested
    const wrong = { k: 1, wrong: true } as any
    expect(() => new Index(wrong)).toThrow("new Index has no option 'k'")
    const index = new Index({ dimension: 1 })
    const out = { ids: new Uint32Array(1), distances: new Float32Array(1) }
    expect(() => index.searchSync([0], wrong)).toThrow("no option 'wrong'")
    expect(() => index.searchInto([0], out, wrong)).toThrow("no option 'wrong'")
    expect(() => index.explain([0], wrong)).toThrow("no option 'wrong'")
    for (const promise of [
      index.search([0], wrong),
      index.searchBatch([0], wrong),
      index.analyze([0], wrong),
    ]) {
      await expect(promise).rejects.toThrow("no option 'wrong'")
    }
    for (const promise of [
      index.add(null, [0], wrong),
      index.upsert([0], [0], wrong),
      index.remove([0], wrong),
    ]) {
      await expect(promise).rejects.toThrow("no option 'k'")
    }
    await index.close()
  })

  it('does not include what Object.prototype was given', async () => {
    const index = new Index({ dimension: 1 })
    Object.defineProperty(Object.prototype, 'polluted', {
      value: 1,
      enumerable: true,
      configurable: true,
    })
    let hits: number | undefined
    try {
      hits = index.searchSync([0], { k: 1 }).ids.length
    } finally {
      Reflect.deleteProperty(Object.prototype, 'polluted')
    }
    expect(hits).toBe(0)
    await index.close()
  })
})
