import { join } from 'node:path'
import process from 'node:process'
import { buildAddon, holds, root } from './run.mjs'
import { vitest } from './vitest.mjs'

const bin = name => join(root, 'node_modules', '.bin', name)

/** Builds what `import 'vitrine'` loads, the addon and the library. Returns whether both could be built. */
export async function buildBoth(report) {
  const script = [process.execPath, join(root, 'scripts', 'build-lib.mjs')]
  const built = await Promise.all([
    report.step('build addon', buildAddon),
    report.step('build library', () => holds(script)),
  ])
  return built.every(Boolean)
}

/** Lane `node`: what needs only Node, a C++20 compiler, make and python3. */
export async function nodeLane(report) {
  const [built] = await Promise.all([
    buildBoth(report),
    report.step('typecheck', () => holds([bin('tsc'), '-p', 'tsconfig.json'])),
    report.step('biome', () => holds([bin('biome'), 'ci', '--error-on-warnings'])),
    report.step('oxlint', () => holds([bin('oxlint'), '--type-aware'])),
  ])
  if (built) await report.step('vitest', () => vitest(['engine', 'repository']))
}
