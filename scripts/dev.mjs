// Rebuilds what changed and reruns the tests that speak of it, whenever a file is saved:
//
//   npm run dev                      from now on, until Ctrl+C
//   npm run dev -- --once            for what is not committed
//   npm run dev -- --once FILE...    as if these files had just changed
//
// Native sources are compiled one by one in build-cmake, through ccache where it is installed, at
// the optimisation that users get; vitest loads the addon from there. A change that reaches further
// than its own layer is found by `npm test`.

import { spawnSync } from 'node:child_process'
import { existsSync, watch } from 'node:fs'
import { join, sep } from 'node:path'
import process from 'node:process'
import { build, cmakePackages } from './testing/cmake.mjs'
import { gtest } from './testing/gtest.mjs'
import { workDefinitions, workFolder } from './testing/native-lane.mjs'
import { installMissing } from './testing/packages.mjs'
import { Report } from './testing/report.mjs'
import { holds, root } from './testing/run.mjs'
import { touchedBy } from './testing/touched.mjs'

const watched = ['native', 'lib', 'test']
/** Editors save several files at once. */
const quietMs = 100

const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')

/** Builds and tests. @returns {Promise<boolean>} Whether all is well. */
async function rerun(paths) {
  const touched = touchedBy(paths)
  if (!touched.addon && touched.native.size === 0 && touched.vitest.length === 0) return true
  const report = new Report({ skipFails: false })
  await report.lane('dev', () => steps(report, touched))
  return report.close() === 0
}

async function steps(report, { addon, native, vitest: files }) {
  const programs = [...native.keys()].map(area => `${area}_tests`)
  // Tests of lib/ load the addon from the same folder.
  const targets = [...programs, ...(addon || files.length > 0 ? ['vitrine'] : [])]
  const built = await report.step('build', () => build(workFolder, workDefinitions, targets))
  if (!built) return
  for (const [area, filter] of native) {
    await report.step(`${area} tests`, () =>
      gtest(workFolder, { filter, programs: [`${area}_tests`] }),
    )
  }
  if (files.length === 0) return
  await report.step('typecheck', () => holds([process.execPath, tsc, '-p', 'tsconfig.json']))
  await report.step('vitest', () =>
    holds(
      [
        process.execPath,
        vitest,
        'related',
        '--run',
        '--passWithNoTests',
        '--project',
        'engine',
      ].concat(files),
      { env: { VITRINE_PREBUILD: join(root, workFolder) } },
    ),
  )
}

const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')

/** What git says is changed or new. */
function uncommitted() {
  const git = ['status', '--porcelain', '--untracked-files=all', '--', ...watched]
  const { stdout } = spawnSync('git', git, { cwd: root, encoding: 'utf8' })
  const paths = stdout.split('\n').map(line => line.slice(3).replace(/^.* -> /, ''))
  return paths.filter(path => path !== '' && existsSync(join(root, path)))
}

/** Runs again whenever files change; what is saved meanwhile is the next run. */
function watchFiles() {
  const changed = new Set()
  let running = false
  let timer
  const start = async () => {
    if (running || changed.size === 0) return
    running = true
    const paths = [...changed].filter(path => existsSync(join(root, path)))
    changed.clear()
    console.log(`\n${new Date().toLocaleTimeString()}  ${paths.join(', ')}`)
    await rerun(paths)
    running = false
    await start()
  }
  for (const folder of watched) {
    watch(join(root, folder), { recursive: true }, (_event, name) => {
      if (name === null || !/\.(cc|h|ts)$/.test(name)) return
      changed.add([folder, ...name.split(sep)].join('/'))
      clearTimeout(timer)
      timer = setTimeout(start, quietMs)
    })
  }
  console.log(`watching ${watched.join(', ')}`)
}

const args = process.argv.slice(2)
await installMissing(cmakePackages)
if (args[0] === '--once') {
  const paths = args.length > 1 ? args.slice(1) : uncommitted()
  process.exitCode = (await rerun(paths)) ? 0 : 1
} else {
  // Everything once, so that a change is all that a change has to wait for.
  const report = new Report({ skipFails: false })
  await report.lane('dev', () => report.step('build', () => build(workFolder, workDefinitions)))
  if (report.close() === 0) watchFiles()
  else process.exitCode = 1
}
