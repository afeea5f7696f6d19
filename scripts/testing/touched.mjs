import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { root } from './run.mjs'

// The areas of native tests that speak of a layer first, by folder of native/.
const areasOfLayer = {
  base: ['base'],
  kernels: ['kernels'],
  stats: ['stats'],
  storage: ['storage'],
  index: ['index'],
  engine: ['engine', 'table', 'filter', 'database'],
  exposition: ['exposition'],
}

/**
 * What is to be built and run again after files changed.
 * @param {readonly string[]} paths - Changed files, as paths from the root with '/'.
 * @returns {{ addon: boolean, native: Map<string, string>, vitest: string[] }} `addon`: whether its
 *   sources changed. `native`: a googletest filter for each area of tests. `vitest`: sources, whose
 *   tests are to run, and tests.
 */
export function touchedBy(paths) {
  const native = new Map()
  const vitest = new Set()
  const tests = readdirSync(join(root, 'test', 'native')).filter(name => name.endsWith('_test.cc'))
  const areas = new Set(tests.map(name => name.split('_')[0]))
  for (const path of paths) {
    const [, layer, stem] = /^native\/(\w+)\/(\w+)\.(?:cc|h)$/.exec(path) ?? []
    if (layer === 'binding') for (const test of testsOfBinding(stem)) vitest.add(test)
    for (const area of areasOfLayer[layer] ?? []) native.set(area, '*')

    const [, name] = /^test\/native\/(\w+)\.(?:cc|h)$/.exec(path) ?? []
    if (name?.endsWith('_test')) addTests(native, path, name.split('_')[0])
    else if (name !== undefined) for (const area of areas) native.set(area, '*')

    if (/^(lib|test)\/.*\.ts$/.test(path)) vitest.add(path)
  }
  const addon = paths.some(path => path.startsWith('native/'))
  return { addon, native, vitest: [...vitest] }
}

// The suites of one file, unless the whole area runs anyway.
function addTests(native, path, area) {
  if (native.get(area) === '*') return
  const text = readFileSync(join(root, path), 'utf8')
  const suites = [...text.matchAll(/^TEST(?:_F|_P)?\((\w+),/gm)].map(([, suite]) => suite)
  const filters = [...new Set(suites)].flatMap(suite => [`${suite}.*`, `*/${suite}.*`])
  native.set(area, [...(native.has(area) ? [native.get(area)] : []), ...filters].join(':'))
}

// `search_functions.cc` is tested by the files that say "search", what all use by all.
function testsOfBinding(stem) {
  const files = readdirSync(join(root, 'test')).filter(name => name.endsWith('.test.ts'))
  const words = stem.split('_').filter(word => word !== 'functions' && word !== 'handle')
  const named = files.filter(name => words.some(word => basename(name).includes(word)))
  const touched = named.length > 0 ? named : files.filter(name => /^(index|database)/.test(name))
  return touched.map(name => `test/${name}`)
}
