import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { holds, jobs, root } from './run.mjs'

/** Every C++ file of the repository, as paths from its root. */
export function cppFiles() {
  return ['native', 'test/native', 'test/fuzz', 'bench']
    .filter(folder => existsSync(join(root, folder)))
    .flatMap(folder => readdirSync(join(root, folder), { recursive: true, withFileTypes: true }))
    .filter(entry => entry.isFile() && /\.(h|cc)$/.test(entry.name))
    .map(entry => relative(root, join(entry.parentPath, entry.name)))
    .filter(path => !path.includes('node_modules'))
    .sort()
}

/** Whether every C++ file is formatted as .clang-format says. */
export function formatCheck() {
  return holds(['clang-format-16', '--dry-run', '--Werror', ...cppFiles()])
}

/** Files of the engine and its native tests that are not committed; all of them where git cannot tell. */
export function changedFiles() {
  const git = ['status', '--porcelain', '--untracked-files=all', '--', 'native', 'test/native']
  const { status, stdout } = spawnSync('git', git, { cwd: root, encoding: 'utf8' })
  return status === 0 ? stdout.split('\n').map(line => line.slice(3)) : cppFiles()
}

/** The sources of the engine and the binding among files, or whose header is. */
export function sourcesOf(files) {
  const { variables } = JSON.parse(readFileSync(join(root, 'native', 'sources.gypi'), 'utf8'))
  const listed = [...variables.vitrine_engine_sources, ...variables.vitrine_binding_sources]
  const sources = new Set(files.map(path => path.replace(/\.h$/, '.cc')))
  return listed.filter(source => sources.has(source))
}

/**
 * The units that a folder compiles, the largest first.
 * @param {string} folder - A build folder with compile_commands.json.
 */
export function unitsToTidy(folder) {
  const commands = JSON.parse(readFileSync(join(root, folder, 'compile_commands.json'), 'utf8'))
  const weight = unit => statSync(join(root, unit)).size + 10_000 * includedSources(unit).length
  return commands.map(({ file }) => relative(root, file)).sort((a, b) => weight(b) - weight(a))
}

const includedSources = unit =>
  [...readFileSync(join(root, unit), 'utf8').matchAll(/^#include "(.*\.cc)"$/gm)].map(
    ([, path]) => `native/${path}`,
  )

/**
 * Runs clang-tidy on files, several at a time. A file that was clean is not looked at again until
 * it, what it joins, a header or the list of checks changes.
 * @param {string} folder - A build folder with compile_commands.json.
 * @param {string[]} files - Paths from the root.
 * @returns {Promise<{ passed: number, failed: number }>} Counts of files.
 */
export async function tidyCheck(folder, files) {
  const common = createHash('sha256').update(readFileSync(join(root, '.clang-tidy')))
  for (const header of cppFiles().filter(path => /^native.*\.h$/.test(path))) {
    common.update(header).update(readFileSync(join(root, header)))
  }
  const clean = join(root, folder, 'clang-tidy-clean')
  mkdirSync(clean, { recursive: true })

  const queue = [...files]
  const counts = { passed: 0, failed: 0 }
  const work = async () => {
    for (let file = queue.shift(); file; file = queue.shift()) {
      const hash = common.copy()
      for (const path of [file, ...includedSources(file)]) {
        hash.update(path).update(readFileSync(join(root, path)))
      }
      const stamp = join(clean, hash.digest('hex'))
      const ok = existsSync(stamp) || (await tidy(folder, file))
      if (ok) writeFileSync(stamp, '')
      counts[ok ? 'passed' : 'failed'] += 1
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
  return counts
}

function tidy(folder, file) {
  return holds(['clang-tidy-16', '--quiet', '-p', folder, file], { quiet: true })
}
