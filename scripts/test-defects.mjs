// Breaks one rule of durability after the other, and sees that a native test notices:
//
//   npm run test:defects [-- name...]
//
// Builds the tests of storage and databases once, with the defects of native/base/seeded_defect.h in them, and runs them for each
// defect. Prints which test caught it and after how long; fails when one goes unnoticed. Tier M: takes some minutes.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import process from 'node:process'
import { build } from './testing/cmake.mjs'
import { jobs, root } from './testing/run.mjs'
import { seededDefects } from './testing/seeded-defects.mjs'

const folder = 'build-cmake-defects'
/** Those that know a layer first. */
const programs = {
  storage: ['storage_tests', 'database_tests'],
  engine: ['database_tests', 'storage_tests'],
  index: ['database_tests', 'storage_tests'],
}
/** Of one test: one that waits for ever has noticed as well. */
const mostSeconds = 600

/** Runs one program with a defect. @returns What noticed: a test, or undefined. */
function noticedBy(program, defect) {
  return new Promise(resolve => {
    const child = spawn(join(root, folder, program), ['--gtest_fail_fast'], {
      env: { ...process.env, VITRINE_SEEDED_DEFECT: defect, VITRINE_EVERY_ROUND: '1' },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const timer = setTimeout(() => child.kill('SIGKILL'), mostSeconds * 1000)
    let last = 'its start'
    let failed
    child.stdout.setEncoding('utf8').on('data', text => {
      timer.refresh()
      const begun = [...text.matchAll(/^\[ RUN {6}\] (.*)$/gm)].at(-1)
      // Further such lines are of the summary.
      failed ??= /^\[ {2}FAILED {2}\] ([^\s,]+)/m.exec(text)?.[1]
      last = failed ?? begun?.[1] ?? last
    })
    child.on('close', (status, signal) => {
      clearTimeout(timer)
      if (status === 0) resolve(undefined)
      else resolve(signal === null ? last : `${last} (${signal})`)
    })
  })
}

async function judge({ name, layer }) {
  const start = performance.now()
  let by
  for (const program of programs[layer]) by ??= await noticedBy(program, name)
  return { name, by, seconds: (performance.now() - start) / 1000 }
}

async function main(chosen) {
  const built = await build(folder, [
    'VITRINE_SEEDED_DEFECTS=ON',
    'VITRINE_ADDON=OFF',
    'VITRINE_TEST_AREAS=storage;database',
  ])
  if (!built) return 1
  const defects = seededDefects()
  // Without a defect, too: tests that fail anyway notice nothing.
  const sound = { name: '', layer: 'storage' }
  const queue =
    chosen.length > 0 ? defects.filter(({ name }) => chosen.includes(name)) : [sound, ...defects]
  const results = []
  const work = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const result = await judge(next)
      results.push(result)
      const { name, by = 'nothing', seconds } = result
      console.log(`${(name || '(no defect)').padEnd(34)}${seconds.toFixed(1).padStart(7)} s  ${by}`)
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
  const seeded = results.filter(({ name }) => name !== sound.name)
  const unnoticed = seeded.filter(({ by }) => by === undefined)
  const failing = results.some(({ name, by }) => name === sound.name && by !== undefined)
  console.log(`\n${seeded.length - unnoticed.length} of ${seeded.length} defects caught`)
  for (const { name } of unnoticed) console.error(`${name} went unnoticed`)
  if (failing) console.error('the tests fail without a defect')
  return failing || unnoticed.length > 0 ? 1 : 0
}

process.exitCode = await main(process.argv.slice(2))
