import { tidyCheck, unitsToTidy } from './clang.mjs'
import { configure } from './cmake.mjs'
import { installMissing, stepWith } from './packages.mjs'

const folder = 'build-cmake-tidy'
const packages = ['cmake', 'ninja-build', 'clang-tidy-16']

/**
 * Lane `tidy`: clang-tidy over the whole engine and binding, in the units that they are compiled in:
 * most of its time goes into headers, too.
 */
export async function tidyLane(report) {
  await installMissing(packages)
  await stepWith(report, packages, 'clang-tidy', async () =>
    (await configure(folder, ['VITRINE_JOINED=ON', 'VITRINE_TESTS=OFF']))
      ? tidyCheck(folder, unitsToTidy(folder))
      : false,
  )
}
