// A real Prometheus reads examples/metrics.mjs in each of its formats, and answers queries.

import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { native as engine } from '../../lib/binding.ts'
import { MetricsRegistry, metrics } from '../../lib/metrics/metrics.ts'
import { Database } from '../../lib/vitrine.ts'
import { readText } from '../exposition.ts'
import { root } from '../layers.ts'
import { eventually, freePort, Program } from './programs.ts'

const folder = mkdtempSync(join(tmpdir(), 'vitrine-prometheus-'))
const programs: Program[] = []
let example: string
let asText: Server

interface Series {
  readonly metric: Readonly<Record<string, string>>
  readonly value: number
}

interface QueryAnswer {
  readonly status: string
  readonly error?: string
  readonly data: { readonly result: { metric: Series['metric']; value: [number, string] }[] }
}

interface JsonHistogram {
  readonly name: string
  readonly histogram: { readonly sum: number; readonly p50: number; readonly p95: number }
}

/** A server that scrapes jobs every half second. */
class Prometheus {
  readonly #address: string

  private constructor(address: string) {
    this.#address = address
  }

  /** @param targets - Host and port by job. */
  static async start(targets: Readonly<Record<string, string>>, args: readonly string[] = []) {
    const port = await freePort()
    const jobs = Object.entries(targets).map(([job_name, target]) => ({
      job_name,
      static_configs: [{ targets: [target] }],
    }))
    const config = join(folder, `${port}.yml`)
    const global = {
      scrape_interval: '500ms',
      scrape_timeout: '500ms',
      evaluation_interval: '500ms',
    }
    const rule_files = [join(root, 'examples', 'prometheus-rules.yml')]
    writeFileSync(config, JSON.stringify({ global, rule_files, scrape_configs: jobs })) // which is YAML
    programs.push(
      new Program('prometheus', [
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(folder, `${port}`)}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--log.level=warn',
        ...args,
      ]),
    )
    const server = new Prometheus(`http://127.0.0.1:${port}`)
    await eventually(async () => {
      expect((await fetch(`${server.#address}/-/ready`)).status).toBe(200)
    })
    return server
  }

  /** @param at - In seconds since 1970; default: now. */
  async query(promql: string, at = Date.now() / 1000): Promise<Series[]> {
    const address = `${this.#address}/api/v1/query?query=${encodeURIComponent(promql)}&time=${at}`
    const { status, error, data } = (await (await fetch(address)).json()) as QueryAnswer
    if (status !== 'success') throw new Error(`${promql}: ${error}`)
    return data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }))
  }
  /** Of the one series that there is. */
  async number(promql: string, at?: number): Promise<number> {
    const series = await this.query(promql, at)
    expect(series, promql).toHaveLength(1)
    return series[0]!.value
  }
  async errors(): Promise<string[]> {
    const answer = await fetch(`${this.#address}/api/v1/targets`)
    const { data } = (await answer.json()) as { data: { activeTargets: { lastError: string }[] } }
    return data.activeTargets.map(({ lastError }) => lastError)
  }
}

const searches = 'vitrine_engine_operations_total{op="search",outcome="ok"}'
const questions = 'notes_questions_total'
let classic: Prometheus
let native: Prometheus
let asked = 0

beforeAll(async () => {
  const program = new Program(process.execPath, [join(root, 'examples', 'metrics.mjs'), '0'])
  programs.push(program)
  example = (await program.says(/http:\/\/([^/]+)\/metrics/))[1]!
  const ask = async () => {
    for (let i = 0; i < 10; i++) await (await fetch(`http://${example}/search`)).json()
    asked += 10
  }
  // A histogram into which nothing was observed is not there, and without a beginning has no rate.
  await ask()
  // This release of Prometheus does not ask for plain text while it can have anything else.
  const answerInText = async (response: ServerResponse) => {
    const answer = await fetch(`http://${example}/metrics`, { headers: { accept: 'text/plain' } })
    response.setHeader('content-type', answer.headers.get('content-type')!)
    response.end(await answer.text())
  }
  asText = createServer((_, response) => {
    answerInText(response).catch(error => response.destroy(error))
  }).listen(0, '127.0.0.1')
  await once(asText, 'listening')
  const text = `127.0.0.1:${(asText.address() as AddressInfo).port}`
  ;[classic, native] = await Promise.all([
    Prometheus.start({ text, openmetrics: example }),
    Prometheus.start({ protobuf: example }, ['--enable-feature=native-histograms']),
  ])
  await eventually(() => Promise.all([classic.number(`sum(up) == 2`), native.number('up == 1')]))
  // Some of them between any two scrapes.
  for (let i = 0; i < 10; i++) {
    await ask()
    await new Promise(resolve => setTimeout(resolve, 300))
  }
}, 60_000)

afterAll(async () => {
  asText?.closeAllConnections()
  asText?.close()
  await Promise.all(programs.map(program => program.end()))
  rmSync(folder, { recursive: true, force: true })
})

const servers = () =>
  [
    ['text', classic],
    ['openmetrics', classic],
    ['protobuf', native],
  ] as const
const of = (selector: string, job: string) =>
  selector.includes('{') ? selector.replace('{', `{job="${job}",`) : `${selector}{job="${job}"}`

describe('a Prometheus server', () => {
  it('reads text, OpenMetrics and protobuf without an error, to the last count', async () => {
    for (const [job, server] of servers()) {
      await eventually(async () => expect(await server.number(of(searches, job))).toBe(asked))
      expect(await server.number(of(questions, job))).toBe(asked)
      expect(await server.number(of('vitrine_build_info', job))).toBe(1)
    }
    expect([...(await classic.errors()), ...(await native.errors())]).toEqual(['', '', ''])
  })

  it('computes rates and increases, of counters and of histograms alike', async () => {
    const at = Date.now() / 1000
    const duration = 'vitrine_engine_operation_duration_seconds'
    for (const [job, server] of servers()) {
      const increase = await server.number(`increase(${of(searches, job)}[1m])`, at)
      // Extrapolated, and without what came before the first scrape.
      expect(increase).toBeGreaterThan(asked / 2)
      expect(increase).toBeLessThan(asked * 2)
      const rate = await server.number(`rate(${of(searches, job)}[1m])`, at)
      expect(rate).toBeCloseTo(increase / 60, 9)
      const observed =
        job === 'protobuf'
          ? `histogram_count(rate(${of(`${duration}{op="search"}`, job)}[1m]))`
          : `rate(${of(`${duration}_count{op="search"}`, job)}[1m])`
      expect((await server.number(observed, at)) / rate).toBeCloseTo(1, 1)
    }
  })

  it('finds quantiles in classic buckets, alike in both kinds of text', async () => {
    const families = readText(
      await (
        await fetch(`http://${example}/metrics`, { headers: { accept: 'text/plain' } })
      ).text(),
      'prometheus',
    )
    for (const name of ['vitrine_search_scanned_vectors', 'vitrine_search_hops']) {
      const { samples } = families.find(family => family.name === name)!
      const buckets = samples
        .filter(sample => sample.name === `${name}_bucket`)
        .map(({ labels, value }) => ({ le: Number(labels.le), count: value }))
      for (const share of [0.1, 0.5, 0.99]) {
        const expected = classicQuantile(buckets, share)
        for (const job of ['text', 'openmetrics']) {
          const promql = `histogram_quantile(${share}, ${of(`${name}_bucket`, job)})`
          expect(await classic.number(promql)).toBeCloseTo(expected, 9)
        }
      }
    }
    // The labels of buckets are alike as well, but for whole numbers.
    const edges = async (job: string) =>
      (await classic.query(`vitrine_engine_queue_wait_seconds_bucket{job="${job}"}`))
        .map(({ metric }) => metric.le!.replace(/\.0$/, ''))
        .sort()
    expect(await edges('text')).toEqual(await edges('openmetrics'))
  })

  it('finds the same in native histograms, more closely', async () => {
    const json = await fetch(`http://${example}/metrics`, {
      headers: { accept: 'application/json' },
    })
    const { metrics } = (await json.json()) as { metrics: JsonHistogram[] }
    for (const name of ['vitrine_search_scanned_vectors', 'vitrine_search_hops']) {
      const { histogram } = metrics.find(metric => metric.name === name)!
      expect(await native.number(`histogram_count(${name})`)).toBe(asked)
      expect(await native.number(`histogram_sum(${name})`)).toBe(histogram.sum)
      for (const [share, known] of [
        [0.5, histogram.p50],
        [0.95, histogram.p95],
      ] as const) {
        const found = await native.number(`histogram_quantile(${share}, ${name})`)
        // Both within one bucket, which is an eighth of a factor of two.
        expect(Math.abs(Math.log2(found / known))).toBeLessThanOrEqual(1 / 8)
      }
    }
    const wait = await native.number('histogram_count(vitrine_engine_queue_wait_seconds)')
    expect(wait).toBeGreaterThanOrEqual(asked)
  })
})

describe('recording rules', () => {
  it('speak of what there is, in classic and in native histograms', async () => {
    const search = '{db="notes",op="search"}'
    for (const server of [classic, native]) {
      await eventually(async () => {
        const [p50 = 0, p95 = 0, p99 = 0] = await Promise.all(
          ['p50', 'p95', 'p99'].map(quantile =>
            server.number(`vitrine:engine_operation_latency:${quantile}_seconds${search}`),
          ),
        )
        expect(p50).toBeGreaterThan(0)
        expect(p95).toBeGreaterThanOrEqual(p50)
        expect(p99).toBeGreaterThanOrEqual(p95)
        expect(await server.number(`vitrine:engine_operations:rate5m${search}`)).toBeGreaterThan(0)
        for (const window of ['5m', '30m', '1h', '6h']) {
          expect(await server.number(`vitrine:operation_errors:burnrate${window}${search}`)).toBe(0)
          const slow = await server.number(`vitrine:operation_slow:ratio${window}${search}`)
          expect(slow).toBeGreaterThanOrEqual(0)
          expect(slow).toBeLessThan(1)
        }
      })
    }
  })

  it('give the numbers that are worked out by hand', () => {
    for (const [from, to] of [
      [join(root, 'examples', 'prometheus-rules.yml'), 'prometheus-rules.yml'],
      [join(import.meta.dirname, 'rules-cases.yml'), 'rules-cases.yml'],
    ] as const) {
      copyFileSync(from, join(folder, to))
    }
    const promtool = (...args: readonly string[]) => {
      const { status, stdout, stderr } = spawnSync('promtool', args, {
        cwd: folder,
        encoding: 'utf8',
      })
      return { status, said: stdout + stderr }
    }
    const checked = promtool('check', 'rules', 'prometheus-rules.yml')
    expect(checked, checked.said).toMatchObject({ status: 0 })
    expect(checked.said).toMatch(/SUCCESS: 25 rules found/)
    const tested = promtool('test', 'rules', 'rules-cases.yml')
    expect(tested, tested.said).toMatchObject({ status: 0 })
    // It does see a number that is wrong.
    const rules = readFileSync(join(folder, 'prometheus-rules.yml'), 'utf8')
    writeFileSync(join(folder, 'prometheus-rules.yml'), rules.replace('0.95,', '0.96,'))
    expect(promtool('test', 'rules', 'rules-cases.yml').status).not.toBe(0)
  })
})

it('promtool has nothing to say about our metrics', async () => {
  const text = await (
    await fetch(`http://${example}/metrics`, { headers: { accept: 'text/plain' } })
  ).text()
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
    input: text,
    encoding: 'utf8',
  })
  expect({ status, said: stdout + stderr }).toEqual({ status: 0, said: '' })
  // It does see what is wrong.
  const wrong = text.replaceAll('vitrine_engine_operations_total', 'vitrine_engine_operations')
  expect(spawnSync('promtool', ['check', 'metrics'], { input: wrong }).status).not.toBe(0)
})

it('promtool has nothing to say about any metric that there is', async () => {
  const db = await Database.open(join(folder, 'database'), { name: 'shop', maxMemoryBytes: 1e9 })
  try {
    db.enableStats({ level: 'cpu', recallSampleRate: 1 })
    const points = await db.createCollection('points', { dimension: 2 })
    const ids = Array.from({ length: 600 }, (_, id) => id)
    await points.upsert({ ids, vectors: Float32Array.from(ids.flatMap(id => [id, id % 7])) })
    await expect(points.search([1], { k: 1 })).rejects.toThrow() // so that there are errors
    for (const id of [1, 2, 3]) {
      await points.delete([id])
      await db.checkpoint()
    }
    await db.backup(join(folder, 'backup'))
    await db.verify()
    await points.search([1, 2], { k: 1 })
    await eventually(async () => expect(db.stats()?.recall?.probes).toBeGreaterThan(0))
    const text = await metrics(db, { compat: ['omendb', 'vectorxlite', 'wombat'] }).text()
    const exported = new Set(readText(text, 'prometheus').map(({ name }) => name))
    const missing = engine.statsFamilies().filter(({ name }) => !exported.has(name))
    expect(missing.map(({ name }) => name)).toEqual([])
    const { stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: text,
      encoding: 'utf8',
    })
    // Names of others are what they are.
    const ours = (stdout + stderr).split('\n').filter(line => line.startsWith('vitrine_'))
    expect(ours).toEqual([])
    expect(stdout + stderr).not.toMatch(/error while linting|parse/i)
  } finally {
    await db.close()
  }
})

it('promtool has nothing to say about metrics of any type in a registry', async () => {
  const registry = new MetricsRegistry()
  const describe = (name: string, type: Parameters<typeof registry.describe>[1]) =>
    registry.describe(name, type, { help: `A ${type}.`, states: ['on', 'off'] })
  describe('jobs_total', 'counter')
  registry.incrementCounter('jobs_total')
  describe('queue', 'gauge')
  registry.setGauge('queue', 1)
  describe('size_bytes', 'histogram')
  registry.recordHistogram('size_bytes', 1)
  describe('wait_seconds', 'summary')
  registry.recordSummary('wait_seconds', 1)
  describe('app_info', 'info')
  registry.setInfo('app_info', { version: '1' })
  describe('power', 'stateset')
  registry.setState('power', 'on', { room: 'a' })
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
    input: await metrics([], { registry }).text(),
    encoding: 'utf8',
  })
  expect({ status, said: stdout + stderr }).toEqual({ status: 0, said: '' })
})

/** As Prometheus has it: linear within a bucket. */
function classicQuantile(buckets: readonly { le: number; count: number }[], share: number): number {
  const rank = share * buckets.at(-1)!.count
  const i = buckets.findIndex(({ count }) => count >= rank)
  const lower = i === 0 ? { le: 0, count: 0 } : buckets[i - 1]!
  const { le, count } = buckets[i]!
  return lower.le + ((le - lower.le) * (rank - lower.count)) / (count - lower.count)
}
