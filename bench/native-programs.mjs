/** The benchmark's own C++ programs, compiled when they are first needed; those of other engines for this very processor. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const bench = fileURLToPath(new URL('.', import.meta.url))

/** What every engine's program includes. */
const shared = join(bench, 'native', 'engine_program.h')

/** Of Debian: apt-get install libfaiss-dev libopenblas-dev */
const libraries = { faiss_engine: ['-lfaiss', '-lopenblas', '-lgomp'] }

/** Programs that this process has made. */
const fresh = new Set()

/** Where hnswlib-node keeps the headers of the C++ library. */
export const hnswlibHeaders = join(bench, 'peers/node_modules/hnswlib-node/src/hnswlib')

/**
 * The path of a program of bench/native, newer than its source.
 * @param {'exact_neighbors' | 'hnswlib_engine' | 'faiss_engine'} name
 * @throws {Error} with what the compiler said.
 */
export function compiled(name) {
  const source = join(bench, 'native', `${name}.cc`)
  const program = join(bench, '.build', name)
  const newest = Math.max(...[source, shared].map(path => statSync(path).mtimeMs))
  if (existsSync(program) && statSync(program).mtimeMs >= newest) return program
  const words = ['-std=c++20', '-O3', '-march=native', '-DNDEBUG', '-w', '-pthread']
  if (name === 'hnswlib_engine') words.push('-isystem', hnswlibHeaders)
  compile(name, [...words, source, '-o', program, ...(libraries[name] ?? [])])
  return program
}

/**
 * The path of a program of bench/native that uses this engine: compiled as the addon is, and linked with the very objects of
 * `npm run build:native`. Made anew each time: it takes seconds.
 * @param {'statistics_cost'} name
 * @param {readonly string[]} defines
 * @throws {Error} with what the compiler said.
 */
export function compiledWithEngine(name, defines) {
  const program = join(bench, '.build', [name, ...defines].join('-'))
  if (fresh.has(program)) return program
  const objects = join(bench, '../build/Release/obj.target/vitrine')
  if (!existsSync(objects)) throw new Error('no objects of the engine: npm run build:native')
  const units = execFileSync(process.execPath, ['scripts/joined-sources.mjs', 'engine'], {
    cwd: join(bench, '..'),
    encoding: 'utf8',
  })
  const engine = units
    .trim()
    .split(/\s+/)
    .map(path => join(objects, path.replace(/\.cc$/, '.o')))
  const { variables } = JSON.parse(readFileSync(join(bench, '../native/sources.gypi'), 'utf8'))
  compile(name, [
    ...variables.vitrine_cflags_cc,
    ...variables.vitrine_release_cflags_cc,
    ...[...variables.vitrine_release_defines, ...defines].map(word => `-D${word}`),
    '-I',
    join(bench, '../native'),
    '-pthread',
    join(bench, 'native', `${name}.cc`),
    ...engine,
    '-o',
    program,
  ])
  fresh.add(program)
  return program
}

function compile(name, words) {
  mkdirSync(join(bench, '.build'), { recursive: true })
  const compiler = process.env.CXX || 'c++'
  try {
    execFileSync(compiler, words, { stdio: ['ignore', 'ignore', 'pipe'] })
  } catch (error) {
    const said = error.stderr?.toString().trim().split('\n')[0] ?? error.message
    throw new Error(`${compiler} could not compile bench/native/${name}.cc: ${said}`, {
      cause: error,
    })
  }
}
