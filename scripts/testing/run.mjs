import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

/** The folder of the repository. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** How many processes a step may keep busy. */
export const jobs = availableParallelism()

/** The path of a command on PATH, or undefined. */
export function which(command) {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter(folder => folder !== '')
    .map(folder => join(folder, command))
    .find(path => existsSync(path))
}

/**
 * Runs a command in the repository's folder.
 * @param {string[]} commandLine - The command and its arguments; no shell takes part.
 * @param {{ env?: Record<string, string>, quiet?: boolean }} [options] - `env` is added to the
 *   environment; `quiet` keeps the output back unless the command fails.
 * @returns {Promise<{ ok: boolean, output: string }>} `output` is empty unless `quiet`.
 */
export function run(commandLine, { env = {}, quiet = false } = {}) {
  const [command, ...args] = commandLine
  return new Promise(resolve => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', quiet ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit'],
    })
    const chunks = []
    child.stdout?.on('data', chunk => chunks.push(chunk))
    child.stderr?.on('data', chunk => chunks.push(chunk))
    child.on('error', error => resolve({ ok: false, output: `${command}: ${error.message}\n` }))
    child.on('close', (status, signal) => {
      const output = Buffer.concat(chunks).toString()
      const ok = status === 0
      if (!ok) {
        process.stdout.write(output)
        console.log(`${commandLine.join(' ')}: ${signal ? `ended by ${signal}` : `exit ${status}`}`)
      }
      resolve({ ok, output })
    })
  })
}

let addon

/** Builds the addon with node-gyp, once for all lanes of a process. @returns {Promise<boolean>} */
export function buildAddon() {
  addon ??= holds([process.execPath, join(root, 'scripts', 'build-native.mjs')], { quiet: true })
  return addon
}

/** As `run`, for a check that either holds or not. */
export async function holds(commandLine, options) {
  return (await run(commandLine, options)).ok
}
