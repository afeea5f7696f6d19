/** The benchmark's own C++ programs, compiled for this very processor when they are first needed. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const bench = fileURLToPath(new URL('.', import.meta.url))

/** What every engine's program includes. */
const shared = join(bench, 'native', 'engine_program.h')

/** Of Debian: apt-get install libfaiss-dev libopenblas-dev */
const libraries = { faiss_engine: ['-lfaiss', '-lopenblas', '-lgomp'] }

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
  mkdirSync(join(bench, '.build'), { recursive: true })
  const compiler = process.env.CXX || 'c++'
  const words = ['-std=c++20', '-O3', '-march=native', '-DNDEBUG', '-w', '-pthread']
  if (name === 'hnswlib_engine') words.push('-isystem', hnswlibHeaders)
  try {
    execFileSync(compiler, [...words, source, '-o', program, ...(libraries[name] ?? [])], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
  } catch (error) {
    const said = error.stderr?.toString().trim().split('\n')[0] ?? error.message
    throw new Error(`${compiler} could not compile bench/native/${name}.cc: ${said}`, {
      cause: error,
    })
  }
  return program
}
