import { join } from 'node:path'
import process from 'node:process'
import { installMissing, stepWith } from './packages.mjs'
import { buildAddon, holds, root } from './run.mjs'
import { vitest } from './vitest.mjs'

const packages = ['prometheus']

/** Lane `servers`: other people's servers, which read what ours say. */
export async function serversLane(report) {
  await installMissing(packages)
  const [addon, library] = await Promise.all([
    report.step('build addon', buildAddon),
    report.step('build library', () =>
      holds([process.execPath, join(root, 'scripts', 'build-lib.mjs')]),
    ),
  ])
  if (addon && library) await stepWith(report, packages, 'vitest', () => vitest(['servers']))
}
