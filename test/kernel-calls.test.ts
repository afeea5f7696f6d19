import { describe, expect, it } from 'vitest'
import { engineInfo } from '../lib/vitrine.ts'
import { runProgram } from './child-process.ts'

// Each set of kernels with those that it gets beyond itself; the best of them is in force.
const sets: Readonly<Record<string, readonly string[]>> = {
  scalar: ['scalar'],
  avx2: ['avx2'],
  avx512: ['avx512', 'avx512-vnni', 'avx512-vpopcntdq'],
  neon: ['neon', 'neon-dotprod'],
}
const best = engineInfo().instructionSet
const lesser: Readonly<Record<string, readonly string[]>> = {
  avx2: ['scalar'],
  avx512: ['scalar', 'avx2'],
  neon: ['scalar'],
}

describe('calls of kernels', () => {
  it.each([...(lesser[best] ?? []), best])(
    'are counted exactly, with the kernels of %s',
    async isa => {
      const { output, errors } = await runProgram('count-kernel-calls.mjs', [isa])
      expect(errors).toBe('')
      const { scan, reranked, sketched, ...seen } = JSON.parse(output)
      expect(seen).toEqual({ isa })
      const callsOf = (part: { calls: [string, string, number][] }) =>
        Object.fromEntries(
          part.calls.map(([set, kernel, calls]) => {
            // Floats are compared by the set itself, integers by the best that it has.
            if (kernel === 'f32') expect(set).toBe(isa)
            else expect(sets[isa]).toContain(set)
            return [kernel, calls]
          }),
        )
      expect(scan.plan).toBe('scan')
      // 1,500 rows, four to a call.
      expect(callsOf(scan)).toEqual({ f32: 375 })
      expect(reranked).toMatchObject({ plan: 'walk', quantization: 'sq8' })
      // k + 2 rows in groups of sixteen, which is four calls, and the last two in one.
      expect(callsOf(reranked)).toEqual({ f32: 17, sq8: expect.any(Number) })
      expect(sketched).toMatchObject({ plan: 'sketch', quantization: 'sq8' })
      // 2,000 rows by sketch, 64 to a call; all of them are looked at by code, then as they are.
      expect(callsOf(sketched)).toEqual({ sketch: 32, sq8: 500, f32: 500 })
    },
  )
})
