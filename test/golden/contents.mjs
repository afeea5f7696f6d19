// What the golden files hold: the script that makes them and the test that reads them agree on it.

/** The folder of what this version writes. */
export const goldenFormat = 'format-0.0'

/** @returns {Float32Array} `[count * dimension]`, of small numbers that f32 holds exactly. */
export function vectorsOf(count, dimension) {
  return Float32Array.from({ length: count * dimension }, (_, i) => ((i * 7919) % 257) / 16 - 8)
}

const elements = {
  f16: { array: Uint16Array, of: i => 0x3c00 + ((i * 7919) % 1024) },
  bf16: { array: Uint16Array, of: i => 0x3f80 + ((i * 7919) % 128) },
  i8: { array: Int8Array, of: i => ((i * 7919) % 256) - 128 },
  u8: { array: Uint8Array, of: i => (i * 7919) % 256 },
  bits: { array: Uint8Array, of: i => (i * 7919) % 256 },
}

/** The types of vectors other than f32. */
export const otherTypes = Object.keys(elements)

/** Vectors of any type, one after the other. */
export function vectorsOfType(type, count, dimension) {
  if (type === 'f32') return vectorsOf(count, dimension)
  const { array, of } = elements[type]
  return array.from({ length: (count * dimension) / (type === 'bits' ? 8 : 1) }, (_, i) => of(i))
}

const idsFrom = (first, count) => Array.from({ length: count }, (_, i) => first + i)

/** Options of an index, the ids that were added, and those that were removed again. */
export const indexes = [
  { name: 'l2', dimension: 5, metric: 'l2', m: 4, ids: idsFrom(0, 40), removed: [3, 8, 39] },
  { name: 'cosine', dimension: 5, metric: 'cosine', m: 4, ids: idsFrom(7, 20), removed: [7] },
  {
    name: 'ip',
    dimension: 3,
    metric: 'ip',
    m: 4,
    idType: 'u64',
    ids: idsFrom(0, 20).map(id => BigInt(id) << 40n),
    removed: [],
  },
  {
    name: 'codes',
    dimension: 16,
    metric: 'l2',
    m: 4,
    quantization: 'sq8',
    ids: idsFrom(0, 30),
    removed: [0],
  },
  { name: 'nothing', dimension: 2, metric: 'l2', m: 4, ids: [], removed: [] },
  ...otherTypes.map(type => ({
    name: type,
    dimension: 16,
    metric: type === 'bits' ? 'jaccard' : 'cosine',
    type,
    m: 4,
    ids: idsFrom(0, 30),
    removed: [3],
  })),
]

export const collectionConfigs = {
  first: { dimension: 3, metric: 'l2', m: 4, efConstruction: 20 },
  second: { dimension: 1, metric: 'cosine', m: 4, efConstruction: 20 },
  third: { dimension: 2, metric: 'ip', m: 8, efConstruction: 40 },
}

/** Collections of a database of their own: one of each type of vectors other than f32. */
export const typedConfigs = Object.fromEntries(
  otherTypes.map(type => [
    type,
    {
      dimension: 8,
      metric: type === 'bits' ? 'hamming' : 'l2',
      type,
      m: 4,
      efConstruction: 20,
    },
  ]),
)

const measured = { dimension: 4, m: 4, efConstruction: 20 }

/** Indexes, and collections of a database of their own, of so many points that they have codes and their recall is measured. */
export const measuredConfigs = {
  sq8: { ...measured, metric: 'cosine', quantization: 'sq8' },
  rq4: { ...measured, metric: 'ip', quantization: 'rq4' },
  // Codes that carry lengths.
  carrying: { ...measured, metric: 'l2', quantization: 'rq4', dimension: 128 },
}

/** What can be filtered by in the collections among them: a field of each type. */
export const measuredFields = {
  lang: 'keyword',
  tags: 'keyword[]',
  year: 'integer',
  price: 'number',
  done: 'boolean',
  at: 'date',
}

/** The ids of their points, and the vectors, of which the one of id 5 is zero. */
export const measuredIds = idsFrom(0, 1100)
export function measuredVectors(dimension = measured.dimension) {
  const length = 1100 * dimension
  const vectors = Float32Array.from({ length }, (_, i) => ((i * 7919) % 4093) / 128 - 16)
  return vectors.fill(0, 5 * dimension, 6 * dimension)
}

/** The payload of a point in the collections among them. */
export function measuredPayload(id) {
  if (id % 100 !== 0) return undefined
  const at = new Date(Date.UTC(2024, 0, 1 + id / 100))
  return { lang: 'en', tags: ['a', 'b'], year: 2000 + id, price: id / 8, done: id === 0, at }
}

/** A collection of those points, of which the vectors stay in the file of the checkpoint. */
export const mappedConfig = { ...measured, metric: 'l2', quantization: 'sq8', vectors: 'mmap' }

/** What the log has of it behind the checkpoint: points that were removed, and others that got the vectors of the first points. */
export const mappedRemoved = [10, 900]
export const mappedMoved = [20, 21, 1100]

/** Which vector of `measuredVectors` each of its points has, by id. */
export function mappedPoints() {
  const points = new Map(measuredIds.map(id => [id, id]))
  for (const id of mappedRemoved) points.delete(id)
  for (const [i, id] of mappedMoved.entries()) points.set(id, i)
  return points
}

/** A point that was there once, and is gone. */
export const lostKey = 'gone'

const payloads = [
  { text: 'Ünï \u{1f600} "quoted" \\ \u0000 \ud800' },
  undefined,
  {},
  { list: [1, 1.5, -2e-9, null, true, { deep: [[]] }] },
]
const ids = ['a', 5, '5', 2n ** 64n - 1n, 'text \u{1f600}', 0, 'x'.repeat(1024)]

/** The points of a collection. */
export function pointsOf(dimension, type = 'f32') {
  const vectors = vectorsOfType(type, ids.length, dimension)
  const length = vectors.length / ids.length
  return ids.map((id, i) => ({
    id,
    vector: vectors.slice(i * length, (i + 1) * length),
    ...(payloads[i % payloads.length] && { payload: payloads[i % payloads.length] }),
  }))
}
