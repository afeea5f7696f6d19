import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const root = dirname(import.meta.dirname)
const folder = join(root, 'bench', 'native')
const programs = readdirSync(folder).filter(
  name =>
    name.endsWith('.cc') && /#include "engine\//.test(readFileSync(join(folder, name), 'utf8')),
)

// The benchmark compiles them when it needs them, which may be long after the engine has changed.
describe('a program of the benchmark', () => {
  it('uses the engine', () => expect(programs).toContain('statistics_cost.cc'))

  it.each(programs)('is what the engine of today compiles with: %s', async program => {
    const { variables } = JSON.parse(readFileSync(join(root, 'native', 'sources.gypi'), 'utf8'))
    const flags = [...variables.vitrine_cflags_cc, '-fsyntax-only', '-I', join(root, 'native')]
    await promisify(execFile)(process.env.CXX || 'c++', [...flags, join(folder, program)])
  })
})
