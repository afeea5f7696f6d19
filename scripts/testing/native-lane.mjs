import { formatCheck, tidyCheck } from './clang.mjs'
import { build, cmakePackages, ctest } from './cmake.mjs'
import { installMissing, stepWith } from './packages.mjs'
import { vitest } from './vitest.mjs'

const crossPackages = [...cmakePackages, 'g++-aarch64-linux-gnu', 'qemu-user']
const tidyPackages = ['cmake', 'ninja-build', 'libgtest-dev', 'clang-tidy-16']

/** Lane `native`: what needs cmake, googletest, clang's tools or qemu. */
export async function nativeLane(report, args) {
  await installMissing([...crossPackages, ...tidyPackages, 'clang-format-16'])

  await stepWith(report, ['clang-format-16'], 'clang-format', formatCheck)

  const host = 'build-cmake'
  const built = await stepWith(report, cmakePackages, 'build', () =>
    build(host, ['VITRINE_WERROR=ON']),
  )
  if (built) await report.step('native tests', () => ctest(host, { args }))

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
  if (built) await stepWith(report, tidyPackages, 'clang-tidy', () => tidyCheck(host))
}
