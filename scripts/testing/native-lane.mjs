import { join } from 'node:path'
import { crossPackages, emulator } from './arm64-lane.mjs'
import { changedFiles, formatCheck, sourcesOf, tidyCheck } from './clang.mjs'
import { build, cmakePackages, configure, ctest } from './cmake.mjs'
import { gtest } from './gtest.mjs'
import { installMissing, stepWith } from './packages.mjs'
import { buildAddon, root } from './run.mjs'
import { vitest } from './vitest.mjs'

const tidyPackages = ['cmake', 'ninja-build', 'libgtest-dev', 'clang-tidy-16']

/** The folder for work on single files: nothing is joined, and editors read its compile commands. */
export const workFolder = 'build-cmake'
export const workDefinitions = ['VITRINE_JOINED=OFF', 'VITRINE_WERROR=ON']

/** The tests, several sources at a time, and what node-gyp compiled: they test what users get, and the engine is compiled once. */
export const host = 'build-cmake-native'
export const hostDefinitions = [
  `VITRINE_ENGINE_OBJECTS=${join(root, 'build', 'Release', 'obj.target', 'vitrine')}`,
  'VITRINE_ADDON=OFF',
  'VITRINE_WERROR=ON',
]

/**
 * Lane `native`: what needs cmake, googletest, clang's tools or qemu. Arguments go to ctest, and
 * leave everything out but the native tests.
 */
export async function nativeLane(report, args) {
  if (args.length > 0) return chosenTests(report, args)
  const changed = changedFiles()
  const tidied = sourcesOf(changed)
  // Lane `arm64` has them too: whoever changes one wants to know at once.
  const kernels = changed.some(path => /^(native\/|test\/native\/)kernels[/_]/.test(path))
  await installMissing([
    ...cmakePackages,
    'clang-format-16',
    ...(tidied.length > 0 ? tidyPackages : []),
    ...(kernels ? crossPackages : []),
  ])

  // What only compiles or reads runs side by side, so that no core waits for the last unit of a build.
  const cross = 'build-cmake-arm64-kernels'
  const [hostBuilt, crossBuilt] = await Promise.all([
    buildForHost(report),
    kernels &&
      stepWith(report, crossPackages, 'build kernels for arm64', () =>
        build(cross, [
          'CMAKE_TOOLCHAIN_FILE=cmake/aarch64-linux-gnu.cmake',
          'VITRINE_ADDON=OFF',
          'VITRINE_WERROR=ON',
          'VITRINE_ENGINE_FOLDERS=kernels',
          'VITRINE_TEST_AREAS=kernels',
        ]),
      ),
    stepWith(report, ['cmake', 'ninja-build'], 'parity of the builds', () => vitest(['toolchain'])),
    stepWith(report, ['clang-format-16'], 'clang-format', formatCheck),
  ])
  if (hostBuilt) await report.step('native tests', () => gtest(host))
  if (crossBuilt) {
    await report.step('kernels under qemu', () => gtest(cross, { wrapper: emulator }))
  }

  if (tidied.length > 0) {
    await stepWith(report, tidyPackages, 'clang-tidy of changes', async () =>
      (await configure(workFolder, workDefinitions)) ? tidyCheck(workFolder, tidied) : false,
    )
  }
}

async function buildForHost(report) {
  if (!(await report.step('build addon', buildAddon))) return false
  return stepWith(report, cmakePackages, 'build', () => build(host, hostDefinitions))
}

async function chosenTests(report, args) {
  await installMissing(cmakePackages)
  const built = await buildForHost(report)
  if (built) await report.step('native tests', () => ctest(host, { args }))
}
