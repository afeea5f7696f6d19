import { Gauge, Registry } from 'prom-client'
import { afterEach, describe, expect, it } from 'vitest'
import { MetricsRegistry, metrics } from '../lib/metrics/metrics.ts'
import type { Measured } from '../lib/statistics.ts'
import { Database, Index } from '../lib/vitrine.ts'

const open: { close(): Promise<void> }[] = []
afterEach(() => Promise.all(open.splice(0).map(each => each.close())))

async function counted(name: string, searches: number) {
  const index = new Index({ dimension: 1, name })
  open.push(index)
  await index.add(null, Float32Array.of(0, 1, 2, 3))
  index.enableStats({ level: 'histograms' })
  for (let i = 0; i < searches; i++) index.searchSync([1.2], { k: 2 })
  return index
}

const operations = 'vitrine_engine_operations_total'
const duration = 'vitrine_engine_operation_duration_seconds'
const lines = (text: string, start: string) =>
  text.split('\n').filter(line => line.startsWith(start))

describe('register', () => {
  it('shows every family in the text of the registry, with its type and the labels of its sources', async () => {
    const one = await counted('one', 3)
    const two = await counted('two', 5)
    const registry = new Registry()
    new Gauge({ name: 'mine', help: 'Of the user.', registers: [registry] }).set(7)
    metrics([one, two]).register(registry)
    const text = await registry.metrics()
    for (const { name, type, help } of one.statsSnapshot().families) {
      expect(lines(text, `# TYPE ${name} `)).toEqual([`# TYPE ${name} ${type}`])
      expect(lines(text, `# HELP ${name} `)).toEqual([`# HELP ${name} ${help}`])
    }
    const searches = (db: string) => `${operations}{db="${db}",op="search",outcome="ok"}`
    expect(lines(text, searches('one'))).toEqual([`${searches('one')} 3`])
    expect(lines(text, searches('two'))).toEqual([`${searches('two')} 5`])
    const [sample] = two
      .statsSnapshot()
      .families.flatMap(family =>
        family.name === duration && family.type === 'histogram' ? family.samples : [],
      )
    const labels = 'db="two",op="search"'
    expect(lines(text, `${duration}_bucket{${labels},`)).toEqual(
      sample?.buckets.map(
        ({ le, count }) =>
          `${duration}_bucket{${labels},le="${Number.isFinite(le) ? le : '+Inf'}"} ${count}`,
      ),
    )
    expect(lines(text, `${duration}_count{${labels}}`)).toEqual([`${duration}_count{${labels}} 5`])
    expect(lines(text, `${duration}_sum{${labels}}`)).toEqual([
      `${duration}_sum{${labels}} ${sample?.sum}`,
    ])
    expect(lines(text, 'mine')).toEqual(['mine 7'])
  })

  it('reads what is shown when it is scraped, once for all metrics', async () => {
    const index = await counted('late', 0)
    const registry = new Registry()
    registry.setDefaultLabels({ region: 'eu' })
    metrics(index).register(registry)
    let snapshots = 0
    const original = index.statsSnapshot
    index.statsSnapshot = function (this: Measured, ...args) {
      snapshots++
      return original.apply(this, args)
    } as typeof original
    index.searchSync([1], { k: 1 })
    for (const searches of [1, 2]) {
      const json = await registry.getMetricsAsJSON()
      const values = json.find(({ name }) => name === operations)?.values ?? []
      expect(values).toContainEqual({
        labels: { db: 'late', op: 'search', outcome: 'ok', region: 'eu' },
        value: searches,
      })
      index.searchSync([1], { k: 1 })
      expect(snapshots).toBe(searches)
    }
    registry.resetMetrics()
    const text = await registry.metrics()
    expect(
      lines(text, operations).filter(line => /op="search",outcome="ok".* 3$/.test(line)),
    ).toHaveLength(1)
  })

  it('serves a registry of OpenMetrics', async () => {
    const index = await counted('open', 2)
    const registry = new Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>()
    registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
    const unregister = metrics(index).register(registry)
    for (let i = 0; i < 2; i++) {
      const text = await registry.metrics()
      expect(lines(text, '# TYPE vitrine_engine_operations ')).toHaveLength(1)
      const searches = `${operations}{db="open",op="search",outcome="ok"}`
      expect(lines(text, searches)).toEqual([`${searches} 2`])
      expect(text.endsWith('# EOF\n')).toBe(true)
    }
    unregister()
    expect(registry.getMetricsAsArray()).toEqual([])
  })

  it('takes sources by further calls, and out again one by one', async () => {
    const one = await counted('one', 1)
    const db = await Database.open(':memory:', { name: 'two' })
    open.push(db)
    const registry = new Registry()
    const first = metrics(one).register(registry)
    const second = metrics(new Set([db])).register(registry)
    const shown = async () =>
      lines(await registry.metrics(), 'vitrine_engine_stats_level{').map(line =>
        line.replace(/.*db="(\w+)".*/, '$1'),
      )
    expect(await shown()).toEqual(['one', 'two'])
    first()
    first()
    expect(await shown()).toEqual(['two'])
    registry.clear()
    metrics(one).register(registry)
    expect(await shown()).toEqual(['two', 'one'])
    await db.close()
    expect(await shown()).toEqual(['one'])
    second()
    expect(await shown()).toEqual(['one'])
  })

  it('refuses what would be shown twice, and registers nothing then', async () => {
    const one = await counted('one', 1)
    const same = await counted('one', 1)
    const registry = new Registry()
    expect(() => metrics([one, same]).register(registry)).toThrow(
      expect.objectContaining({ code: 'ERR_EXISTS' }),
    )
    new Gauge({ name: 'vitrine_engine_vectors', help: 'Another.', registers: [registry] })
    expect(() => metrics(one).register(registry)).toThrow(
      expect.objectContaining({ code: 'ERR_EXISTS', details: { name: 'vitrine_engine_vectors' } }),
    )
    expect(registry.getMetricsAsArray()).toHaveLength(1)
    const other = new Registry()
    metrics(one).register(other)
    expect(() => metrics(same).register(other)).toThrow(
      expect.objectContaining({ code: 'ERR_EXISTS' }),
    )
    for (const where of [{}, null, 'registry']) {
      expect(() => metrics(one).register(where as never)).toThrow(
        expect.objectContaining({ code: 'ERR_ARGUMENT' }),
      )
    }
    expect(() => metrics(one, { registry: new MetricsRegistry() }).register(other)).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION', details: { option: 'registry' } }),
    )
  })
})
