import { buildBoth } from './node-lane.mjs'
import { vitest } from './vitest.mjs'

/** Lane `package`: what is published, packed and installed as users do, and the pages of its API. */
export async function packageLane(report) {
  if (await buildBoth(report)) await report.step('vitest', () => vitest(['package']))
}
