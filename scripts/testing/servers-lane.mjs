import { buildBoth } from './node-lane.mjs'
import { installMissing, stepWith } from './packages.mjs'
import { vitest } from './vitest.mjs'

const packages = ['prometheus']

/** Lane `servers`: other people's servers, which read what ours say. */
export async function serversLane(report) {
  await installMissing(packages)
  if (await buildBoth(report)) await stepWith(report, packages, 'vitest', () => vitest(['servers']))
}
