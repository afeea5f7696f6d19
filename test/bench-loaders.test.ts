import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { asFloats, openDataset, parseSetTable } from '../bench/dataset.mjs'
import { readMatrix } from '../bench/formats.mjs'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vitrine-loaders-'))
})

afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

type Elements = Float32Array | Float64Array | Uint8Array | Int32Array | Uint32Array

function bytesOf(values: Elements): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}

/** Writes the file, gzipped when its name says so, and gives its path. */
async function put(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, name.endsWith('.gz') ? gzipSync(bytes) : bytes)
  return path
}

/** TEXMEX records: an int32 dimension before each row. */
function records(rows: readonly Elements[]): Uint8Array {
  const parts = rows.flatMap(row => [bytesOf(Int32Array.of(row.length)), bytesOf(row)])
  return Buffer.concat(parts)
}

function npy(header: string, values: Elements, version = 1): Uint8Array {
  const prefix = version === 1 ? 10 : 12
  const padded = `${header.padEnd(Math.ceil((header.length + prefix + 1) / 64) * 64 - prefix - 1)}\n`
  const start = Buffer.alloc(prefix)
  start.write('\x93NUMPY', 'latin1')
  start[6] = version
  if (version === 1) start.writeUInt16LE(padded.length, 8)
  else start.writeUInt32LE(padded.length, 8)
  return Buffer.concat([start, Buffer.from(padded, 'latin1'), bytesOf(values)])
}

const floats = Float32Array.of(1.5, -2, 3.25, 0, -0, 1e-40)

describe('raw arrays', () => {
  for (const ending of ['', '.gz']) {
    it(`reads .f32${ending} bit for bit`, async () => {
      const path = await put(`raw.f32${ending}`, bytesOf(floats))
      const matrix = await readMatrix(path, { dimension: 3 })
      expect(matrix).toEqual({ rows: 2, dimension: 3, data: floats })
      expect(Object.is(matrix.data[4], -0)).toBe(true)
    })

    it(`reads .u8${ending} and .u32${ending} in their own types`, async () => {
      const small = Uint8Array.of(0, 255, 7, 8)
      const large = Uint32Array.of(0, 4294967295)
      const smallPath = await put(`raw.u8${ending}`, small)
      const largePath = await put(`raw.u32${ending}`, bytesOf(large))
      expect(await readMatrix(smallPath, { dimension: 2 })).toEqual({
        rows: 2,
        dimension: 2,
        data: small,
      })
      expect(await readMatrix(largePath, { dimension: 1 })).toEqual({
        rows: 2,
        dimension: 1,
        data: large,
      })
    })

    it(`stops at the limit in .f32${ending}`, async () => {
      const path = await put(`limited.f32${ending}`, bytesOf(floats))
      const matrix = await readMatrix(path, { dimension: 2, limit: 2 })
      expect(matrix).toEqual({ rows: 2, dimension: 2, data: floats.subarray(0, 4) })
    })
  }

  it('reads a gzipped file that unpacks in many pieces', async () => {
    const values = Uint32Array.from({ length: 1_000_000 }, (_, i) => Math.imul(i, 2654435761))
    const path = await put('large.u32.gz', bytesOf(values))
    const { rows, data } = await readMatrix(path, { dimension: 1000 })
    expect(rows).toBe(1000)
    expect(Buffer.compare(bytesOf(data), bytesOf(values))).toBe(0)
  })

  it('refuses a torn last row', async () => {
    const path = await put('torn.f32', bytesOf(floats).subarray(0, 22))
    await expect(readMatrix(path, { dimension: 3 })).rejects.toThrow(/torn\.f32: is torn, 22 bytes/)
  })

  it('refuses to guess a dimension', async () => {
    const path = await put('unknown.f32', bytesOf(floats))
    await expect(readMatrix(path)).rejects.toThrow(/needs its dimension told/)
  })

  it('names the file whose gzip stream is broken', async () => {
    const path = join(folder, 'broken.u8.gz')
    await writeFile(path, gzipSync(new Uint8Array(5000)).subarray(0, 20))
    await expect(readMatrix(path, { dimension: 5 })).rejects.toThrow(/broken\.u8\.gz: /)
  })
})

describe('TEXMEX records', () => {
  for (const ending of ['', '.gz']) {
    it(`reads .fvecs${ending}`, async () => {
      const bytes = records([floats.subarray(0, 3), floats.subarray(3)])
      const path = await put(`a.fvecs${ending}`, bytes)
      expect(await readMatrix(path)).toEqual({ rows: 2, dimension: 3, data: floats })
    })

    it(`reads .bvecs${ending}`, async () => {
      const path = await put(
        `a.bvecs${ending}`,
        records([Uint8Array.of(1, 2), Uint8Array.of(3, 4)]),
      )
      const matrix = await readMatrix(path)
      expect(matrix).toEqual({ rows: 2, dimension: 2, data: Uint8Array.of(1, 2, 3, 4) })
    })

    it(`reads .ivecs${ending}`, async () => {
      const path = await put(`a.ivecs${ending}`, records([Int32Array.of(-1, 9)]))
      const matrix = await readMatrix(path)
      expect(matrix).toEqual({ rows: 1, dimension: 2, data: Int32Array.of(-1, 9) })
    })
  }

  it('stops at the limit', async () => {
    const rows = [1, 2, 3].map(value => Float32Array.of(value, value))
    const path = await put('limited.fvecs', records(rows))
    const matrix = await readMatrix(path, { limit: 2 })
    expect(matrix).toEqual({ rows: 2, dimension: 2, data: Float32Array.of(1, 1, 2, 2) })
  })

  it('refuses a row of another dimension', async () => {
    const path = await put(
      'uneven.bvecs',
      records([new Uint8Array(8), new Uint8Array(4), new Uint8Array(4)]),
    )
    await expect(readMatrix(path)).rejects.toThrow(/uneven\.bvecs: /)
    const even = await put(
      'even.bvecs',
      Buffer.concat([records([new Uint8Array(4)]), new Uint8Array(8)]),
    )
    await expect(readMatrix(even)).rejects.toThrow(/row 1 has dimension 0, row 0 4/)
  })

  it('refuses another dimension than expected, and one below 1', async () => {
    const path = await put('expected.fvecs', records([floats]))
    await expect(readMatrix(path, { dimension: 5 })).rejects.toThrow(/has dimension 6, expected 5/)
    const negative = await put('negative.fvecs', bytesOf(Int32Array.of(-3, 0, 0)))
    await expect(readMatrix(negative)).rejects.toThrow(/says dimension -3/)
  })

  it('refuses an empty file', async () => {
    const path = await put('empty.fvecs', new Uint8Array(0))
    await expect(readMatrix(path)).rejects.toThrow(/is empty/)
  })
})

describe('.npy', () => {
  const header = (descr: string, shape: string, fortran = 'False') =>
    `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }`

  for (const version of [1, 2]) {
    it(`reads two axes of f32, format ${version}.0`, async () => {
      const path = await put(`v${version}.npy`, npy(header('<f4', '(2, 3)'), floats, version))
      expect(await readMatrix(path)).toEqual({ rows: 2, dimension: 3, data: floats })
    })
  }

  it('reads it gzipped and stops at the limit', async () => {
    const path = await put('limited.npy.gz', npy(header('<f4', '(3, 2)'), floats))
    const matrix = await readMatrix(path, { limit: 1 })
    expect(matrix).toEqual({ rows: 1, dimension: 2, data: floats.subarray(0, 2) })
  })

  it('takes one axis as rows of one element', async () => {
    const path = await put('column.npy', npy(header('<i4', '(3,)'), Int32Array.of(4, 5, 6)))
    const matrix = await readMatrix(path)
    expect(matrix).toEqual({ rows: 3, dimension: 1, data: Int32Array.of(4, 5, 6) })
  })

  it('rounds f64 to f32', async () => {
    const path = await put('double.npy', npy(header('<f8', '(1, 2)'), Float64Array.of(0.1, 2)))
    const matrix = await readMatrix(path)
    expect(matrix).toEqual({ rows: 1, dimension: 2, data: Float32Array.of(0.1, 2) })
  })

  it('refuses Fortran order, other types, three axes and torn data', async () => {
    const fortran = await put('fortran.npy', npy(header('<f4', '(2, 3)', 'True'), floats))
    await expect(readMatrix(fortran)).rejects.toThrow(/Fortran order/)
    const half = await put('half.npy', npy(header('<f2', '(2, 3)'), floats))
    await expect(readMatrix(half)).rejects.toThrow(/element type <f2 is not one of/)
    const cube = await put('cube.npy', npy(header('<f4', '(1, 2, 3)'), floats))
    await expect(readMatrix(cube)).rejects.toThrow(/one or two axes/)
    const torn = await put('torn.npy', npy(header('<f4', '(3, 3)'), floats))
    await expect(readMatrix(torn)).rejects.toThrow(/is torn, 24 of 36 bytes/)
    const other = await put('other.npy', new Uint8Array(64))
    await expect(readMatrix(other)).rejects.toThrow(/does not begin as a \.npy file/)
  })
})

it('refuses an ending that is none of the formats', async () => {
  await expect(readMatrix(join(folder, 'a.parquet'))).rejects.toThrow(/not a known format/)
})

describe('a folder', () => {
  const table = [
    '# Sets',
    '',
    '| set | base | queries | dim | metric | what it is |',
    '|---|---|---|---|---|---|',
    '| tiny | 3 | 2 | 2 | cosine | three points |',
    '| wide | 1,000,000 | 10,000 | 1,536 | ip | a large one |',
    '',
    'Text | with a bar.',
  ].join('\n')

  beforeAll(async () => {
    const set = join(folder, 'sets', 'tiny')
    await mkdir(set, { recursive: true })
    await writeFile(join(folder, 'sets', 'README.md'), table)
    await writeFile(join(set, 'base.u8.gz'), gzipSync(Uint8Array.of(1, 2, 3, 4, 5, 6)))
    await writeFile(join(set, 'queries.f32'), bytesOf(Float32Array.of(1, 2, 3, 4)))
    const truth = Uint32Array.from({ length: 200 }, (_, i) => i % 3)
    await writeFile(join(set, 'groundtruth.u32'), bytesOf(truth))
  })

  it('is described by the table beside it', () => {
    const sets = parseSetTable(table)
    expect([...sets.keys()]).toEqual(['tiny', 'wide'])
    expect(sets.get('wide')).toEqual({ rows: 1_000_000, dimension: 1536, metric: 'ip' })
  })

  it('opens with its metric, its vectors and its ground truth', async () => {
    const set = await openDataset(join(folder, 'sets', 'tiny'))
    expect(set).toMatchObject({ name: 'tiny', metric: 'cosine', dimension: 2 })
    expect(asFloats(set.base)).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6))
    expect(set.queries.rows).toBe(2)
    expect(set.truth).toMatchObject({ rows: 2, dimension: 100 })
  })

  it('leaves out the ground truth when the base is cut', async () => {
    const set = await openDataset(join(folder, 'sets', 'tiny'), { limit: 2 })
    expect(set.base.rows).toBe(2)
    expect(set.truth).toBeUndefined()
  })

  it('takes dimension and metric from the caller before the table', async () => {
    const set = await openDataset(join(folder, 'sets', 'tiny'), { dimension: 1, metric: 'ip' })
    expect(set).toMatchObject({ dimension: 1, metric: 'ip' })
    expect(set.base.rows).toBe(6)
  })

  it('says which file is not there', async () => {
    await mkdir(join(folder, 'sets', 'bare'))
    await expect(openDataset(join(folder, 'sets', 'bare'))).rejects.toThrow(/has no base file/)
  })
})
