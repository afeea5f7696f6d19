import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './run.mjs'

/**
 * The defects that native sources can be built with (native/base/seeded_defect.h), by name.
 * @returns {{ name: string, layer: string }[]} `layer`: the folder of native/ that has it.
 */
export function seededDefects() {
  const layers = new Map()
  for (const path of readdirSync(join(root, 'native'), { recursive: true }).sort()) {
    if (!path.endsWith('.cc')) continue
    const source = readFileSync(join(root, 'native', path), 'utf8')
    for (const [, name] of source.matchAll(/SeededDefect\("([^"]*)"\)/g)) {
      layers.set(name, path.split(/[/\\]/)[0])
    }
  }
  return [...layers]
    .map(([name, layer]) => ({ name, layer }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}
