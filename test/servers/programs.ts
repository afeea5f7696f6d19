import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A process that is ended with the test, and what it said. */
export class Program {
  readonly #child: ChildProcess
  #said = ''

  constructor(command: string, args: readonly string[]) {
    this.#child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', chunk => {
        this.#said += chunk
      })
    }
    this.#child.on('error', error => {
      this.#said += error.message
    })
  }

  /** Waits until it has said something like this. */
  async says(pattern: RegExp): Promise<RegExpMatchArray> {
    return eventually(async () => {
      const match = this.#said.match(pattern)
      if (match === null) throw new Error(`it says no ${pattern}, but: ${this.#said}`)
      return match
    })
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.pid === undefined) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    await ended
  }
}

/** A port of this machine that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

/** Tries until it succeeds, for half a minute; then its last failure. */
export async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  for (let left = 300; ; left--) {
    try {
      return await attempt()
    } catch (error) {
      if (left === 0) throw error
    }
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}
