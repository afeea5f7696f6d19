/** The report of bench/stats.mjs for people. */
import { bytes, count, duration, fixed, formatTable } from './table.mjs'

const percent = ratio => `${((ratio - 1) * 100).toFixed(1)} %`

/** @param {any} report */
export function reportStats({ machine, instructions, flush, time, calls, memory }) {
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
        `  counters, of a thread that counts: ${count(memory.shard)} B`,
        `  a histogram of durations: ${bytes(memory.histogramOfSeconds)}, of counts: ${bytes(memory.histogramOfCounts)}; for each 1,000 vectors: 0 B`,
        `  1,000 snapshots: ${duration(memory.snapshots1000 / 1e9)}; with histograms: ${duration(memory.snapshots1000WithHistograms / 1e9)}`,
      ].join('\n'),
    )
  }
  return `${parts.join('\n\n')}\n`
}
