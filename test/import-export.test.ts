import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type Collection,
  Database,
  type ImportOptions,
  type PointFormat,
  type StoredPoint,
  type TransferProgress,
  VitrineError,
} from '../lib/vitrine.ts'

let folder: string
let db: Database

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vitrine-import-'))
  db = await Database.open(':memory:')
})
afterEach(async () => {
  await db.close()
  rmSync(folder, { recursive: true, force: true })
})

const place = (name: string) => join(folder, name)
const code = (code: string, details?: object) =>
  expect.objectContaining({
    name: 'VitrineError',
    code,
    ...(details && { details: expect.objectContaining(details) }),
  })

let collections = 0
const collectionOf = (dimension: number) => db.createCollection(`c${++collections}`, { dimension })

async function contents(collection: Collection): Promise<Map<unknown, StoredPoint>> {
  const points = new Map<unknown, StoredPoint>()
  for await (const point of collection.scan({ select: ['payload', 'vector'] })) {
    points.set(point.id, point)
  }
  return points
}

/** Imports text or bytes into a new collection; gives back what became of it. */
async function imported(
  bytes: string | Uint8Array,
  dimension: number,
  options: ImportOptions = { format: 'jsonl' },
) {
  const collection = await collectionOf(dimension)
  const outcome = await collection
    .import(Readable.from([bytes]), options)
    .catch((error: unknown) => error)
  return { outcome, collection, points: await contents(collection) }
}

const line = (id: unknown, vector: unknown, payload?: unknown) =>
  `${JSON.stringify({ id, vector, payload })}\n`

/** Records of an int32 dimension and elements that `put` writes. */
function records(rows: readonly ArrayLike<number>[], elements: 'f' | 'b' | 'i'): Buffer {
  return Buffer.concat(
    rows.map(row => {
      const head = Buffer.alloc(4)
      head.writeInt32LE(row.length)
      const body =
        elements === 'f'
          ? Float32Array.from(row)
          : elements === 'b'
            ? Uint8Array.from(row)
            : Int32Array.from(row)
      return Buffer.concat([head, Buffer.from(body.buffer)])
    }),
  )
}

function npy(descr: string, shape: string, data: Uint8Array, order = 'False'): Buffer {
  const text = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }`
  const header = Buffer.alloc(10, '\x93NUMPY\x01\x00', 'latin1')
  const padded = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`
  header.writeUInt16LE(padded.length, 8)
  return Buffer.concat([header, Buffer.from(padded, 'latin1'), data])
}

const bytesOf = (array: Float32Array | Float64Array | Uint8Array | Int32Array | Uint32Array) =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength)

const hardPoints = () => [
  {
    id: 'a "quoted"\nÜ\u{1f600}',
    vector: Float32Array.of(1.1, -0, 1e-40),
    payload: { a: [1, null] },
  },
  { id: 5, vector: Float32Array.of(3.4028234663852886e38, 0.1, -1e-7) },
  {
    id: 2n ** 64n - 1n,
    vector: Float32Array.of(1, 2, 3),
    payload: { text: '\ud800\u2028 line\r\n' },
  },
  { id: 9007199254740993n, vector: Float32Array.of(4, 5, 6), payload: {} },
  { id: '5', vector: Float32Array.of(7, 8, 9) },
]

describe('a file of points', () => {
  it('comes back as it was from JSONL, bit for bit', async () => {
    const from = await collectionOf(3)
    await from.upsert(hardPoints())
    const path = place('points.jsonl')
    const { points, bytes } = await from.export(path)
    expect([points, bytes]).toEqual([5, readFileSync(path).length])
    const to = await collectionOf(3)
    const result = await to.import(path, { batchSize: 2 })
    expect(result).toEqual({ points: 5, ack: { lsn: expect.any(BigInt), durable: false } })
    const [before, after] = [await contents(from), await contents(to)]
    expect(after).toEqual(before)
    const zero = after.get(hardPoints()[0]?.id)?.vector?.[1]
    expect(Object.is(zero, -0)).toBe(true)
  })

  it('comes back as it was from vectors with metadata beside them', async () => {
    const from = await collectionOf(3)
    await from.upsert(hardPoints())
    for (const format of ['npy', 'fvecs'] as const) {
      const [vectors, metadata] = [place(`v.${format}`), place(`${format}.jsonl`)]
      await from.export(vectors, { metadata })
      const to = await collectionOf(3)
      await to.import(vectors, { metadata, batchSize: 3 })
      expect(await contents(to)).toEqual(await contents(from))
    }
  })

  it('comes back from formats of integers, which refuse what they cannot hold', async () => {
    const rows = [
      [0, 255, 7],
      [1, 2, 3],
    ]
    const from = await collectionOf(3)
    await from.upsert(rows.map((vector, id) => ({ id, vector })))
    for (const format of ['bvecs', 'ivecs'] as const) {
      const path = place(`integers.${format}`)
      await from.export(path)
      const expected = [...(await contents(from)).values()].map(point => point.vector ?? [])
      expect(readFileSync(path)).toEqual(records(expected, format === 'bvecs' ? 'b' : 'i'))
      const to = await collectionOf(3)
      await to.import(path)
      expect((await contents(to)).size).toBe(2)
    }
    await from.upsert([{ id: 'half', vector: [0.5, 0, 0] }])
    await from.upsert([{ id: 'far', vector: [1e10, 0, 0] }])
    const failure = await from.export(place('half.ivecs')).catch(error => error)
    expect(failure).toEqual(code('ERR_VECTOR'))
    expect(['half', 'far']).toContain(failure.details.id)
    expect(readdirSync(folder).sort()).toEqual(['integers.bvecs', 'integers.ivecs'])
  })

  it('is read packed, from a stream, in pieces of a byte, and with numbers for ids', async () => {
    const rows = [Float32Array.of(1, 2), Float32Array.of(3, 4), Float32Array.of(5, 6)]
    const files: Record<string, Uint8Array> = {
      'a.fvecs': records(rows, 'f'),
      'a.npy': npy('<f4', '(3, 2)', bytesOf(Float32Array.of(1, 2, 3, 4, 5, 6))),
      'b.npy': npy('<f8', '(3, 2)', bytesOf(Float64Array.of(1, 2, 3, 4, 5, 6))),
      'c.npy': npy('|u1', '(3, 2)', Uint8Array.of(1, 2, 3, 4, 5, 6)),
      'd.npy': npy('<i4', '(3, 2)', bytesOf(Int32Array.of(1, 2, 3, 4, 5, 6))),
      'e.npy': npy('<u4', '(3,2)', bytesOf(Uint32Array.of(1, 2, 3, 4, 5, 6))),
      'a.jsonl': Buffer.from(rows.map((row, id) => line(id + 10, [...row])).join('')),
    }
    const expected = new Map(rows.map((vector, i) => [10 + i, { id: 10 + i, vector }] as const))
    for (const [name, bytes] of Object.entries(files)) {
      writeFileSync(place(`${name}.gz`), gzipSync(bytes))
      const packed = await collectionOf(2)
      await packed.import(place(`${name}.gz`), { firstId: 10 })
      expect(await contents(packed), name).toEqual(expected)
      const format = name.slice(2) as PointFormat
      const single = await collectionOf(2)
      const pieces = Array.from(bytes, byte => Uint8Array.of(byte))
      await single.import(Readable.from(pieces), { format, firstId: 10n, batchSize: 2 })
      expect(await contents(single), name).toEqual(expected)
    }
  })

  it('may have no points at all', async () => {
    const empty = await collectionOf(4)
    for (const format of ['jsonl', 'npy', 'fvecs', 'bvecs', 'ivecs'] as const) {
      const path = place(`empty.${format}`)
      expect((await empty.export(path)).points).toBe(0)
      expect(await empty.import(path)).toEqual({ points: 0, ack: undefined })
    }
  })

  it('may have a byte order mark, CRLF, blank lines and no line feed at its end', async () => {
    const text = `\ufeff${line('a', [1]).trim()}\r\n\r\n   \n${line('b', [2]).trim()}`
    const { outcome, points } = await imported(text, 1)
    expect(outcome).toMatchObject({ points: 2 })
    expect([...points.keys()].sort()).toEqual(['a', 'b'])
  })
})

describe('an import', () => {
  it('names the line, and keeps the batches before it', async () => {
    const good = Array.from({ length: 5 }, (_, i) => line(i, [i, i])).join('')
    const cases: [string, string][] = [
      ['{"id": 1, "vector": [1, 2]', 'ERR_FORMAT'],
      ['[1, 2]', 'ERR_FORMAT'],
      ['null', 'ERR_FORMAT'],
      ['{"id": 1, "vector": [1, 2], "payloads": {}}', 'ERR_FORMAT'],
      ['{"id": 1}', 'ERR_ARGUMENT'],
      ['{"vector": [1, 2]}', 'ERR_ID'],
      ['{"id": -1, "vector": [1, 2]}', 'ERR_ID'],
      ['{"id": 1.5, "vector": [1, 2]}', 'ERR_ID'],
      ['{"id": "", "vector": [1, 2]}', 'ERR_ID'],
      [`{"id": "${'x'.repeat(1025)}", "vector": [1, 2]}`, 'ERR_ID'],
      ['{"id": 18446744073709551616, "vector": [1, 2]}', 'ERR_ID'],
      ['{"vector": [1, 2], "id": 9007199254740993}', 'ERR_ID'],
      ['{"id": 9007199254740993, "vector": [1, 2], "id": 1e300}', 'ERR_ID'],
      ['{"id": 1, "vector": [1]}', 'ERR_DIMENSION'],
      ['{"id": 1, "vector": [1, null]}', 'ERR_VECTOR'],
      ['{"id": 1, "vector": [1, 1e39]}', 'ERR_VECTOR'],
      ['{"id": 1, "vector": [1, 2], "payload": [1]}', 'ERR_ARGUMENT'],
      ['{"id": 1, "vector": [1, 2], "payload": {"a": 1e999}}', 'ERR_ARGUMENT'],
    ]
    for (const [bad, expected] of cases) {
      const text = `${good}${bad}\n${line(99, [9, 9])}`
      const { outcome, points } = await imported(text, 2, { format: 'jsonl', batchSize: 2 })
      expect(outcome, bad).toEqual(code(expected, { line: 6, imported: 4 }))
      expect((outcome as Error).message, bad).toMatch(/^the source: line 6: /)
      expect([...points.keys()].sort(), bad).toEqual([0, 1, 2, 3])
    }
    const invalid = Buffer.concat([Buffer.from('{"id": "'), Buffer.of(0xff), Buffer.from('"}')])
    expect((await imported(invalid, 1)).outcome).toEqual(code('ERR_FORMAT', { line: 1 }))
    const endless = `{"id": "${'x'.repeat(9 << 20)}`
    expect((await imported(endless, 1)).outcome).toEqual(code('ERR_TOO_LARGE', { line: 1 }))
  })

  it('is taken up again where it failed', async () => {
    const lines = Array.from({ length: 9 }, (_, i) => line(i, [i]))
    const damaged = lines.with(7, 'damaged\n').join('')
    const { outcome, collection } = await imported(damaged, 1, { format: 'jsonl', batchSize: 3 })
    expect(outcome).toEqual(code('ERR_FORMAT', { line: 8, imported: 6 }))
    const { imported: skip } = (outcome as VitrineError).details as { imported: number }
    const rest = await collection.import(Readable.from([lines.join('')]), { format: 'jsonl', skip })
    expect(rest.points).toBe(3)
    expect(await collection.count()).toBe(9)
    const fvecs = records([[0], [1], [2], [3]], 'f')
    const rows = await collectionOf(1)
    await rows.import(Readable.from([fvecs]), { format: 'fvecs', skip: 3 })
    expect([...(await contents(rows)).keys()]).toEqual([3])
  })

  it('of a file cut off anywhere takes whole batches of its beginning, and says so', async () => {
    const rows = [0, 1, 2, 3, 4, 5].map(i => [i, 2 * i + 1])
    const flat = Float32Array.from(rows.flat())
    const whole: [ImportOptions, Buffer][] = [
      [{ format: 'jsonl' }, Buffer.from(rows.map((row, id) => line(id, row, { id })).join(''))],
      [{ format: 'npy' }, npy('<f4', '(6, 2)', bytesOf(flat))],
      [{ format: 'fvecs' }, records(rows, 'f')],
      [{ format: 'bvecs' }, records(rows, 'b')],
    ]
    for (const [options, bytes] of whole) {
      const collection = await collectionOf(2)
      for (let end = 0; end < bytes.length; end++) {
        const name = `${options.format} of ${end} bytes`
        const outcome = await collection
          .import(Readable.from([bytes.subarray(0, end)]), { ...options, batchSize: 2 })
          .catch((error: unknown) => error)
        const points = await contents(collection)
        const { points: done = undefined } = outcome as { points?: number }
        if (done === undefined) {
          expect(outcome, name).toBeInstanceOf(VitrineError)
          const { details } = outcome as VitrineError
          expect(points.size, name).toBe(details?.imported)
          expect(points.size % 2, name).toBe(0)
        } else {
          // A cut between two rows shows only where the file says how many there are.
          expect(options.format, name).not.toBe('npy')
          expect(points.size, name).toBe(done)
        }
        for (const [id, point] of points) {
          expect([...(point.vector ?? [])], name).toEqual(rows[id as number])
        }
        await collection.delete([0, 1, 2, 3, 4, 5])
      }
    }
  })

  it('of a file with a flipped bit takes it, or refuses it with a code', async () => {
    const flat = Float32Array.of(1, 2, 3, 4)
    for (const [format, bytes] of [
      ['npy', npy('<f4', '(2, 2)', bytesOf(flat))],
      ['fvecs', records([flat.subarray(0, 2), flat.subarray(2)], 'f')],
    ] as const) {
      const collection = await collectionOf(2)
      for (let bit = 0; bit < 8 * bytes.length; bit++) {
        const damaged = Buffer.from(bytes)
        damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        const outcome = await collection
          .import(Readable.from([damaged]), { format })
          .catch((error: unknown) => error)
        if (!(outcome instanceof VitrineError)) expect(outcome).toMatchObject({ points: 2 })
      }
    }
  })

  it('believes no header', async () => {
    const data = bytesOf(Float32Array.of(1, 2, 3, 4))
    const long = npy('<f4', '(2, 2)', data)
    long[6] = 2
    long.writeUInt32LE(0xffffffff, 8)
    const cases: [Uint8Array, string][] = [
      [new Uint8Array(0), 'ERR_FORMAT'],
      [long, 'ERR_FORMAT'],
      [npy('<c8', '(2, 2)', data), 'ERR_FORMAT'],
      [npy('<f2', '(2, 2)', data), 'ERR_CORRUPT'],
      [npy('<f4', '(2, 2, 1)', data), 'ERR_FORMAT'],
      [npy('<f4', '()', data), 'ERR_FORMAT'],
      [npy('<f4', '(-2, 2)', data), 'ERR_FORMAT'],
      [npy('<f4', '(2, 2)', data, 'True'), 'ERR_FORMAT'],
      [npy('<f4', '(2, 3)', data), 'ERR_DIMENSION'],
      [npy('<f4', '(1, 2)', data), 'ERR_CORRUPT'],
      [npy('<f4', '(999999999999999, 2)', data), 'ERR_CORRUPT'],
      [npy('<f4', '(2, 2)', bytesOf(Float32Array.of(1, 2, 3, Number.NaN))), 'ERR_VECTOR'],
    ]
    for (const [bytes, expected] of cases) {
      writeFileSync(place('wrong.npy'), bytes)
      const collection = await collectionOf(2)
      await expect(collection.import(place('wrong.npy'))).rejects.toEqual(
        code(expected, { imported: 0 }),
      )
      expect((await imported(bytes, 2, { format: 'npy', batchSize: 9 })).outcome).toEqual(
        code(expected),
      )
    }
    const huge = records([[1, 2]], 'f')
    huge.writeInt32LE(2 ** 31 - 1, 0)
    expect((await imported(huge, 2, { format: 'fvecs' })).outcome).toEqual(
      code('ERR_DIMENSION', { row: 0, imported: 0 }),
    )
  })

  it('holds metadata and rows against each other', async () => {
    const vectors = records([[1], [2], [3]], 'f')
    const names = (count: number) =>
      Array.from({ length: count }, (_, i) => `{"id": "n${i}"}\n`).join('')
    for (const [count, expected] of [
      [2, 'ERR_CORRUPT'],
      [4, 'ERR_CORRUPT'],
    ] as const) {
      writeFileSync(place('names.jsonl'), names(count))
      const options = { format: 'fvecs', metadata: place('names.jsonl') } as const
      expect((await imported(vectors, 1, options)).outcome).toEqual(code(expected))
    }
    writeFileSync(place('names.jsonl'), '{"id": 1, "vector": [1]}\n')
    const options = { format: 'fvecs', metadata: place('names.jsonl') } as const
    expect((await imported(vectors, 1, options)).outcome).toEqual(code('ERR_FORMAT', { line: 1 }))
  })

  it('says what it cannot read', async () => {
    const collection = await collectionOf(1)
    await expect(collection.import(place('missing.npy'))).rejects.toEqual(code('ERR_IO'))
    mkdirSync(place('folder.npy'))
    await expect(collection.import(place('folder.npy'))).rejects.toEqual(code('ERR_IO'))
    await expect(collection.import(place('points.csv'))).rejects.toEqual(code('ERR_OPTION'))
    await expect(collection.import(Readable.from(['']))).rejects.toEqual(code('ERR_OPTION'))
    await expect(
      collection.import(Readable.from(['']), { format: 'jsonl', metadata: 'm.jsonl' }),
    ).rejects.toEqual(code('ERR_OPTION'))
    await expect(collection.import(5 as never, { format: 'npy' })).rejects.toEqual(
      code('ERR_ARGUMENT'),
    )
    await expect(
      collection.import(Readable.from([{ not: 'bytes' }]) as never, { format: 'npy' }),
    ).rejects.toEqual(code('ERR_ARGUMENT'))
    writeFileSync(place('cut.jsonl.gz'), gzipSync(line(1, [1]).repeat(99)).subarray(0, -9))
    await expect(collection.import(place('cut.jsonl.gz'))).rejects.toEqual(code('ERR_CORRUPT'))
    const failing = async function* () {
      yield line(1, [1])
      throw new Error('the network is gone')
    }
    await expect(collection.import(failing(), { format: 'jsonl' })).rejects.toMatchObject({
      code: 'ERR_IO',
      cause: { message: 'the network is gone' },
    })
  })

  it('tells its progress, and ends where that throws or a signal says so', async () => {
    const text = Array.from({ length: 10 }, (_, i) => line(i, [i])).join('')
    writeFileSync(place('ten.jsonl'), text)
    const collection = await collectionOf(1)
    const heard: TransferProgress[] = []
    const onProgress = (progress: TransferProgress) => void heard.push(progress)
    await collection.import(place('ten.jsonl'), { batchSize: 4, onProgress })
    const bytes = { bytes: text.length, totalBytes: text.length, totalPoints: undefined }
    expect(heard).toEqual([4, 8, 10].map(points => ({ points, ...bytes })))

    const stop = new Error('enough')
    const thrown = collection.import(place('ten.jsonl'), {
      batchSize: 4,
      onProgress: () => {
        throw stop
      },
    })
    await expect(thrown).rejects.toBe(stop)

    const controller = new AbortController()
    const stalled = async function* () {
      yield text
      await new Promise(() => undefined)
    }
    const aborted = collection.import(stalled(), {
      format: 'jsonl',
      batchSize: 4,
      signal: controller.signal,
      onProgress: () => setImmediate(() => controller.abort(stop)),
    })
    await expect(aborted).rejects.toBe(stop)
    const early = collection.import(place('ten.jsonl'), { signal: controller.signal })
    await expect(early).rejects.toBe(stop)
  })

  it('asks a stream for no more than it can write', async () => {
    const collection = await collectionOf(64)
    const vector = Array.from({ length: 64 }, (_, i) => i)
    let [given, written, ahead] = [0, 0, 0]
    const source = async function* () {
      for (; given < 3000; given++) {
        ahead = Math.max(ahead, given - written)
        yield line(given, vector)
      }
    }
    await collection.import(source(), {
      format: 'jsonl',
      batchSize: 100,
      onProgress: ({ points }) => {
        written = points
      },
    })
    expect(await collection.count()).toBe(3000)
    expect(ahead).toBeLessThanOrEqual(200)
  })
})

describe('an export', () => {
  it('is of one moment, and replaces the file when it is whole', async () => {
    const collection = await collectionOf(2)
    const ids = Array.from({ length: 1000 }, (_, i) => i)
    await collection.upsert({ ids, vectors: new Float32Array(2000) })
    const path = place('moment.npy')
    writeFileSync(path, 'before')
    let batches = 0
    const exported = collection.export(path, {
      onProgress: ({ points, totalPoints }) => {
        expect(readFileSync(path, 'latin1')).toBe('before')
        expect(totalPoints).toBe(1000)
        expect(points).toBe(Math.min(1000, 256 * ++batches))
        collection.delete([999 - batches]).catch(() => undefined)
      },
    })
    expect((await exported).points).toBe(1000)
    expect(readdirSync(folder)).toEqual(['moment.npy'])
    const to = await collectionOf(2)
    expect((await to.import(path)).points).toBe(1000)
  })

  it('that ends early leaves what was there, and nothing else', async () => {
    const collection = await collectionOf(2)
    await collection.upsert([{ id: 1, vector: [1, 2] }])
    writeFileSync(place('kept.jsonl'), 'kept')
    const stop = new Error('enough')
    const throwing = collection.export(place('kept.jsonl'), {
      onProgress: () => {
        throw stop
      },
    })
    await expect(throwing).rejects.toBe(stop)
    await expect(
      collection.export(place('kept.jsonl'), { signal: AbortSignal.abort(stop) }),
    ).rejects.toBe(stop)
    mkdirSync(place('taken.jsonl'))
    await expect(collection.export(place('taken.jsonl'))).rejects.toEqual(code('ERR_IO'))
    await expect(collection.export(place('no/such/folder.npy'))).rejects.toEqual(code('ERR_IO'))
    await expect(collection.export(place('points.csv'))).rejects.toEqual(code('ERR_OPTION'))
    await expect(collection.export(5 as never)).rejects.toEqual(code('ERR_ARGUMENT'))
    expect(readFileSync(place('kept.jsonl'), 'utf8')).toBe('kept')
    expect(readdirSync(folder).sort()).toEqual(['kept.jsonl', 'taken.jsonl'])
    expect(existsSync(place('no'))).toBe(false)
  })
})
