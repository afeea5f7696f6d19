import { join } from 'node:path'
import { changedSources, formatCheck, tidyCheck } from './clang.mjs'
import { build, cmakePackages, configure, ctest } from './cmake.mjs'
import { gtest } from './gtest.mjs'
import { installMissing, stepWith } from './packages.mjs'
import { buildAddon, root } from './run.mjs'
import { vitest } from './vitest.mjs'

const crossPackages = [...cmakePackages, 'g++-aarch64-linux-gnu', 'qemu-user']
const tidyPackages = ['cmake', 'ninja-build', 'libgtest-dev', 'clang-tidy-16']

/** The folder for work on single files: nothing is joined, and editors read its compile commands. */
export const workFolder = 'build-cmake'
export const workDefinitions = ['VITRINE_JOINED=OFF', 'VITRINE_WERROR=ON']

/**
 * Lane `native`: what needs cmake, googletest, clang's tools or qemu. Arguments go to ctest, and
 * leave everything out but the native tests.
 */
export async function nativeLane(report, args) {
  if (args.length > 0) return chosenTests(report, args)
  await installMissing([...crossPackages, ...tidyPackages, 'clang-format-16'])

  await stepWith(report, ['clang-format-16'], 'clang-format', formatCheck)

  // The tests link what node-gyp compiled: they test what users get, and the engine is compiled once.
  const host = 'build-cmake-native'
  const built =
    (await report.step('build addon', buildAddon)) &&
    (await stepWith(report, cmakePackages, 'build', () =>
      build(host, [
        `VITRINE_ENGINE_OBJECTS=${join(root, 'build', 'Release', 'obj.target', 'vitrine')}`,
        'VITRINE_ADDON=OFF',
        'VITRINE_WERROR=ON',
      ]),
    ))
  if (built) await report.step('native tests', () => gtest(host))

  // The whole engine is compiled for ARM; of its tests only the kernels run, for qemu is slow.
  const cross = 'build-cmake-aarch64'
  const crossBuilt = await stepWith(report, crossPackages, 'build for aarch64', () =>
    build(cross, [
      'CMAKE_TOOLCHAIN_FILE=cmake/aarch64-linux-gnu.cmake',
      'VITRINE_ADDON=OFF',
      'VITRINE_WERROR=ON',
      'VITRINE_TEST_AREAS=kernels',
    ]),
  )
  if (crossBuilt) await report.step('NEON kernels under qemu', () => ctest(cross))

  await stepWith(report, ['cmake', 'ninja-build'], 'parity of the builds', () =>
    vitest(['toolchain']),
  )
  if (changedSources().length > 0) {
    await stepWith(report, tidyPackages, 'clang-tidy of changes', async () =>
      (await configure(workFolder, workDefinitions))
        ? tidyCheck(workFolder, changedSources())
        : false,
    )
  }
}

async function chosenTests(report, args) {
  await installMissing(cmakePackages)
  const built = await stepWith(report, cmakePackages, 'build', () =>
    build(workFolder, workDefinitions),
  )
  if (built) await report.step('native tests', () => ctest(workFolder, { args }))
}
