// Builds the addon with node-gyp into build/Release/vitrine.node.
//
//   node scripts/build-native.mjs [--debug] [-- node-gyp arguments]
//
// Needs a C++20 compiler, make and python3. Node's headers are taken from beside the running binary
// (../include/node), so that no download takes place; where a distribution ships none, node-gyp
// fetches them. node-gyp is the project's own, or the one inside npm.

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/**
 * Writes the binding.gyp that node-gyp wants in the folder of a package; all that it says is in
 * native/binding.gypi. It is neither committed nor packed: where npm sees one in a package that came
 * from a registry, it has a compiler build it at every install, whatever package.json says of it.
 */
export function writeBindingGyp(folder) {
  const path = join(folder, 'binding.gyp')
  const text = '{ "includes": ["native/binding.gypi"] }\n'
  // Make compiles anew what is younger than its objects.
  if (!existsSync(path) || readFileSync(path, 'utf8') !== text) writeFileSync(path, text)
}

/** The folder that holds `include/node` for the running Node, or undefined where there is none. */
export function nodeHeadersRoot() {
  const configured = process.env.npm_config_nodedir
  const beside = dirname(dirname(realpathSync(process.execPath)))
  return [configured, beside].find(
    folder => folder && existsSync(join(folder, 'include', 'node', 'node_api.h')),
  )
}

/** The path of a node-gyp command: the project's own, npm's, or that of an npm beside Node. */
function findNodeGyp() {
  const prefix = dirname(dirname(realpathSync(process.execPath)))
  const bases = [
    pathToFileURL(join(root, 'package.json')),
    process.env.npm_execpath,
    join(prefix, 'lib', 'node_modules', 'npm', 'package.json'),
    join(prefix, 'node_modules', 'npm', 'package.json'),
  ]
  for (const base of bases) {
    if (!base) continue
    try {
      return createRequire(base).resolve('node-gyp/bin/node-gyp.js')
    } catch {
      // Not installed there: the next place may have it.
    }
  }
  return undefined
}

/**
 * Environment for compilers: through ccache where it is installed and nothing else was asked for;
 * VITRINE_WERROR=1 makes warnings errors.
 */
export function compilerEnvironment(environment = process.env) {
  const found = (environment.PATH ?? '')
    .split(delimiter)
    .some(folder => folder && existsSync(join(folder, 'ccache')))
  // Once: make takes other flags for another command, and compiles everything again.
  const flags = (environment.CXXFLAGS ?? '').split(' ').filter(flag => flag && flag !== '-Werror')
  return {
    ...environment,
    ...(environment.VITRINE_WERROR === '1' ? { CXXFLAGS: [...flags, '-Werror'].join(' ') } : {}),
    ...(found && !environment.CC && !environment.CXX ? { CC: 'ccache cc', CXX: 'ccache c++' } : {}),
  }
}

function main(args) {
  const nodeGyp = findNodeGyp()
  if (!nodeGyp) {
    console.error('node-gyp was not found. Install it with: npm install --no-save node-gyp')
    return 1
  }
  writeBindingGyp(root)
  const headers = nodeHeadersRoot()
  const gypArgs = [
    'configure',
    'build',
    args.includes('--debug') ? '--debug' : '--release',
    `--jobs=${availableParallelism()}`,
    '--loglevel=warn',
    ...(headers ? [`--nodedir=${headers}`] : []),
    ...(args.includes('--') ? args.slice(args.indexOf('--') + 1) : []),
  ]
  const { status, error } = spawnSync(process.execPath, [nodeGyp, ...gypArgs], {
    cwd: root,
    env: compilerEnvironment(),
    stdio: 'inherit',
  })
  if (error) console.error(error.message)
  return status ?? 1
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = main(process.argv.slice(2))
}
