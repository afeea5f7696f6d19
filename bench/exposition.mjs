// How long 10,000 samples take to export, beside prom-client and OpenTelemetry, which have the very same samples, in one run and by turns:
//
//   npm run bench:exposition [-- --rounds N] [--out FILE]
//
// For each: the time of an export, from counters to text, and of that what the event loop was kept from other work. Then what the
// others take to count one operation, what an export of one database weighs, and what a scrape every 15 seconds costs. `--out` writes
// it as JSON.
import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { Database } from 'vitrine'
import { MetricsRegistry, metrics } from 'vitrine/metrics'
import { describeMachine } from './machine.mjs'

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '100' }, out: { type: 'string' } },
})
const rounds = Number(options.rounds)
const dimension = 8

/** The packages as this benchmark has them. */
function peers() {
  const folder = fileURLToPath(new URL('peers/metrics', import.meta.url))
  if (!existsSync(join(folder, 'node_modules/@opentelemetry/sdk-metrics'))) {
    const words = ['install', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund']
    spawnSync('npm', words, { cwd: folder, stdio: 'inherit', shell: process.platform === 'win32' })
  }
  const load = createRequire(join(folder, 'package.json'))
  return { client: load('prom-client'), otel: load('@opentelemetry/sdk-metrics') }
}

/** A database in which everything has happened that its metrics tell of. */
async function busyDatabase(name) {
  const db = await Database.open(':memory:', { name })
  db.enableStats({ level: 'phases' })
  const points = await db.createCollection('points', { dimension, fields: { n: 'integer' } })
  const vector = () => Float32Array.from({ length: dimension }, Math.random)
  const some = Array.from({ length: 50 }, (_, id) => ({ id, vector: vector(), payload: { n: id } }))
  await points.upsert(some)
  await points.insert([{ id: 100, vector: vector() }])
  await points.update(1, { n: 2 })
  await points.delete([2])
  await points.get(3)
  await points.count({ where: { n: 3 } })
  for (let i = 0; i < 20; i++) await points.search(vector(), { k: 5 })
  await points.search(vector(), { k: 5, exact: true })
  await points.search(new Float32Array(1), { k: 5 }).catch(() => {})
  for await (const _ of points.scan()) break
  return db
}

/** Samples of a text. */
const countOf = text => text.split('\n').filter(line => line !== '' && !line.startsWith('#')).length

/** The same families, labels and values, by way of prom-client's public functions. */
function copyInto(client, elements) {
  const registry = new client.Registry()
  const made = new Map()
  for (const { name, type, help, labels, value, histogram } of elements) {
    const labelNames = Object.keys(labels)
    const options = { name, help, labelNames, registers: [registry] }
    if (!made.has(name)) {
      if (type === 'histogram') {
        const buckets = histogram.buckets.slice(0, -1).map(({ le }) => le)
        made.set(name, new client.Histogram({ ...options, buckets }))
      } else {
        made.set(name, new client[type === 'counter' ? 'Counter' : 'Gauge'](options))
      }
    }
    const metric = made.get(name)
    if (type === 'histogram') {
      let before = 0
      for (const { le, count } of histogram.buckets) {
        for (let i = before; i < count; i++) metric.observe(labels, le === '+Inf' ? 1e9 : le)
        before = count
      }
    } else if (type === 'counter') {
      metric.inc(labels, value)
    } else {
      metric.set(labels, value)
    }
  }
  return registry
}

/** The same in OpenTelemetry, and a reader of it that collects when it is asked to. */
function collectedBy(otel, elements) {
  class Reader extends otel.MetricReader {
    async onShutdown() {}
    async onForceFlush() {}
  }
  const reader = new Reader()
  const type = otel.AggregationType.EXPONENTIAL_HISTOGRAM
  const views = [{ instrumentName: '*', instrumentType: 'HISTOGRAM', aggregation: { type } }]
  const provider = new otel.MeterProvider({ readers: [reader], views })
  const meter = provider.getMeter('bench')
  const made = new Map()
  const make = { counter: 'createCounter', gauge: 'createGauge', histogram: 'createHistogram' }
  for (const { name, type: kind, labels, value, histogram } of elements) {
    if (!made.has(name)) made.set(name, meter[make[kind] ?? 'createGauge'](name))
    const instrument = made.get(name)
    if (kind === 'counter') instrument.add(value, labels)
    else if (kind !== 'histogram') instrument.record(value, labels)
    else {
      let before = 0
      for (const { le, count } of histogram.buckets) {
        for (let i = before; i < count; i++) instrument.record(le === '+Inf' ? 1e9 : le, labels)
        before = count
      }
    }
  }
  return { reader, meter }
}

/** Nanoseconds of one call, the best of the rounds. */
function nanosecondsOf(run) {
  const calls = 100_000
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < 10; round++) {
    const start = performance.now()
    for (let i = 0; i < calls; i++) run(i)
    best = Math.min(best, ((performance.now() - start) / calls) * 1e6)
  }
  return best
}

/** @returns Milliseconds of an export, and of the event loop, at the median. */
async function timed(contestants) {
  const times = new Map(contestants.map(({ name }) => [name, { whole: [], busy: [] }]))
  for (let round = 0; round < rounds; round++) {
    for (const { name, run } of contestants) {
      const before = performance.eventLoopUtilization()
      const start = performance.now()
      await run()
      const whole = performance.now() - start
      const { active } = performance.eventLoopUtilization(before)
      times.get(name).whole.push(whole)
      times.get(name).busy.push(active)
      await new Promise(resolve => setImmediate(resolve))
    }
  }
  const median = list => list.sort((a, b) => a - b)[list.length >> 1]
  return [...times].map(([name, { whole, busy }]) => ({
    name,
    whole: median(whole),
    best: whole[0],
    busy: median(busy),
  }))
}

const machine = describeMachine()
console.log(
  `${machine.processor}, ${machine.cores} cores, ${machine.node}, load ${machine.load.toFixed(1)}`,
)

const dbs = [await busyDatabase('db0')]
const perDatabase = countOf(await metrics(dbs[0]).text())
while (dbs.length * perDatabase < 10_000) dbs.push(await busyDatabase(`db${dbs.length}`))
const ours = metrics(dbs)
const text = await ours.text()
const { metrics: elements } = JSON.parse(await ours.json())
const { client, otel } = peers()
const registry = copyInto(client, elements)
const { reader, meter } = collectedBy(otel, elements)
const theirs = await registry.metrics()
console.log(
  `${countOf(text)} samples of ${dbs.length} databases, ${text.length} bytes of text; prom-client: ${countOf(theirs)}, ${theirs.length} bytes`,
)

// What an application measures itself, in numbers.
const own = new MetricsRegistry()
for (let i = 0; i < 10_000; i++) {
  own.incrementCounter(`series_${i % 20}_total`, i, { route: `/r/${i}`, method: 'GET' })
}
const ownExporter = metrics([], { registry: own })
const ownClient = new client.Registry()
const counters = Array.from(
  { length: 20 },
  (_, i) =>
    new client.Counter({
      name: `series_${i}_total`,
      help: 'x',
      labelNames: ['route', 'method'],
      registers: [ownClient],
    }),
)
for (let i = 0; i < 10_000; i++) counters[i % 20].inc({ route: `/r/${i}`, method: 'GET' }, i)

const plain = { accept: 'text/plain' }
const contestants = [
  { name: 'vitrine, text', run: () => ours.respond(plain) },
  {
    name: 'vitrine, OpenMetrics',
    run: () => ours.respond({ accept: 'application/openmetrics-text' }),
  },
  { name: 'vitrine, protobuf', run: () => ours.protobuf() },
  { name: 'prom-client, text', run: () => registry.metrics() },
  { name: 'OpenTelemetry SDK, collecting alone', run: () => reader.collect() },
  { name: 'vitrine, 10,000 series of MetricsRegistry', run: () => ownExporter.respond(plain) },
  { name: 'prom-client, 10,000 series', run: () => ownClient.metrics() },
]
/** What the exporter knows of its own: milliseconds that rendering text took in all, and how often. */
async function rendered() {
  const { metrics: all } = JSON.parse(await ours.json())
  const own = all.find(
    ({ name, labels }) =>
      name === 'vitrine_metrics_render_duration_seconds' && labels.format === 'text',
  )
  return { milliseconds: own.histogram.sum * 1000, times: own.histogram.count }
}

await timed(contestants)
const before = await rendered()
const results = await timed(contestants)
const after = await rendered()
const rendering = (after.milliseconds - before.milliseconds) / (after.times - before.times)
for (const { name, whole, best, busy } of results) {
  console.log(
    `${name.padEnd(44)} ${whole.toFixed(2).padStart(7)} ms (best ${best.toFixed(2)}), event loop busy ${busy.toFixed(2)} ms`,
  )
}
console.log(
  `of vitrine, text, rendering alone takes ${rendering.toFixed(2)} ms in the mean, on another thread`,
)
const of = name => results.find(each => each.name === name)
// The best of each is what disturbs least.
const ratio = (slow, fast) => (of(slow).best / of(fast).best).toFixed(1)
console.log(
  `prom-client takes ${ratio('prom-client, text', 'vitrine, text')} times as long to export these metrics, and ` +
    `${ratio('prom-client, 10,000 series', 'vitrine, 10,000 series of MetricsRegistry')} times for counters of one's own`,
)

// One operation: a counter, and how long it took.
const counted = new client.Counter({
  name: 'operations_total',
  help: 'x',
  labelNames: ['op', 'outcome'],
  registers: [],
})
const observed = new client.Histogram({
  name: 'seconds',
  help: 'x',
  labelNames: ['op'],
  registers: [],
})
const otelCounted = meter.createCounter('operations')
const otelObserved = meter.createHistogram('seconds')
const counting = {
  'prom-client': nanosecondsOf(i => {
    counted.inc({ op: 'search', outcome: 'ok' })
    observed.observe({ op: 'search' }, i * 1e-6)
  }),
  'OpenTelemetry SDK': nanosecondsOf(i => {
    otelCounted.add(1, { op: 'search', outcome: 'ok' })
    otelObserved.record(i * 1e-6, { op: 'search' })
  }),
}
for (const [name, nanoseconds] of Object.entries(counting)) {
  console.log(
    `${name} counts an operation and its duration in ${nanoseconds.toFixed(0)} ns; what vitrine takes, npm run bench:stats says`,
  )
}

const one = metrics(dbs[0])
const zipped = await one.respond({ acceptEncoding: 'gzip' })
const cpuBefore = process.cpuUsage()
for (let i = 0; i < 200; i++) await one.respond({ acceptEncoding: 'gzip' })
const { user, system } = process.cpuUsage(cpuBefore)
const perScrape = (user + system) / 200 / 1000
console.log(
  `one database: ${perDatabase} samples, ${gunzipSync(zipped.body).length} bytes, ${zipped.body.length} bytes with gzip; ` +
    `${perScrape.toFixed(2)} ms of processor a scrape, ${((perScrape / 15_000) * 100).toFixed(4)} % at one in 15 s`,
)
if (options.out !== undefined) {
  const report = {
    machine,
    samples: countOf(text),
    meanRenderingMilliseconds: rendering,
    exports: results,
    nanosecondsPerOperation: counting,
    oneDatabase: {
      samples: perDatabase,
      bytes: gunzipSync(zipped.body).length,
      gzipBytes: zipped.body.length,
      cpuMillisecondsPerScrape: perScrape,
    },
  }
  writeFileSync(options.out, `${JSON.stringify(report, null, 2)}\n`)
}
await Promise.all(dbs.map(db => db.close()))
