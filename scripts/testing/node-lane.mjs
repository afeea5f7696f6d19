import { join } from 'node:path'
import process from 'node:process'
import { buildAddon, holds, root } from './run.mjs'
import { vitest } from './vitest.mjs'

const bin = name => join(root, 'node_modules', '.bin', name)

/** Lane `node`: what needs only Node, a C++20 compiler, make and python3. */
export async function nodeLane(report) {
  const script = name => [process.execPath, join(root, 'scripts', name)]
  const [addon, library] = await Promise.all([
    report.step('build addon', buildAddon),
    report.step('build library', () => holds(script('build-lib.mjs'))),
  ])
  await Promise.all([
    report.step('typecheck', () => holds([bin('tsc'), '-p', 'tsconfig.json'])),
    report.step('biome', () => holds([bin('biome'), 'ci', '--error-on-warnings'])),
    report.step('oxlint', () => holds([bin('oxlint'), '--type-aware'])),
  ])
  if (addon && library) await report.step('vitest', () => vitest(['engine', 'repository']))
}
