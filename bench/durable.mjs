/** `npm run bench:durable`: what durable collections cost and do. docs/benchmarks.md says how it measures. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { runCommand } from './command.mjs'
import { reportDurable } from './durable-report.mjs'
import { describeMachine } from './machine.mjs'
import { measureEventLoop } from './measures/event-loop.mjs'
import { measureIngest } from './measures/ingest.mjs'
import { measureReopen } from './measures/reopen.mjs'
import { installPeers } from './peers.mjs'
import { SqliteStore } from './stores/sqlite-store.mjs'
import { VitrineStore } from './stores/vitrine-store.mjs'

const usage = `Usage: npm run bench:durable -- [options]

  --folder DIR     where to write, on the device to be measured; default here
  --only NAMES     ingest,reopen,event-loop; default all
  --rounds N       in turn, default 5
  --seconds N      of one chunk of ingest, default 1, and of the event loop at work, default 10 times that
  --points N       of reopen, default 100000; of the event loop a tenth
  --out FILE       JSON for programs
  --alone          without better-sqlite3, which is installed into bench/peers when it is first asked for`

function note(line) {
  process.stderr.write(`${(performance.now() / 1000).toFixed(0).padStart(5)} s  ${line}\n`)
}

function parse(words) {
  const { values } = parseArgs({
    args: words,
    options: {
      folder: { type: 'string', default: '.' },
      only: { type: 'string', default: 'ingest,reopen,event-loop' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '1' },
      points: { type: 'string', default: '100000' },
      out: { type: 'string' },
      alone: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const [rounds, seconds, points] = [values.rounds, values.seconds, values.points].map(Number)
  if (![rounds, seconds, points].every(value => value > 0)) throw new Error('numbers are positive')
  return { ...values, only: new Set(values.only.split(',')), rounds, seconds, points }
}

function storesOf(alone) {
  const { writers } = VitrineStore
  const stores = [
    { name: 'vitrine', writers, open: VitrineStore.open },
    { name: 'unlinked', writers, open: VitrineStore.openUnlinked },
  ]
  if (alone) return stores
  installPeers(note, ['better-sqlite3'])
  return [
    ...stores,
    { name: 'better-sqlite3', writers: SqliteStore.writers, open: SqliteStore.open },
  ]
}

async function main({ folder: parent, only, rounds, seconds, points, out, alone }) {
  const folder = mkdtempSync(join(resolve(parent), 'vitrine-durable-'))
  const clear = () => rmSync(folder, { recursive: true, force: true })
  process.once('exit', clear)
  const report = { format: 1, measuredAt: new Date().toISOString(), machine: describeMachine() }
  if (only.has('ingest')) {
    const options = { folder, dimensions: [128, 768], rounds, seconds, note }
    report.ingest = await measureIngest({ ...options, stores: storesOf(alone) })
  }
  if (only.has('event-loop')) {
    const work = { points: Math.ceil(points / 10), seconds: 10 * seconds }
    report.eventLoop = await measureEventLoop({ folder, ...work, note })
  }
  if (only.has('reopen')) report.reopen = await measureReopen({ folder, points, rounds, note })
  process.stdout.write(reportDurable(report))
  if (out) writeFileSync(out, `${JSON.stringify(report, null, 2)}\n`)
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130))
await runCommand(usage, parse, main)
