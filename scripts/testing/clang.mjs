import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
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

// The sources that both builds compile.
function listedSources() {
  const { variables } = JSON.parse(readFileSync(join(root, 'native', 'sources.gypi'), 'utf8'))
  return [...variables.vitrine_engine_sources, ...variables.vitrine_binding_sources]
}

/**
 * Runs clang-tidy on the engine and the binding, several at a time. A file that was clean is not
 * looked at again until it, a header or the list of checks changes.
 * @param {string} folder - A build folder with compile_commands.json.
 * @returns {Promise<{ passed: number, failed: number }>} Counts of files.
 */
export async function tidyCheck(folder) {
  const common = createHash('sha256').update(readFileSync(join(root, '.clang-tidy')))
  for (const header of cppFiles().filter(path => /^native.*\.h$/.test(path))) {
    common.update(header).update(readFileSync(join(root, header)))
  }
  const clean = join(root, folder, 'clang-tidy-clean')
  mkdirSync(clean, { recursive: true })

  const queue = listedSources()
  const counts = { passed: 0, failed: 0 }
  const work = async () => {
    for (let file = queue.shift(); file; file = queue.shift()) {
      const key = common
        .copy()
        .update(file)
        .update(readFileSync(join(root, file)))
        .digest('hex')
      const stamp = join(clean, key)
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
