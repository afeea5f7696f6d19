import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { seededDefects } from '../scripts/testing/seeded-defects.mjs'
import {
  constructOffences,
  importOffences,
  includeOffences,
  nameOffences,
  root,
  sourcesBelow,
} from './layers.ts'

const native = sourcesBelow(['native'], /\.(h|cc)$/)
const lib = sourcesBelow(['lib'], /\.ts$/)

describe('native code', () => {
  it('includes downwards only, and Node nowhere but in the binding', () => {
    expect(native.length).toBeGreaterThan(0)
    expect(includeOffences(native)).toEqual([])
  })

  it('neither throws, nor catches below the binding, nor prints, nor ends the process', () => {
    expect(constructOffences(native)).toEqual([])
  })

  it('reads no clock of statistics within a search: whoever measures one listens to its phases', () => {
    const searches = native.filter(({ path }) => /^native\/(kernels|index|engine)\//.test(path))
    expect(searches.length).toBeGreaterThan(0)
    const clock = /TickClock|PhaseTimer|rdtsc/
    expect(searches.filter(({ text }) => clock.test(text)).map(({ path }) => path)).toEqual([])
    const now = searches.filter(({ text }) => /_clock::now/.test(text)).map(({ path }) => path)
    // Deadlines, looked at every sixteenth hop where there is one; the others are of databases.
    expect(now.filter(path => !path.startsWith('native/engine/database'))).toEqual([
      'native/index/walk.h',
    ])
  })

  it('is listed in native/sources.gypi, every source once', () => {
    const text = readFileSync(join(root, 'native', 'sources.gypi'), 'utf8')
    const { variables } = JSON.parse(text) as { variables: Record<string, string[]> }
    const paths = native.map(source => source.path).filter(path => path.endsWith('.cc'))
    const isBinding = (path: string) => path.startsWith('native/binding/')
    const sorted = (list: readonly string[] | undefined) => [...(list ?? [])].sort()
    expect(sorted(variables.vitrine_binding_sources)).toEqual(paths.filter(isBinding))
    expect(sorted(variables.vitrine_engine_sources)).toEqual(paths.filter(path => !isBinding(path)))
  })
})

describe('seeded defects', () => {
  it('are many, named once, and in no build that does not ask for them', () => {
    const defects = seededDefects()
    expect(defects.length).toBeGreaterThanOrEqual(24)
    expect(defects.filter(({ name }) => !/^[a-z]+(-[a-z]+)+$/.test(name))).toEqual([])
    const uses = native
      .filter(({ path }) => path.endsWith('.cc'))
      .flatMap(({ text }) => text.match(/SeededDefect\(/g) ?? [])
    expect(uses.length).toBeGreaterThanOrEqual(defects.length)
    for (const file of ['native/binding.gypi', 'native/sources.gypi']) {
      expect(readFileSync(join(root, file), 'utf8')).not.toContain('SEEDED_DEFECTS')
    }
    const cmake = readFileSync(join(root, 'CMakeLists.txt'), 'utf8')
    expect(cmake).toMatch(/^option\(VITRINE_SEEDED_DEFECTS .* OFF\)$/m)
  })
})

describe('lib', () => {
  it('imports downwards only, in no circle, and no package in the core but the loader', () => {
    expect(lib.length).toBeGreaterThan(0)
    expect(importOffences(lib)).toEqual([])
  })
})

describe('files', () => {
  it('are named after a concept, in the case of their language', () => {
    const all = sourcesBelow(
      ['native', 'lib', 'test', 'bench', 'scripts', 'examples'],
      /\.(h|cc|ts|mjs)$/,
    )
    expect(nameOffences(all.map(source => source.path))).toEqual([])
  })
})

describe('the rules', () => {
  it('find an include that points up, sideways, nowhere or to Node', () => {
    const sources = [
      { path: 'native/base/a.h', text: '#pragma once\n#include "engine/b.h"\n' },
      { path: 'native/engine/b.h', text: '#include "base/a.h"\n#include <vector>\n' },
      { path: 'native/storage/c.cc', text: '#include "index/d.h"\n#include "c.h"\n' },
      { path: 'native/index/d.h', text: '#include <node_api.h>\n' },
      { path: 'native/binding/e.cc', text: '#include <node_api.h>\n#include "index/d.h"\n' },
      { path: 'native/odd/f.cc', text: '' },
    ]
    expect(includeOffences(sources)).toEqual([
      'native/base/a.h:2: #include "engine/b.h"  (base may not know of engine)',
      'native/storage/c.cc:1: #include "index/d.h"  (storage may not know of index)',
      'native/storage/c.cc:2: #include "c.h"  (not a file below native/)',
      'native/index/d.h:1: #include <node_api.h>  (only binding knows of Node)',
      'native/odd/f.cc: native/odd has no layer',
    ])
  })

  it('find an import that points up, goes in a circle or brings a package', () => {
    const sources = [
      { path: 'lib/errors.ts', text: "import { load } from './binding.ts'\n" },
      { path: 'lib/binding.ts', text: "import {\n  a,\n} from './errors.ts'\nimport 'left-pad'\n" },
      { path: 'lib/server/http.ts', text: "const fastify = await import('fastify')\n" },
      { path: 'lib/stray.ts', text: '' },
    ]
    expect(importOffences(sources)).toEqual([
      'lib/stray.ts: lib/stray has no layer',
      "lib/errors.ts:1: import { load } from './binding.ts'  (errors may not know of binding)",
      "lib/binding.ts:4: import 'left-pad'  (the core has no runtime dependency)",
      'lib/errors.ts -> lib/binding.ts -> lib/errors.ts  (a circle of imports)',
    ])
  })

  it('find a throw, a catch below the binding, a print and an exit, but not in comments', () => {
    const text =
      '// throw\nauto s = "abort(";\nthrow 1;\ncatch (...) {}\nstd::cerr << 1;\nexit(1);\n'
    expect(constructOffences([{ path: 'native/base/a.cc', text }])).toEqual([
      'native/base/a.cc:3: throw 1;  (we never throw: return a Status)',
      'native/base/a.cc:4: catch (...) {}  (the guard at the binding is the only catch)',
      'native/base/a.cc:5: std::cerr << 1;  (native code never prints)',
      'native/base/a.cc:6: exit(1);  (native code never ends the process)',
    ])
    expect(constructOffences([{ path: 'native/binding/a.cc', text: 'catch (...) {}' }])).toEqual([])
  })

  it('find a name that says nothing or is in the wrong case', () => {
    expect(
      nameOffences(['lib/utils.ts', 'native/misc/a.h', 'lib/Big.ts', 'native/a-b.cc']),
    ).toEqual([
      'lib/utils.ts: "utils" names no concept',
      'native/misc/a.h: "misc" names no concept',
      'lib/Big.ts: not in the case of its language',
      'native/a-b.cc: not in the case of its language',
    ])
  })
})
