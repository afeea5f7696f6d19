/** One engine in a process of its own, pinned to its cores, driven by the lines of engines/protocol.mjs. */
import { spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { formatLine, parseLine } from './engines/protocol.mjs'

let pinningWorks

/** Whether processes can be kept on one core here; without that, the CPU time of a process still counts only its own work. */
export function canPin() {
  pinningWorks ??= spawnSync('taskset', ['-c', '0', 'true']).status === 0
  return pinningWorks
}

export class EngineProcess {
  #child
  #pending
  #complaints = ''

  /**
   * @param {object} launch
   * @param {string} launch.name - Of the engine, for messages.
   * @param {string[]} launch.command
   * @param {number[]} launch.cores
   */
  constructor({ name, command, cores }) {
    this.name = name
    const pinned = canPin() ? ['taskset', '-c', cores.join(','), ...command] : command
    this.#child = spawn(pinned[0], pinned.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child.stderr.on('data', chunk => {
      this.#complaints = (this.#complaints + chunk).slice(-2000)
    })
    this.#child.stdin.on('error', () => {})
    this.#child.once('error', error => this.#fail(error.message))
    this.#child.once('close', (code, signal) =>
      this.#fail(`ended with ${signal ?? code} ${this.#complaints.trim()}`),
    )
    createInterface({ input: this.#child.stdout }).on('line', line => this.#receive(line))
  }

  /**
   * Sends one command and waits for its reply.
   * @param {string} verb
   * @param {import('./engines/protocol.mjs').Fields} [fields]
   * @returns {Promise<Record<string, string>>}
   */
  request(verb, fields) {
    return new Promise((resolve, reject) => {
      if (this.#pending) throw new Error(`${this.name} is still busy`)
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        throw new Error(`${this.name} ${verb}: the process has ended ${this.#complaints.trim()}`)
      }
      this.#pending = { verb, resolve, reject }
      this.#child.stdin.write(`${formatLine(verb, fields)}\n`)
    })
  }

  /**
   * A command that takes time.
   * @returns {Promise<{ cpu: number, wall: number }>} Seconds.
   */
  async timed(verb, fields) {
    const reply = await this.request(verb, fields)
    return { cpu: Number(reply.cpu), wall: Number(reply.wall) }
  }

  /** Ends the process and waits until it is gone. */
  async close() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = new Promise(resolve => this.#child.once('close', resolve))
    this.#child.stdin.end()
    await gone
  }

  #receive(line) {
    const { verb, fields } = parseLine(line.startsWith('error ') ? 'error' : line)
    if (!this.#pending || (verb !== 'ok' && verb !== 'error')) return
    const { resolve, reject, verb: asked } = this.#pending
    this.#pending = undefined
    if (verb === 'ok') resolve(fields)
    else reject(new Error(`${this.name} ${asked}: ${line.slice('error '.length)}`))
  }

  #fail(reason) {
    this.#pending?.reject(new Error(`${this.name} ${this.#pending.verb}: ${reason}`))
    this.#pending = undefined
  }
}
