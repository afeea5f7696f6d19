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

What \`statsSnapshot()\` of an index, a collection or a database holds and [vitrine/metrics](api/metrics/README.md) exports, and from which level of \`enableStats\` on. This page is written by
\`node scripts/metrics-page.mjs\` from \`native/stats/catalog.h\`, the only place where a metric is named; a test holds the two together.

Every sample has the label \`db\`, the name of the index or database, and that of a collection also \`collection\`. Counters only grow, for as long as what they belong
to is open; \`resetStats()\` moves no more than where \`stats()\` counts from. Durations are in seconds. Histograms come as classic buckets, and as base-2 exponential ones of scale 3, which
Prometheus calls native; both are exact. An operation is a call that has reached the engine: one that fails, is cancelled, times out or is refused counts as well, once, with its
outcome. \`insert\` is also \`Index.add\`, \`delete\` also \`Index.remove\`, \`get\` also \`has\` and \`explain\`, and \`batch\` \`Index.searchBatch\`; a transaction counts as what all of it does to one collection, or
else as \`transaction\`. \`configure\` creates and drops collections, fields and aliases, \`maintain\` is \`flush\`, \`checkpoint\`, \`backup\`, \`verify\` or \`scrub\`, and \`reserve\` and \`optimize\` of an index. Opening and loading are no operations: nothing is there yet
that could count. How long they took is told by what was opened, \`vitrine_engine_open_duration_seconds\`; one that failed leaves nothing that could tell of it.
\`Database.restore\` makes a folder, and opens nothing: the channel \`vitrine:restore\` tells of it, and how long it took. What an environment leaves behind when it ends counts as cancelled.

An operation is in flight from the call until its promise is settled. A search is slow by the log of the object that it was made from (\`enableStats({ slowMs })\`), and counted with that object; a batch is one.

Storage is described in the words of a tree of levels: the segments of the log are level 0, the newest checkpoint is level 1, the one before level 2, and a checkpoint is
a compaction.

| name | type | counted at | labels | meaning |
|---|---|---|---|---|
${rows.join('\n')}

A kernel computes the distances of a query to four rows at once, or to 64 sketches; what is left over is a call of its own. Its instruction set is that of the kernels in force, which is narrower for floats
than for integers on some processors. Walks and scans, exact and by sketch, and rows that are looked at closer are counted, those of \`searchBatch\` as well.

Of an index \`memory\` is what graph and codes take now, and \`disk\` what their files in the newest checkpoint do, which is also \`index\` among the kinds of disk use. There each byte
of the folder has one kind, but for manifests and the lock: \`wal\` is all of the log, \`value_log\` the section of the newest checkpoint that holds keys and payloads, \`segment\` what else is in the files of its points, which is vectors
above all, and \`snapshot\` the state before, which is kept until the next checkpoint in case that a file of the newest is damaged; files that both checkpoints name are the newest's.

Of the memory \`cache\` is what collections keep of the filters that were used last, and \`buffers\` what searches work in. What was written and is in no checkpoint yet, the memtable of a tree of levels, lies where all
points lie and is no kind of its own: \`vitrine_storage_compaction_pending_bytes\` is its size in the log.

Input and output are the reads and writes of files that a database makes for whatever purpose, backups, verification and scrubbing among them; what fails counts without bytes, and what is mapped is read
by the operating system. Of the blocks that are reserved for rows, what was never written to takes addresses and no memory.

## What is not measured

* **Bytes allocated, and allocations**, as totals by database: besides blocks of rows most memory comes from the allocator of the whole process, which knows no databases, and counting it there would slow down
  everything. \`vitrine_engine_memory_bytes\` and its peak tell what is held, and a heap profiler who asked for it.
* **Calls of distance kernels** by writes, maintenance, probes and calibration of recall: to link a vector takes thousands of distances of many threads, and \`vitrine_engine_index_build_duration_seconds\` tells
  what matters of it. Nor are calls counted that compute no distances, those that turn inner products of codes into estimates.
* **Time of a processor** for input and output: whoever needs a file reads or writes it, and no threads do nothing else. \`background\` is of the threads of a database; searches and writes that are shared by the threads of
  the pool have no pool of their own.
* **Restored databases**: see above. Reads that did not begin, because too many waited or because their time was over, are operations that were \`rejected\` or had a \`timeout\`;
  \`vitrine_engine_resource_rejections_total\` is of writes.
* **Backups** have no part in the use of the disk: they are folders elsewhere, of which the database keeps nothing but the time.
* **What cannot happen here**: nodes of a graph are neither split nor merged, and levels have no compactions but checkpoints.

## Exports

\`metrics(db)\` of \`vitrine/metrics\` gives all of this as Prometheus text (0.0.4), OpenMetrics (1.0), Prometheus protobuf with native and classic histograms, JSON, and OTLP-JSON;
[examples/metrics.mjs](../examples/metrics.mjs) serves it. These come on top:

| name | type | labels | meaning |
|---|---|---|---|
| \`vitrine_build_info\` | info | \`version\`, \`engine\`, \`isa\`, \`node\` | What runs in this process. |
| \`vitrine_metrics_series\` | gauge | | Series in this export, without these three. |
| \`vitrine_metrics_render_duration_seconds\` | histogram | \`format\`: text, openmetrics, protobuf, json, otlp | Time that it took to render the exports before this one. |
| \`vitrine_metrics_series_overflow_total\` | counter | \`family\` | Samples that went into \`__other__\`: a metric has 1,000 series at most, over all databases, and the last stands for those that had no room, so that sums stay right. |


* A histogram into which nothing was observed is not exported. Protobuf says since when a counter counts, so that a reader need not have seen it at zero; lines of OpenMetrics that say so become series of their own in a Prometheus, and are left out.
* Labels can be left out (\`labels: ['db', 'op']\`): what only they told apart is added up, histograms cell by cell, ratios by what they are of. Collections can be told apart (\`collectionLabels: true\`): then a series that
  collections have counted is theirs, and not the database's once more.
* OTLP names have dots, and neither unit nor \`_total\`: \`vitrine.engine.operation.duration\` in \`s\`.
* \`compat: ['omendb', 'vectorxlite', 'wombat']\` adds the names that these gave to the same numbers: \`omendb_engine_queries_total\`, \`vectordb_operations_total\`, \`db_get_latency_seconds\` and so on.
* Metrics of your own come out beside ours by way of a \`MetricsRegistry\`: counters, gauges, histograms, summaries, infos and state sets; names with \`vitrine_\` are ours. OpenMetrics and JSON have the last two
  by name, in Prometheus' own formats they are gauges.
* Counters are copied and rendered on the engine's own threads: 10,000 samples take some 1.2 ms, of which the event loop is busy for 0.3, where prom-client takes 13 to 16 ms of the event loop
  (\`npm run bench:exposition\`). All metrics of a busy database are 42 kB of text, 3 kB with gzip.
* An HTTP client that names zstd gets it where Node has it (22.15 or later): it takes half the time of gzip, and some 6 % more bytes. Prometheus asks for gzip.
`
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { native } = await import(pathToFileURL(join(root, 'dist', 'binding.js')).href)
  writeFileSync(join(root, 'docs', 'metrics.md'), metricsPage(native.statsFamilies()))
}
