// Writes docs/metrics.md: the table of metrics, as the engine has it.
//
//   node scripts/metrics-page.mjs      after `npm run build:native` and `npm run build:lib`

import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

const levels = {
  off: 'always',
  counters: '`counters`',
  histograms: '`histograms`',
  phases: '`phases`',
  cpu: '`cpu`',
}

const scopes = { everything: '', database: ', of databases', folder: ', of databases in folders' }

/** @typedef {import('../lib/native-stats.ts').NativeFamily} Family */

/** @param {Family['labels']} labels */
function labelsText(labels) {
  const texts = Object.entries(labels).map(([name, values]) => {
    const listed = name === 'code' ? 'as in [errors.md](errors.md)' : values.join(', ')
    return `\`${name}\`: ${listed}`
  })
  return texts.join('; ')
}

/**
 * The text of docs/metrics.md.
 * @param {readonly Family[]} families
 */
export function metricsPage(families) {
  const rows = families.map(
    ({ name, type, level, scope, labels, help }) =>
      `| \`${name}\` | ${type} | ${levels[/** @type {keyof typeof levels} */ (level)]}${scopes[/** @type {keyof typeof scopes} */ (scope)]} | ${labelsText(labels)} | ${help} |`,
  )
  return `# Metrics

What \`statsSnapshot()\` of an index, a collection or a database holds, and from which level of \`enableStats\` on. This page is written by
\`node scripts/metrics-page.mjs\` from \`native/stats/catalog.h\`, the only place where a metric is named; a test holds the two together.

Every sample has the label \`db\`, the name of the index or database, and that of a collection also \`collection\`. Counters only grow, for as long as what they belong
to is open; \`resetStats()\` moves no more than where \`stats()\` counts from. Durations are in seconds. Histograms come as classic buckets, and as base-2 exponential ones of scale 3, which
Prometheus calls native; both are exact. An operation is a call that has reached the engine: one that fails, is cancelled, times out or is refused counts as well, once, with its
outcome. \`insert\` is also \`Index.add\`, \`delete\` also \`Index.remove\`, and \`batch\` \`Index.searchBatch\`; a transaction counts as what all of it does to one collection, or else as \`transaction\`.

Storage is described in the words of a tree of levels: the segments of the log are level 0, the newest checkpoint is level 1, the one before level 2, and a checkpoint is
a compaction.

| name | type | counted at | labels | meaning |
|---|---|---|---|---|
${rows.join('\n')}
`
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { native } = await import(pathToFileURL(join(root, 'dist', 'binding.js')).href)
  writeFileSync(join(root, 'docs', 'metrics.md'), metricsPage(native.statsFamilies()))
}
