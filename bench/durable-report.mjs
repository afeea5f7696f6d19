/** What `npm run bench:durable` measured, as tables for people. */
import { median } from './statistics.mjs'
import { bytes, count, duration, fixed, formatTable } from './table.mjs'

/** @returns {string} */
export function reportDurable({ machine, ingest, reopen, eventLoop }) {
  const sections = [
    `\nprocessor  ${machine.processor}${machine.family ? `, ${machine.family}` : ''}\n` +
      `machine    ${machine.cores} cores, ${bytes(machine.memoryBytes)}, ${machine.system}, Node ${machine.node}, ` +
      `load ${machine.load.toFixed(1)}`,
    ingest && ingestSection(ingest),
    eventLoop && eventLoopSection(eventLoop),
    reopen && reopenSection(reopen),
  ]
  return `${sections.filter(Boolean).join('\n\n')}\n`
}

function ingestSection(ingest) {
  const columns = [
    { title: 'durable ingest', align: 'left', cell: row => `${row.dimension}-d, ${row.shape}` },
    { title: 'flushes/s', cell: row => count(row.flushes) },
    { title: 'vitrine/s', cell: row => count(row.points.vitrine) },
    { title: 'index apart/s', cell: row => count(row.points.unlinked) },
    { title: 'writes a flush', cell: row => ratio(writesOf(row, 'unlinked'), row.flushesOfRounds) },
    { title: 'better-sqlite3/s', cell: row => count(row.points['better-sqlite3']) },
    { title: '×', cell: row => ratio(ratesOf(row, 'vitrine'), ratesOf(row, 'better-sqlite3')) },
    {
      title: '× index apart',
      cell: row => ratio(ratesOf(row, 'unlinked'), ratesOf(row, 'better-sqlite3')),
    },
    {
      title: '× one writer of it',
      cell: row => ratio([row.points.vitrine], oneWriterOf(ingest, row)),
    },
    {
      title: '× that, index apart',
      cell: row => ratio([row.points.unlinked], oneWriterOf(ingest, row)),
    },
  ]
  return formatTable(columns, ingest)
}

const ratesOf = (row, name) => row.pointsOfRounds[name]
const writesOf = (row, name) => ratesOf(row, name).map(points => points / row.batch)

/** What better-sqlite3 does one point at a time. */
function oneWriterOf(ingest, { dimension }) {
  const single = ingest.find(row => row.dimension === dimension && row.shape === 'one writer')
  const rate = single?.points['better-sqlite3']
  return rate === undefined ? undefined : [rate]
}

/** The median of the rounds' ratios: what was measured at about the same time. */
function ratio(rates, others) {
  if (rates === undefined || others === undefined) return undefined
  return `${fixed(median(rates.map((rate, round) => rate / others[round])), 2)} ×`
}

function eventLoopSection({ points, dimension, searches, writes, seconds, rest, busy, work }) {
  const columns = [
    { title: 'event loop delay', align: 'left', cell: row => row.name },
    { title: 'p50', cell: row => duration(row.p50) },
    { title: 'p99', cell: row => duration(row.p99) },
    { title: 'max', cell: row => duration(row.max) },
  ]
  const rows = [
    { name: 'at rest', ...rest },
    { name: 'beside busy threads', ...busy },
    { name: '1,000 searches, writes, a checkpoint', ...work },
  ]
  const done = `${count(searches / seconds)} searches/s and ${count(writes / seconds)} batches of 100/s`
  return `${formatTable(columns, rows)}\n  ${done} on ${count(points)} x ${dimension}`
}

function reopenSection({ points, dimension, bytes: size, times }) {
  const columns = [
    {
      title: 'reopen',
      align: 'left',
      cell: row => `${count(points)} x ${dimension}, ${row.cache}`,
    },
    { title: 'files', cell: () => bytes(size) },
    { title: 'read', cell: row => duration(row.read) },
    { title: 'keep', cell: row => duration(row.keep) },
    { title: 'open', cell: row => duration(row.open) },
    { title: 'search', cell: row => duration(row.search) },
    { title: 'open / read', cell: row => `${fixed(row.ratio, 2)} ×` },
    { title: 'open / keep', cell: row => `${fixed(row.ratioOfKeep, 2)} ×` },
  ]
  return formatTable(columns, times)
}
