// Readers of the formats that metrics come in, written from their specifications and from nothing of lib/ or native/.

export interface ReadSample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface ReadFamily {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly unit: string
  readonly samples: ReadSample[]
}

const suffixes: Readonly<Record<string, readonly string[]>> = {
  counter: ['_total'],
  gauge: [''],
  histogram: ['_bucket', '_sum', '_count'],
  summary: ['', '_sum', '_count'],
  info: ['_info'],
  stateset: [''],
}

/**
 * Reads text of either dialect, and throws at the first byte that does not belong there: descriptions that come twice or too late, samples
 * that are not of their family, series that come twice, labels or numbers that are no such, and an end that is missing.
 */
export function readText(text: string, dialect: 'prometheus' | 'openmetrics'): ReadFamily[] {
  const families: { -readonly [K in keyof ReadFamily]: ReadFamily[K] }[] = []
  const seenFamilies = new Set<string>()
  const seenSeries = new Set<string>()
  const lines = text.split('\n')
  if (lines.pop() !== '') throw new Error('the last line does not end')
  if (dialect === 'openmetrics' && lines.pop() !== '# EOF') throw new Error('no # EOF')
  for (const line of lines) {
    const fail = (why: string): never => {
      throw new Error(`${why}: ${line}`)
    }
    const described = line.match(/^# (HELP|TYPE|UNIT) ([a-zA-Z_:][a-zA-Z0-9_:]*) ?(.*)$/s)
    let family = families.at(-1)
    if (described !== null) {
      const [, what, name, rest] = described as unknown as [string, string, string, string]
      if (family?.name !== name) {
        if (seenFamilies.has(name)) fail('a family in two places')
        seenFamilies.add(name)
        family = { name, type: '', help: '', unit: '', samples: [] }
        families.push(family)
      }
      if (family.samples.length > 0) fail('described after its samples')
      const key = what === 'HELP' ? 'help' : what === 'TYPE' ? 'type' : 'unit'
      if (family[key] !== '') fail('described twice')
      if (what === 'UNIT' && !(dialect === 'openmetrics' && name.endsWith(`_${rest}`))) fail('unit')
      if (what === 'TYPE' && !(rest in suffixes)) fail('no such type')
      family[key] =
        what === 'HELP' ? unescaped(rest, dialect === 'openmetrics' ? /[\\n"]/ : /[\\n]/) : rest
      continue
    }
    const match = line.match(/^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? (\S+)$/s)
    if (match === null || family === undefined) return fail('neither a comment nor a sample')
    const [, name, labelText = '', valueText] = match as unknown as [string, string, string, string]
    const plain = dialect === 'prometheus' && ['counter', 'info'].includes(family.type)
    const allowed = plain ? [''] : suffixes[family.type]!
    if (!allowed.some(suffix => name === family.name + suffix)) fail('of another family')
    const labels = readLabels(labelText, fail)
    const series = `${name}${JSON.stringify(Object.entries(labels).sort())}`
    if (seenSeries.has(series)) fail('a series twice')
    seenSeries.add(series)
    family.samples.push({ name, labels, value: readNumber(valueText, fail) })
  }
  return families
}

function readLabels(text: string, fail: (why: string) => never): Record<string, string> {
  const labels: Record<string, string> = {}
  if (text === '') return labels
  const pattern = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|\}$)/y
  pattern.lastIndex = 1
  while (pattern.lastIndex < text.length) {
    const [, name, value] = (pattern.exec(text) ?? fail('labels')) as unknown as [
      string,
      string,
      string,
    ]
    if (name in labels) fail('a label twice')
    labels[name] = unescaped(value, /[\\n"]/)
  }
  return labels
}

function unescaped(text: string, allowed: RegExp): string {
  return text.replace(/\\(.?)/gs, (_, escaped: string) => {
    if (!allowed.test(escaped)) throw new Error(`escaped ${escaped}: ${text}`)
    return escaped === 'n' ? '\n' : escaped
  })
}

function readNumber(text: string, fail: (why: string) => never): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY
  if (text === '-Inf') return Number.NEGATIVE_INFINITY
  if (text === 'NaN') return Number.NaN
  if (!/^-?\d+(\.\d+)?(e[+-]\d+)?$/.test(text)) fail('no number')
  return Number(text)
}

export interface ReadHistogram {
  readonly count: number
  readonly sum: number
  readonly buckets: readonly { readonly le: number; readonly count: number }[]
  /** Undefined where it has no native buckets. */
  readonly native?: {
    readonly schema: number
    readonly zeroThreshold: number
    readonly zeroCount: number
    /** By number: bucket i holds what is above 2^((i - 1) / 2^schema), and at most 2^(i / 2^schema). */
    readonly counts: ReadonlyMap<number, number>
  }
}

export interface ReadMetric {
  readonly labels: Readonly<Record<string, string>>
  /** Of a counter or gauge. */
  readonly value?: number
  readonly histogram?: ReadHistogram
  readonly summary?: { count: number; sum: number; quantiles: [number, number][] }
  readonly createdSeconds?: number
}

export interface ReadMessage {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'summary' | 'untyped' | 'histogram'
  readonly unit: string
  readonly metrics: readonly ReadMetric[]
}

type Fields = Map<number, (bigint | Buffer)[]>

/** The fields of a message of protobuf, by number: varints as integers, everything else as bytes. */
function readFields(bytes: Buffer): Fields {
  const fields: Fields = new Map()
  let at = 0
  const varint = () => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]
      if (byte === undefined || shift > 63n) throw new Error('a varint without an end')
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  const take = (length: number) => {
    if (at + length > bytes.length) throw new Error('a field that is too long')
    at += length
    return bytes.subarray(at - length, at)
  }
  while (at < bytes.length) {
    const tag = Number(varint())
    const number = tag >> 3
    const type = tag & 7
    if (type !== 0 && type !== 1 && type !== 2) throw new Error(`wire type ${type}`)
    const value = type === 0 ? varint() : take(type === 1 ? 8 : Number(varint()))
    fields.set(number, [...(fields.get(number) ?? []), value])
  }
  return fields
}

const bytesOf = (fields: Fields, number: number) => (fields.get(number) ?? []) as Buffer[]
const textOf = (fields: Fields, number: number) => bytesOf(fields, number)[0]?.toString() ?? ''
const wholeOf = (fields: Fields, number: number) => (fields.get(number)?.[0] ?? 0n) as bigint
const doubleOf = (fields: Fields, number: number) => bytesOf(fields, number)[0]?.readDoubleLE() ?? 0
const signedOf = (value: bigint) => Number((value >> 1n) ^ -(value & 1n))

/** Messages io.prometheus.client.MetricFamily, each after its length. */
export function readProtobuf(bytes: Uint8Array): ReadMessage[] {
  // The messages are what a message would have in fields: their lengths, without tags.
  const messages: ReadMessage[] = []
  let rest = Buffer.from(bytes)
  while (rest.length > 0) {
    let length = 0
    let at = 0
    for (let shift = 0; ; shift += 7) {
      const byte = rest[at++]!
      length += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) break
    }
    if (at + length > rest.length) throw new Error('a message that is too long')
    messages.push(readFamily(readFields(rest.subarray(at, at + length))))
    rest = rest.subarray(at + length)
  }
  return messages
}

function readFamily(fields: Fields): ReadMessage {
  const types = ['counter', 'gauge', 'summary', 'untyped', 'histogram'] as const
  return {
    name: textOf(fields, 1),
    help: textOf(fields, 2),
    type: types[Number(wholeOf(fields, 3))]!,
    metrics: bytesOf(fields, 4).map(metric => readMetric(readFields(metric))),
    unit: textOf(fields, 5),
  }
}

function readMetric(fields: Fields): ReadMetric {
  const labels = Object.fromEntries(
    bytesOf(fields, 1)
      .map(pair => readFields(pair))
      .map(pair => [textOf(pair, 1), textOf(pair, 2)]),
  )
  const created = (parent: Fields, number: number) => {
    const [stamp] = bytesOf(parent, number).map(readFields)
    return stamp === undefined
      ? {}
      : { createdSeconds: Number(wholeOf(stamp, 1)) + Number(wholeOf(stamp, 2)) / 1e9 }
  }
  const [gauge] = bytesOf(fields, 2).map(readFields)
  if (gauge !== undefined) return { labels, value: doubleOf(gauge, 1) }
  const [counter] = bytesOf(fields, 3).map(readFields)
  if (counter !== undefined) {
    return { labels, value: doubleOf(counter, 1), ...created(counter, 3) }
  }
  const [summary] = bytesOf(fields, 4).map(readFields)
  if (summary !== undefined) {
    const quantiles = bytesOf(summary, 3)
      .map(readFields)
      .map((each): [number, number] => [doubleOf(each, 1), doubleOf(each, 2)])
    const count = Number(wholeOf(summary, 1))
    return {
      labels,
      summary: { count, sum: doubleOf(summary, 2), quantiles },
      ...created(summary, 4),
    }
  }
  const [histogram] = bytesOf(fields, 7).map(readFields)
  if (histogram === undefined) throw new Error('a metric without a value')
  return { labels, histogram: readHistogram(histogram), ...created(histogram, 15) }
}

function readHistogram(fields: Fields): ReadHistogram {
  const buckets = bytesOf(fields, 3)
    .map(readFields)
    .map(bucket => ({ le: doubleOf(bucket, 2), count: Number(wholeOf(bucket, 1)) }))
  const classic = { count: Number(wholeOf(fields, 1)), sum: doubleOf(fields, 2), buckets }
  if (!fields.has(5)) return classic
  const packed = bytesOf(fields, 13)[0] ?? Buffer.alloc(0)
  // Packed integers are what a message of one field would be, tag by tag.
  const deltas = [...packed].reduce<{ numbers: number[]; open: bigint; shift: bigint }>(
    ({ numbers, open, shift }, byte) => {
      const value = open | (BigInt(byte & 0x7f) << shift)
      return byte < 0x80
        ? { numbers: [...numbers, signedOf(value)], open: 0n, shift: 0n }
        : { numbers, open: value, shift: shift + 7n }
    },
    { numbers: [], open: 0n, shift: 0n },
  ).numbers
  const counts = new Map<number, number>()
  let bucket = 0
  let count = 0
  for (const span of bytesOf(fields, 12).map(readFields)) {
    bucket += signedOf(wholeOf(span, 1))
    for (let i = 0; i < Number(wholeOf(span, 2)); i++) {
      count += deltas.shift()!
      counts.set(bucket++, count)
    }
  }
  if (deltas.length > 0) throw new Error('more deltas than spans')
  return {
    ...classic,
    native: {
      schema: signedOf(wholeOf(fields, 5)),
      zeroThreshold: doubleOf(fields, 6),
      zeroCount: Number(wholeOf(fields, 7)),
      counts,
    },
  }
}
