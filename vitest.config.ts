import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

// Tests of the repository itself, its documents, benchmark and packages: what they say of the addon
// the others say as well, so the sanitizer lanes leave them out.
const repository = ['bench-loaders', 'bench-statistics', 'documents', 'layering', 'workflows'].map(
  name => `test/${name}.test.ts`,
)
// What is published, and programs that are compiled apart: a lane of its own, for it takes long and
// shows what few changes touch.
const published = ['api-pages', 'bench-programs', 'packaging', 'readme'].map(
  name => `test/${name}.test.ts`,
)
// Compute a lot, which is what sanitized native tests do as well.
const heavy = process.env.VITRINE_SANITIZER === undefined ? [] : ['test/recall*.test.ts']
// Needs cmake as well: part of the native lane.
const toolchain = ['test/build-parity.test.ts']
// Needs other people's servers: a lane of its own.
const servers = ['test/servers/*.test.ts']

// Files of one worker share its modules: reading them anew for each file takes longer than many files.
const isolate = false

// The files that take longest, begun first: a core that gets one of them last leaves the others idle.
const longest = ['workers', 'recall', 'index-lifecycle', 'documents']

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]) {
    const isLongest = (name: string) => (file: TestSpecification) =>
      file.moduleId.endsWith(`/${name}.test.ts`)
    const first = longest.flatMap(name => files.filter(isLongest(name)))
    const rest = files.filter(file => !first.includes(file))
    return [...first, ...(await super.sort(rest))]
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    // Most tests wait for processes and timers now and then. The default leaves one of two cores idle.
    maxWorkers: availableParallelism(),
    projects: [
      {
        test: {
          name: 'engine',
          isolate,
          include: ['test/**/*.test.ts'],
          exclude: [...repository, ...published, ...heavy, ...toolchain, ...servers],
          // Sanitized code runs at a fraction of the speed.
          testTimeout: process.env.VITRINE_SANITIZER === undefined ? 30_000 : 300_000,
        },
      },
      { test: { name: 'repository', isolate, include: repository, testTimeout: 240_000 } },
      { test: { name: 'package', isolate, include: published, testTimeout: 240_000 } },
      { test: { name: 'toolchain', include: toolchain, testTimeout: 240_000 } },
      { test: { name: 'servers', include: servers, testTimeout: 60_000 } },
    ],
  },
})
