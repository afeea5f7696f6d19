import { existsSync, readFileSync } from 'node:fs'
import { build, cmakePackages, ctest, testFiles } from './cmake.mjs'
import { allBut, gtest, heavyFiles, heavyTests } from './gtest.mjs'
import { installMissing, stepWith } from './packages.mjs'
import { which } from './run.mjs'

const folder = 'build-cmake-tsan'
// Clang's runtime takes half the time of the one in GCC 12.
const packages = [...cmakePackages, 'clang-16', 'libclang-rt-16-dev']

// Nothing races in a file that speaks of no threads, of no pool of them, and of no database, which has
// some of its own.
const isLeft = (name, text) => heavyFiles.includes(name) || !/thread|Database/i.test(text)

const left = [
  ...heavyTests,
  // Have one thread, or start processes that are killed before they could tell of a race.
  ...['LeavesNothingWithoutPublish', 'CodeStore.GivesTheSameBits', 'AKilledProcess'],
  ...['EveryLazySection', 'TableImages', 'TableFileShapes', 'TellsOfEachReadThatFails'],
  ...['IsOpenedByAsManyReads', 'ExtremeComponents', 'SearchPhases.A', 'OfABatchAreThose'],
  // Compare bytes with floats. EndBesideSearches has them used and given up at the same time.
  ...['GiveTheDistancesOfBytes', 'CompareOtherQueriesWithTheVectors', 'FollowWhatIsWritten'],
  ...['EndWithAVectorThatIsNone', 'ComeBackFromAFile', 'AreNotMadeOfOtherVectors'],
  'TableBytesOfHalves',
  // The same threads as with another metric.
  ...['MappedCollection.*/cosine', 'UnsettledDatabase.*/cosine', 'TableBytes.*/cosine'],
]

/** Lane `tsan`: native tests with ThreadSanitizer. */
export async function threadLane(report, args) {
  await installMissing(packages)
  const built = await stepWith(report, packages, 'build', () =>
    build(folder, [
      'CMAKE_BUILD_TYPE=Debug',
      'CMAKE_CXX_COMPILER=clang++-16',
      'VITRINE_SANITIZE=thread',
      'VITRINE_ADDON=OFF',
      // Who asks for a test by name gets it.
      `VITRINE_TESTS_LEFT=${args.length > 0 ? '' : testFiles(isLeft)}`,
    ]),
  )
  if (!built) return
  const env = { TSAN_OPTIONS: 'halt_on_error=1 second_deadlock_stack=1' }
  const wrapper = fixedAddresses()
  await report.step('native tests', () =>
    args.length > 0
      ? ctest(folder, { args, env, wrapper })
      : gtest(folder, { filter: allBut(left), env, wrapper }),
  )
}

// The runtime of Clang 16 stops at once where addresses are more random than it knows of.
function fixedAddresses() {
  const bits = '/proc/sys/vm/mmap_rnd_bits'
  const random = existsSync(bits) && Number(readFileSync(bits, 'utf8')) > 28
  return random && which('setarch') ? ['setarch', '-R'] : []
}
