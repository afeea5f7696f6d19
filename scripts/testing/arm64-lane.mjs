import { join } from 'node:path'
import process from 'node:process'
import { build, cmakePackages, testFiles } from './cmake.mjs'
import { allBut, gtest, heavyFiles, heavyTests } from './gtest.mjs'
import { installMissing, stepWith } from './packages.mjs'
import { holds, root } from './run.mjs'

/** What compiling for 64-bit ARM and running it here needs. */
export const crossPackages = [...cmakePackages, 'g++-aarch64-linux-gnu', 'qemu-user']

/** Starts a program for 64-bit ARM. */
export const emulator = ['qemu-aarch64', '-L', '/usr/aarch64-linux-gnu']

const leftFiles = [...heavyFiles, 'storage_log_faults']
const left = [
  ...heavyTests,
  // Reserve address space that nobody has: qemu keeps a table of every page of it.
  'Refused',
  // Compute distances for minutes, as the tests of the kernels do.
  ...['OwnVectors', 'FewVectors', 'IsWholeWhileWritersRun'],
  // The same as by l2, over kernels that have tests of their own.
  ...['TableBytes.*/cosine', 'TableBytes.*/ip', 'MappedCollection.*/cosine'],
  'UnsettledDatabase.*/cosine',
  // Write, cut and flip the same bytes on every processor.
  ...['Crash', 'Faults', 'AKilledProcess'],
]

/**
 * Lane `arm64`: the binary that npm packs for it, the native tests linked with the objects of that
 * binary, and the binary in the Node that npm packages for ARM, all emulated.
 */
export async function arm64Lane(report) {
  await installMissing(crossPackages)
  const script = (name, argument) =>
    holds([process.execPath, join(root, 'scripts', name), argument])
  if (!(await stepWith(report, crossPackages, 'prebuild', () => script('prebuild.mjs', 'arm64')))) {
    return
  }
  const folder = 'build-cmake-arm64'
  const objects = join(root, 'build-arm64', 'build', 'Release', 'obj.target', 'vitrine')
  const [built] = await Promise.all([
    report.step('build', () =>
      build(folder, [
        'CMAKE_TOOLCHAIN_FILE=cmake/aarch64-linux-gnu.cmake',
        `VITRINE_ENGINE_OBJECTS=${objects}`,
        'VITRINE_ADDON=OFF',
        `VITRINE_TESTS_LEFT=${testFiles(name => leftFiles.includes(name))}`,
        'VITRINE_WERROR=ON',
      ]),
    ),
    // One thread most of the time, so beside the build.
    report.step('addon under Node', () => script('test-runtimes.mjs', 'arm64')),
  ])
  if (!built) return
  await report.step('native tests', () =>
    gtest(folder, { filter: allBut(left), wrapper: emulator }),
  )
}
