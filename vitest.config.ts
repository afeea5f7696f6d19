import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

// Tests of the repository itself, its documents, benchmark and packages: what they say of the addon
// the others say as well, so the sanitizer lanes leave them out.
const repository = ['bench-*', 'documents', 'layering', 'packaging*', 'readme', 'workflows'].map(
  name => `test/${name}.test.ts`,
)
// Compute a lot, which is what sanitized native tests do as well.
const heavy = process.env.VITRINE_SANITIZER === undefined ? [] : ['test/recall*.test.ts']
// Needs cmake as well: part of the native lane.
const toolchain = ['test/build-parity.test.ts']

export default defineConfig({
  test: {
    // Most tests wait for processes and timers now and then. The default leaves one of two cores idle.
    maxWorkers: availableParallelism(),
    projects: [
      {
        test: {
          name: 'engine',
          include: ['test/**/*.test.ts'],
          exclude: [...repository, ...heavy, ...toolchain],
          // Sanitized code runs at a fraction of the speed.
          testTimeout: process.env.VITRINE_SANITIZER === undefined ? 30_000 : 300_000,
        },
      },
      { test: { name: 'repository', include: repository, testTimeout: 240_000 } },
      { test: { name: 'toolchain', include: toolchain, testTimeout: 240_000 } },
    ],
  },
})
