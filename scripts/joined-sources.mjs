// Joins sources of native/sources.gypi into fewer translation units, for most of the time that a
// source takes to compile goes into the headers that it shares with its neighbours.
//
//   node scripts/joined-sources.mjs <engine|binding> [folder]
//
// Writes <folder>/<layer>_<n>.cc (default: build/joined), each of which includes sources of one
// folder of native/, and prints what is to be compiled instead of the list: those files, and the
// sources that stay alone. native/binding.gypi and CMakeLists.txt call it, so that both join alike. A file
// that would not change is not written, so that nothing is compiled anew.

import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

// About what a unit has of text: enough that headers matter little, and little enough that there
// are some units for each core.
const unitBytes = 200_000

// Kernels and walks are compiled for an instruction set each, which must reach nothing else, and
// inlining decides how fast they are. What includes an operating system's headers keeps their macros
// to itself.
const alone = /^native\/(kernels\/|index\/walk_|storage\/(posix|windows)_|base\/(pages|crc32c)\.cc)/

/**
 * The units that sources are compiled in.
 * @param {readonly string[]} sources - Paths from the root, as in native/sources.gypi.
 * @returns {{ name: string, sources: string[] }[]} Units of several sources; `name` has no suffix.
 */
function joinedUnits(sources) {
  const units = []
  const folders = new Set(sources.map(source => dirname(source)))
  for (const folder of folders) {
    const members = sources.filter(source => dirname(source) === folder)
    const sizes = members.map(source => statSync(join(root, source)).size)
    const total = sizes.reduce((sum, size) => sum + size, 0)
    const count = Math.max(1, Math.round(total / unitBytes))
    const layer = folder.split('/').at(-1)
    const ofFolder = Array.from({ length: count }, (_, i) => ({
      name: `${layer}_${i + 1}`,
      sources: [],
    }))
    let before = 0
    members.forEach((source, i) => {
      ofFolder[Math.min(count - 1, Math.floor((before / total) * count))].sources.push(source)
      before += sizes[i]
    })
    units.push(...ofFolder.filter(unit => unit.sources.length > 0))
  }
  return units
}

function writeUnit(folder, { name, sources }) {
  const path = join(folder, `${name}.cc`)
  const includes = sources.map(source => `#include "${source.replace(/^native\//, '')}"\n`)
  const text = `// NOLINTBEGIN(bugprone-suspicious-include)\n${includes.join('')}// NOLINTEND(bugprone-suspicious-include)\n`
  if (!existsSync(path) || readFileSync(path, 'utf8') !== text) writeFileSync(path, text)
  return relative(root, path).split(sep).join('/')
}

const [part, folder = join(root, 'build', 'joined')] = process.argv.slice(2)
const { variables } = JSON.parse(readFileSync(join(root, 'native', 'sources.gypi'), 'utf8'))
const sources = variables[`vitrine_${part}_sources`]
mkdirSync(folder, { recursive: true })
const units = joinedUnits(sources.filter(source => !alone.test(source)))
const paths = units.map(unit => writeUnit(folder, unit))
console.log([...paths, ...sources.filter(source => alone.test(source))].join('\n'))
