import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { root } from './layers.ts'

/** Bytes of freed memory that AddressSanitizer holds back, which a limit on growth must allow for. */
export const quarantineBytes = process.env.VITRINE_SANITIZER === 'address' ? 40 * 2 ** 20 : 0

/** How a program of test/programs ended. */
export interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly output: string
  readonly errors: string
}

/** Runs a program of test/programs; it imports the compiled library. */
export function runProgram(
  name: string,
  args: readonly string[] = [],
  nodeOptions: readonly string[] = [],
): Promise<Ending> {
  const path = join(root, 'test', 'programs', name)
  const child = spawn(process.execPath, [...nodeOptions, path, ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', chunk => {
    output += chunk
  })
  child.stderr.setEncoding('utf8').on('data', chunk => {
    errors += chunk
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal, output, errors }))
  })
}

/** Calls `run` for each item, at most two at a time. */
export async function twoAtATime<T>(items: readonly T[], run: (item: T) => Promise<void>) {
  const queue = [...items]
  const lane = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await run(item)
  }
  await Promise.all([lane(), lane()])
}
