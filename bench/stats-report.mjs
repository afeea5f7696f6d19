/** The report of bench/stats.mjs for people. */
import { bytes, count, duration, fixed, formatTable } from './table.mjs'

const percent = ratio => `${((ratio - 1) * 100).toFixed(1)} %`

/** @param {any} report */
export function reportStats({ machine, instructions, flush, time, calls, memory, exports }) {
  const parts = [
    `What statistics cost, on ${machine.processor} (${machine.family ?? 'family unknown'}), ${machine.system}, Node ${machine.node}`,
  ]
  if (instructions) {
    parts.push(
      'Instructions of a search (callgrind, AVX2), beside a build without statistics',
      formatTable(
        [
          { title: 'statistics', align: 'left', cell: ([name]) => name },
          { title: 'instructions', cell: ([, value]) => fixed(value, 1) },
          { title: 'added', cell: ([, value]) => fixed(value - instructions.none, 1) },
        ],
        Object.entries(instructions),
      ),
    )
  }
  if (flush) {
    parts.push(
      'Counting one search, when it ends, with its clock',
      formatTable(
        [
          { title: 'level', align: 'left', cell: ([level]) => level },
          { title: 'time', cell: ([, ns]) => `${fixed(ns, 1)} ns` },
        ],
        Object.entries(flush),
      ),
    )
  }
  if (time) {
    parts.push(
      'Searches in C++, in turn: 2,000 points of 32 components',
      formatTable(
        [
          { title: 'statistics', align: 'left', cell: ([name]) => name },
          { title: 'a search', cell: ([, row]) => duration(row.nanoseconds / 1e9) },
          { title: 'beside none', cell: ([, row]) => percent(row.ratio) },
          { title: 'noise', cell: ([, row]) => `${fixed(row.spread * 100, 0)} %` },
        ],
        Object.entries(time),
      ),
    )
  }
  if (calls) {
    const rows = Object.entries(calls.searches).flatMap(([kind, levels]) =>
      Object.entries(levels).map(([level, row]) => ({ kind, level, ...row })),
    )
    parts.push(
      'Calls from JavaScript, in turn: 20,000 points of 64 components',
      formatTable(
        [
          { title: 'call', align: 'left', cell: row => row.kind },
          { title: 'level', align: 'left', cell: row => row.level },
          { title: 'a call', cell: row => duration(row.seconds) },
          { title: 'beside off', cell: row => percent(row.ratio) },
        ],
        rows,
      ),
      `  statsSnapshot() of a database of 1,000 collections: ${duration(calls.snapshotOfDatabase)}`,
    )
  }
  if (memory) {
    parts.push(
      'Memory, and snapshots of 1,000 collections in C++',
      [
        `  counters, of a thread that counts: ${count(memory.shard)} B; of a database in which one does: ${count(memory.statistics)} B in all`,
        `  a histogram of durations: ${bytes(memory.histogramOfSeconds)}, of counts: ${bytes(memory.histogramOfCounts)}; for each 1,000 vectors: ${count(memory.thousandVectors)} B`,
        `  1,000 snapshots: ${duration(memory.snapshots1000 / 1e9)}; with histograms: ${duration(memory.snapshots1000WithHistograms / 1e9)}`,
      ].join('\n'),
    )
  }
  if (exports) parts.push(...reportExports(exports, flush))
  return `${parts.join('\n\n')}\n`
}

/** What a contestant of bench/exposition.mjs is called there, and by people. */
const contestants = {
  vitrine: ['vitrine, text', 'vitrine, with histograms'],
  'prom-client': ['prom-client, text', 'prom-client 15'],
  'OpenTelemetry SDK': [
    'OpenTelemetry SDK, collecting alone',
    '@opentelemetry/sdk-metrics 2, to collect',
  ],
}

function reportExports(report, flush) {
  const { samples, exports, nanosecondsPerOperation, oneDatabase } = report
  const rows = Object.entries(contestants).map(([name, [text, shown]]) => ({
    shown,
    counting: name === 'vitrine' ? flush?.histograms : nanosecondsPerOperation[name],
    export: exports.find(each => each.name === text),
  }))
  const share = oneDatabase.cpuMillisecondsPerScrape / 15_000
  const table = [
    `| in one run, on one machine | to count an operation and its duration | to export ${count(samples)} samples | of it on the event loop |`,
    '|---|---|---|---|',
    ...rows.map(
      ({ shown, counting, export: { whole, busy } }) =>
        `| ${shown} | ${counting === undefined ? '' : `${count(Math.round(counting))} ns`} | ${fixed(whole, 2)} ms | ${fixed(busy, 2)} ms |`,
    ),
  ]
  return [
    `Beside others, as the table of README.md; medians`,
    table.join('\n'),
    [
      `  of ours, rendering alone takes ${fixed(report.meanRenderingMilliseconds, 2)} ms in the mean, on another thread`,
      `  prom-client takes ${fixed(rows[1].export.whole / rows[0].export.whole, 1)} times as long, ${fixed(rows[1].export.whole / report.meanRenderingMilliseconds, 1)} times as long as rendering`,
      `  all families of a busy database: ${count(oneDatabase.samples)} samples, ${count(oneDatabase.bytes)} B, ${count(oneDatabase.gzipBytes)} B with gzip`,
      `  a scrape of it: ${fixed(oneDatabase.cpuMillisecondsPerScrape, 2)} ms of processor, ${fixed(share * 100, 4)} % at one in 15 s`,
    ].join('\n'),
  ]
}
