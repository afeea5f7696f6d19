/** `npm run bench`: puts engines side by side on real vectors. docs/benchmarks.md says how it measures. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { basename, dirname, join, parse } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Arena } from './arena.mjs'
import { openDataset } from './dataset.mjs'
import { canPin } from './engine-process.mjs'
import { describeMachine } from './machine.mjs'
import { build } from './measures/build.mjs'
import { measureExact } from './measures/exact.mjs'
import { measureFilters } from './measures/filter.mjs'
import { measureInsert } from './measures/insert.mjs'
import { measureMemory } from './measures/memory.mjs'
import { measureOverhead } from './measures/overhead.mjs'
import { measurePersistence } from './measures/persistence.mjs'
import { measureRecall } from './measures/recall.mjs'
import { measureSearch } from './measures/search.mjs'
import { measureTurnover } from './measures/turnover.mjs'
import { parseOptions, usage } from './options.mjs'
import { findContestants } from './peers.mjs'
import { plotSearch } from './plot.mjs'
import { reportDataset, reportStart } from './report.mjs'

const sample = fileURLToPath(new URL('../examples/data/fashion-mnist-sample', import.meta.url))

/** Progress, with the seconds since the start. */
function note(line) {
  process.stderr.write(`${(performance.now() / 1000).toFixed(0).padStart(5)} s  ${line}\n`)
}

/** All that is measured on one data set, as it goes into the JSON. */
async function measure(arena, contestants, options) {
  const { only, rounds } = options
  const reference = contestants.some(({ name }) => name === 'hnswlib')
    ? 'hnswlib'
    : contestants[0].name
  const results = { reference }
  note(`building ${arena.dataset.name}, ${arena.rows} vectors`)
  const { racers, results: builds } = await build(arena, contestants, {
    twoCores: only.has('build') && availableParallelism() > 1,
  })
  results.build = builds
  try {
    if (only.has('memory')) results.memory = await measureMemory(arena, racers)
    if (only.has('search'))
      results.search = await measureSearch(arena, racers, { rounds, reference })
    if (only.has('recall')) results.recall = await measureRecall(arena, racers)
    if (only.has('filter')) results.filter = await measureFilters(arena, racers)
    if (only.has('exact')) results.exact = await measureExact(arena, racers)
    if (only.has('save')) results.save = await measurePersistence(arena, racers)
    if (only.has('insert')) results.insert = await measureInsert(arena, racers)
  } finally {
    for (const racer of racers) await racer.process.close()
  }
  if (only.has('overhead')) results.overhead = await measureOverhead(arena, contestants)
  if (only.has('turnover')) {
    const able = contestants.filter(({ name }) => name === 'vitrine' || name === reference)
    results.turnover = await measureTurnover(arena, able, options)
  }
  return results
}

async function runDataset(folder, contestants, options) {
  const work = mkdtempSync(join(tmpdir(), 'vitrine-bench-'))
  const clear = () => rmSync(work, { recursive: true, force: true })
  process.once('exit', clear)
  try {
    const dataset = await openDataset(folder, options)
    const { k, core, quantization, type } = options
    const arena = new Arena(dataset, { folder: work, k, core, quantization, type, note })
    const results = await measure(arena, contestants, options)
    return {
      name: dataset.name,
      metric: dataset.metric,
      dimension: dataset.dimension,
      vectors: arena.rows,
      queries: arena.queryCount,
      k: arena.k,
      ...results,
      failures: arena.failures,
    }
  } finally {
    process.off('exit', clear)
    clear()
  }
}

function writeResults(path, report) {
  writeFileSync(path, `${JSON.stringify(report, null, 2)}\n`)
  const written = [path]
  for (const dataset of report.datasets.filter(each => each.search)) {
    const plot = join(dirname(path), `${parse(path).name}-${dataset.name}.svg`)
    writeFileSync(plot, plotSearch(dataset, report.machine))
    written.push(plot)
  }
  process.stdout.write(`\nwritten: ${written.join(', ')}\n`)
}

/** As one would type it; where the data lies here is of no use to others. */
function commandLine() {
  const words = process.argv.slice(2).map(word => (word.includes('/') ? basenames(word) : word))
  return ['npm run bench --', ...words].join(' ')
}

const basenames = paths =>
  paths
    .split(',')
    .map(each => basename(each))
    .join(',')

async function main(options) {
  const { contestants, missing } = await findContestants(options.peers, note)
  if (contestants.length === 0)
    throw new Error(missing.map(({ name, reason }) => `${name}: ${reason}`).join('\n'))
  const report = {
    format: 1,
    measuredAt: new Date().toISOString(),
    command: commandLine(),
    machine: describeMachine(),
    pinned: canPin(),
    quantization: options.quantization,
    type: options.type,
    engines: Object.fromEntries(
      contestants.map(({ name, version, kernels, settings }) => [
        name,
        { version, kernels, ...(settings && { settings }) },
      ]),
    ),
    missing,
    datasets: [],
  }
  process.stdout.write(reportStart(report))
  for (const folder of options.data) {
    const dataset = await runDataset(folder, contestants, options)
    report.datasets.push(dataset)
    process.stdout.write(reportDataset(dataset, report.machine))
    if (options.out) writeResults(options.out, report)
  }
}

function optionsOrHelp() {
  try {
    return parseOptions(process.argv.slice(2), { sample, lastCore: availableParallelism() - 1 })
  } catch (error) {
    process.stderr.write(`${error.message}\n\n`)
    process.exitCode = 2
    return undefined
  }
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130))
const options = optionsOrHelp()
if (options) {
  await main(options).catch(error => {
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  })
} else process.stdout.write(`${usage}\n`)
