import { describe, expect, it } from 'vitest'
import { MetricsRegistry, metrics } from '../lib/metrics/metrics.ts'
import { Index } from '../lib/vitrine.ts'
import { readProtobuf, readText } from './exposition.ts'
import { randomNumbers } from './vectors.ts'

const coded = (code: string) => expect.objectContaining({ name: 'VitrineError', code })
const exporterOf = (registry: MetricsRegistry) => metrics([], { registry })

async function familyOf(registry: MetricsRegistry, name: string) {
  const families = readText(await exporterOf(registry).text(), 'prometheus')
  return families.find(family => family.name === name)
}

describe('a registry', () => {
  it('counts, sets and observes, by labels', () => {
    const registry = new MetricsRegistry()
    registry.describe('jobs_total', 'counter', { help: 'Jobs done.' })
    registry.incrementCounter('jobs_total')
    registry.incrementCounter('jobs_total', 2.5, { kind: 'a', at: 'x' })
    registry.incrementCounter('jobs_total', 1, { at: 'x', kind: 'a' })
    registry.setGauge('queue', 4)
    registry.setGauge('queue', 3)
    registry.setGaugeWithLabels('queue', 7, { name: 'b' })
    registry.describe('size_bytes', 'histogram', { buckets: [1, 10, 100] })
    for (const value of [0, 1, 1.5, 10, 10.5, 1000]) registry.recordHistogram('size_bytes', value)
    for (let i = 1; i <= 100; i++) registry.recordSummary('wait', i, { of: 'us' })
    const timestamp = expect.any(Number)
    expect(registry.getAllMetrics()).toEqual([
      { name: 'jobs_total', type: 'counter', help: 'Jobs done.', labels: {}, value: 1, timestamp },
      {
        name: 'jobs_total',
        type: 'counter',
        help: 'Jobs done.',
        labels: { at: 'x', kind: 'a' },
        value: 3.5,
        timestamp,
      },
      { name: 'queue', type: 'gauge', help: '', labels: {}, value: 3, timestamp },
      { name: 'queue', type: 'gauge', help: '', labels: { name: 'b' }, value: 7, timestamp },
      {
        name: 'size_bytes',
        type: 'histogram',
        help: '',
        labels: {},
        histogram: {
          buckets: [
            { le: 1, count: 2 },
            { le: 10, count: 4 },
            { le: 100, count: 5 },
            { le: Number.POSITIVE_INFINITY, count: 6 },
          ],
          sum: 1023,
          count: 6,
        },
        timestamp,
      },
      {
        name: 'wait',
        type: 'summary',
        help: '',
        labels: { of: 'us' },
        summary: {
          quantiles: [0.5, 0.95, 0.99].map(quantile => ({ quantile, value: expect.any(Number) })),
          sum: 5050,
          count: 100,
        },
        timestamp,
      },
    ])
    expect(registry.getMetricHelp('jobs_total')).toBe('Jobs done.')
    expect(registry.getMetricHelp('queue')).toBe('')
    expect(registry.getMetricHelp('other')).toBeUndefined()
  })

  it('tells every quantile within a hundredth, whatever is observed', () => {
    const next = randomNumbers(11)
    for (const scale of [1e-6, 1, 1e9]) {
      const registry = new MetricsRegistry()
      const quantiles = [0, 0.01, 0.25, 0.5, 0.9, 0.999, 1]
      registry.describe('s', 'summary', { quantiles })
      const values = Array.from({ length: 2000 }, () => (next() - 0.3) * scale * next() ** 3)
      for (const value of values) registry.recordSummary('s', value)
      values.sort((a, b) => a - b)
      const [metric] = registry.getAllMetrics()
      if (metric?.type !== 'summary') throw new Error('no summary')
      for (const { quantile, value } of metric.summary.quantiles) {
        const exact = values[Math.floor(quantile * (values.length - 1))]!
        expect(Math.abs(value - exact)).toBeLessThanOrEqual(Math.abs(exact) * 0.0101 + 1e-9)
      }
    }
  })

  it('refuses names, labels and numbers that make no sense', () => {
    const registry = new MetricsRegistry()
    const wrong: (() => void)[] = [
      () => registry.incrementCounter('jobs'),
      () => registry.incrementCounter('_total'),
      () => registry.incrementCounter('vitrine_jobs_total'),
      () => registry.incrementCounter('a-b_total'),
      () => registry.incrementCounter(7 as never),
      () => registry.incrementCounter('a_total', -1),
      () => registry.incrementCounter('a_total', Number.NaN),
      () => registry.incrementCounter('a_total', '1' as never),
      () => registry.setGauge('a_total', 1),
      () => registry.setGauge('9', 1),
      () => registry.setGauge('', 1),
      () => registry.setGauge('g', '1' as never),
      () => registry.setGaugeWithLabels('g', 1, { 'a-b': 'x' }),
      () => registry.setGaugeWithLabels('g', 1, { __name__: 'x' }),
      () => registry.setGaugeWithLabels('g', 1, { le: 'x' }),
      () => registry.setGaugeWithLabels('g', 1, { a: 1 } as never),
      () => registry.setGaugeWithLabels('g', 1, null as never),
      () => registry.recordHistogram('h', Number.POSITIVE_INFINITY),
      () => registry.recordSummary('s', undefined as never),
      () => registry.describe('x', 'thing' as never),
      () => registry.describe('x', 'toString' as never),
      () => registry.setInfo('x', {}),
      () => registry.setInfo('x_info', { a: 1 } as never),
      () => registry.setState('never_described', 'a'),
      () => registry.describe('a:b', 'stateset', { states: ['a'] }),
    ]
    for (const call of wrong) expect(call).toThrowError(coded('ERR_ARGUMENT'))
    const options = [{ bucket: [1] }, { buckets: [2, 1] }, { quantiles: [2] }, { help: 1 }]
    for (const each of options) {
      expect(() => registry.describe('y', 'histogram', each as never)).toThrowError(
        coded('ERR_OPTION'),
      )
    }
    for (const states of [undefined, [], ['a', 'a'], [''], [1], 'a']) {
      const wrong = states === undefined ? {} : { states: states as never }
      expect(() => registry.describe('y', 'stateset', wrong)).toThrowError(coded('ERR_OPTION'))
    }
    registry.describe('power', 'stateset', { states: ['on', 'off'] })
    for (const state of ['gone', ['on', 'gone'], 7, null]) {
      expect(() => registry.setState('power', state as never)).toThrowError(coded('ERR_ARGUMENT'))
    }
    expect(() => registry.setState('power', 'on', { power: 'x' })).toThrowError(
      coded('ERR_ARGUMENT'),
    )
    const hostile = new Proxy(
      {},
      {
        ownKeys() {
          throw new Error('no')
        },
      },
    )
    expect(() => registry.setGaugeWithLabels('g', 1, hostile)).toThrowError(coded('ERR_ARGUMENT'))
  })

  it('knows each name by one type, its samples included', () => {
    const registry = new MetricsRegistry()
    registry.incrementCounter('a_total')
    registry.recordHistogram('b', 1)
    const taken: (() => void)[] = [
      () => registry.describe('a_total', 'counter'),
      () => registry.setGauge('a', 1),
      () => registry.recordSummary('b', 1),
      () => registry.setGauge('b_sum', 1),
      () => registry.incrementCounter('b_total'),
    ]
    for (const call of taken) expect(call).toThrowError(coded('ERR_EXISTS'))
    registry.describe('c', 'gauge')
    registry.describe('c', 'gauge', { help: 'Later.' })
    expect(registry.getMetricHelp('c')).toBe('Later.')
    expect(() => registry.describe('c', 'summary')).toThrowError(coded('ERR_EXISTS'))
  })

  it('is exported with how many series there are, and how long exports before took', async () => {
    const registry = new MetricsRegistry()
    registry.setGauge('queue', 4)
    registry.setGaugeWithLabels('queue', 7, { name: 'b' })
    registry.recordHistogram('size_bytes', 1)
    const exporter = exporterOf(registry)
    const all = async () => readText(await exporter.text(), 'prometheus')
    const duration = 'vitrine_metrics_render_duration_seconds'
    const first = await all()
    const series = first.find(({ name }) => name === 'vitrine_metrics_series')
    expect(series?.samples[0]?.value).toBe(4) // with vitrine_build_info
    expect(first.map(({ name }) => name)).not.toContain(duration)
    await exporter.json()
    await exporter.text()
    const took = (await all()).find(({ name }) => name === duration)
    const of = (suffix: string) =>
      took?.samples
        .filter(({ name }) => name === duration + suffix)
        .map(({ labels, value }) => [labels.format, value])
    expect(of('_count')).toEqual([
      ['text', 2],
      ['json', 1],
    ])
    for (const [, seconds] of of('_sum') ?? []) expect(seconds).toBeGreaterThan(0)
  })

  it('has a thousand series a metric at most, and loses no count', async () => {
    const registry = new MetricsRegistry()
    for (let i = 0; i < 1500; i++) registry.incrementCounter('seen_total', 1, { user: `u${i}` })
    for (let i = 0; i < 10; i++) registry.incrementCounter('seen_total', 1, { user: 'u5' })
    const seen = await familyOf(registry, 'seen_total')
    expect(seen?.samples).toHaveLength(1000)
    expect(seen?.samples.at(-1)).toMatchObject({ labels: { user: '__other__' }, value: 501 })
    expect(seen?.samples[5]?.value).toBe(11)
    const overflow = await familyOf(registry, 'vitrine_metrics_series_overflow_total')
    expect(overflow?.samples).toMatchObject([{ labels: { family: 'seen_total' }, value: 501 }])
  })

  it('loses no count however many series there are, in whatever order', async () => {
    const next = randomNumbers(9)
    for (const users of [1, 999, 1000, 1300]) {
      const registry = new MetricsRegistry()
      const expected = new Map<string, number>()
      const count = (user: string) => {
        const amount = 1 + Math.floor(next() * 9)
        registry.incrementCounter('seen_total', amount, { user })
        expected.set(user, (expected.get(user) ?? 0) + amount)
      }
      for (let i = 0; i < 500; i++) count(`u${Math.floor(next() * users)}`)
      for (let i = 0; i < users; i++) count(`u${i}`)
      const samples = (await familyOf(registry, 'seen_total'))?.samples ?? []
      expect(samples.length).toBe(Math.min(users, 1000))
      let sum = 0
      for (const { labels, value } of samples) {
        sum += value
        if (labels.user !== '__other__') expect(value).toBe(expected.get(labels.user!))
      }
      expect(sum).toBe([...expected.values()].reduce((all, one) => all + one, 0))
      const others = samples.filter(({ labels }) => labels.user === '__other__')
      expect(others.length).toBe(users < 1000 ? 0 : 1)
    }
  })
})

describe('infos and state sets', () => {
  it('say what is so by labels, in every format', async () => {
    const registry = new MetricsRegistry()
    registry.setInfo('app_info', { version: '1' })
    registry.setInfo('app_info', { version: '2', stage: 'test' })
    registry.describe('power', 'stateset', { help: 'Of the machine.', states: ['on', 'off'] })
    registry.setState('power', 'on', { room: 'a' })
    registry.setState('power', ['off'], { room: 'b' })
    registry.setState('power', 'off', { room: 'a' })
    registry.setState('power', [], { room: 'c' })
    const states = [
      { power: 'on', room: 'a', value: 0 },
      { power: 'off', room: 'a', value: 1 },
      { power: 'on', room: 'b', value: 0 },
      { power: 'off', room: 'b', value: 1 },
      { power: 'on', room: 'c', value: 0 },
      { power: 'off', room: 'c', value: 0 },
    ]
    const from = exporterOf(registry)
    for (const dialect of ['prometheus', 'openmetrics'] as const) {
      const open = dialect === 'openmetrics'
      const families = readText(open ? await from.openMetrics() : await from.text(), dialect)
      const info = families.find(({ name }) => name === (open ? 'app' : 'app_info'))
      expect(info).toMatchObject({ type: open ? 'info' : 'gauge' })
      expect(info?.samples).toEqual([
        { name: 'app_info', labels: { version: '2', stage: 'test' }, value: 1 },
      ])
      const power = families.find(({ name }) => name === 'power')
      expect(power).toMatchObject({ type: open ? 'stateset' : 'gauge', help: 'Of the machine.' })
      expect(power?.samples.map(({ labels, value }) => ({ ...labels, value }))).toEqual(states)
    }
    const messages = readProtobuf(await from.protobuf())
    for (const name of ['app_info', 'power']) {
      expect(messages.find(message => message.name === name)).toMatchObject({ type: 'gauge' })
    }
    const json = JSON.parse(await from.json()).metrics as { type: string; name: string }[]
    expect(json.filter(({ type }) => type === 'stateset')).toHaveLength(6)
    expect(json.filter(({ name }) => name === 'app_info')).toMatchObject([{ type: 'info' }])
    const otlp = JSON.parse(await from.json({ format: 'otlp' }))
    const list = otlp.resourceMetrics[0].scopeMetrics[0].metrics.slice(-2)
    expect(list.map((each: object) => Object.keys(each).at(-1))).toEqual(['gauge', 'gauge'])
    expect(registry.getAllMetrics().filter(({ type }) => type === 'stateset')).toHaveLength(6)
  })

  it('keep the state where labels are left out, and are in each that any is in', async () => {
    const registry = new MetricsRegistry()
    registry.describe('power', 'stateset', { states: ['on', 'off'] })
    registry.setState('power', 'on', { room: 'a' })
    registry.setState('power', 'off', { room: 'b' })
    const text = await metrics([], { registry, labels: ['db'] }).text()
    const power = readText(text, 'prometheus').find(({ name }) => name === 'power')
    expect(power?.samples.map(({ labels, value }) => [labels, value])).toEqual([
      [{ power: 'on' }, 1],
      [{ power: 'off' }, 1],
    ])
  })

  it('have room for all states of a thing, or count it among the others', async () => {
    const registry = new MetricsRegistry()
    registry.describe('power', 'stateset', { states: ['on', 'off', 'gone'] })
    for (let i = 0; i < 400; i++) registry.setState('power', 'on', { room: `r${i}` })
    const power = await familyOf(registry, 'power')
    expect(power?.samples).toHaveLength(999)
    const others = power?.samples.filter(({ labels }) => labels.room === '__other__')
    expect(others?.map(({ labels, value }) => [labels.power, value])).toEqual([
      ['on', 1],
      ['off', 0],
      ['gone', 0],
    ])
    const overflow = await familyOf(registry, 'vitrine_metrics_series_overflow_total')
    expect(overflow?.samples).toMatchObject([{ labels: { family: 'power' }, value: 204 }])
  })
})

describe('what a registry holds', () => {
  it('comes out in every format, after ours, as it went in', async () => {
    const registry = new MetricsRegistry()
    registry.describe('size_bytes', 'histogram', { help: 'Sizes.', buckets: [0.5, 1e6] })
    registry.recordHistogram('size_bytes', 3, { a: 'x' })
    registry.describe('wait', 'summary', { quantiles: [0.5] })
    registry.recordSummary('wait', 8)
    registry.setGauge('g', Number.NaN)
    registry.incrementCounter('n_total', 0.25)
    const index = new Index({ dimension: 2 })
    const from = metrics(index, { registry })
    for (const dialect of ['prometheus', 'openmetrics'] as const) {
      const text = dialect === 'prometheus' ? await from.text() : await from.openMetrics()
      const families = readText(text, dialect)
      const [size, wait, g, n] = families.slice(-4)
      expect(size).toMatchObject({ name: 'size_bytes', type: 'histogram', help: 'Sizes.' })
      const values = size?.samples
      expect(values?.map(({ value }) => value)).toEqual([0, 1, 1, 3, 1])
      expect(values?.[1]?.labels).toEqual({ a: 'x', le: '1e+06' })
      expect(wait?.samples[0]?.labels).toEqual({ quantile: '0.5' })
      expect(wait?.samples[0]?.value).toBeCloseTo(8, 0)
      expect(g?.samples[0]?.value).toBeNaN()
      expect(n?.samples[0]).toMatchObject({ name: 'n_total', value: 0.25 })
    }
    const messages = readProtobuf(await from.protobuf())
    const of = (name: string) => messages.find(message => message.name === name)?.metrics[0]
    expect(of('size_bytes')?.histogram).toEqual({
      count: 1,
      sum: 3,
      buckets: [
        { le: 0.5, count: 0 },
        { le: 1e6, count: 1 },
        { le: Number.POSITIVE_INFINITY, count: 1 },
      ],
    })
    expect(of('wait')?.summary).toMatchObject({ count: 1, sum: 8 })
    expect(of('n_total')?.value).toBe(0.25)
    expect(of('n_total')?.createdSeconds).toBeCloseTo(Date.now() / 1000, -1)
    const otlp = JSON.parse(await from.json({ format: 'otlp' }))
    const list = otlp.resourceMetrics[0].scopeMetrics[0].metrics.slice(-4)
    expect(list.map((each: object) => Object.keys(each).at(-1))).toEqual([
      'histogram',
      'summary',
      'gauge',
      'sum',
    ])
    expect(list[0].histogram.dataPoints[0]).toMatchObject({
      bucketCounts: ['0', '1', '0'],
      explicitBounds: [0.5, 1e6],
    })
    expect(list[2].gauge.dataPoints[0].asDouble).toBe('NaN')
    await index.close()
  })

  it('survives whatever labels, texts and numbers there are', async () => {
    const next = randomNumbers(5)
    const pieces = [
      '"',
      '\\',
      '\n',
      '\\n',
      'a',
      ' ',
      '{',
      '}',
      ',',
      '=',
      '#',
      'é',
      '\u{1F600}',
      '\r',
      '\0',
      '\u2028',
      '\ud800',
    ]
    const word = () =>
      Array.from(
        { length: Math.floor(next() * 8) },
        () => pieces[Math.floor(next() * pieces.length)],
      ).join('')
    const numbers = [
      0,
      -0,
      1e-320,
      5e-5,
      0.1,
      1 / 3,
      123456789.125,
      2 ** 53,
      1e21,
      -1.5,
      Number.MAX_VALUE,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
    ]
    for (let round = 0; round < 50; round++) {
      const registry = new MetricsRegistry()
      // A lone surrogate cannot be written as UTF-8.
      const known = (text: string) => text.replaceAll(/\ud800(?!\udc00)/g, '\ufffd')
      const help = `a${word()}`
      registry.describe('g', 'gauge', { help })
      const expected = new Map<string, number>()
      for (let i = 0; i < 5; i++) {
        const labels = { first: word(), second: `${i}${word()}` }
        const value = numbers[Math.floor(next() * numbers.length)]! * (i % 2 === 0 ? 1 : next())
        registry.setGaugeWithLabels('g', value, labels)
        expected.set(JSON.stringify([known(labels.first), known(labels.second)]), value)
      }
      const from = exporterOf(registry)
      const texts = [
        readText(await from.text(), 'prometheus'),
        readText(await from.openMetrics(), 'openmetrics'),
      ]
      const messages = readProtobuf(await from.protobuf())
      const json = JSON.parse(await from.json()).metrics
      for (const families of texts) {
        const family = families.find(({ name }) => name === 'g')
        expect(family?.help).toBe(known(help))
        for (const { labels, value } of family!.samples) {
          // Zero has no sign in decimal text of ours.
          expect(value + 0).toBe(expected.get(JSON.stringify([labels.first, labels.second]))! + 0)
        }
        expect(family?.samples).toHaveLength(expected.size)
      }
      for (const { labels, value } of messages.find(({ name }) => name === 'g')!.metrics) {
        expect(value).toBe(expected.get(JSON.stringify([labels.first, labels.second])))
      }
      for (const { name, labels } of json) {
        if (name === 'g')
          expect(expected.has(JSON.stringify([labels.first, labels.second]))).toBe(true)
      }
    }
  })
})
