// What the golden files hold: the script that makes them and the test that reads them agree on it.

/** The folder of what this version writes. */
export const goldenFormat = 'format-0.0'

/** @returns {Float32Array} `[count * dimension]`, of small numbers that f32 holds exactly. */
export function vectorsOf(count, dimension) {
  return Float32Array.from({ length: count * dimension }, (_, i) => ((i * 7919) % 257) / 16 - 8)
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
]

export const collectionConfigs = {
  first: { dimension: 3, metric: 'l2', m: 4, efConstruction: 20 },
  second: { dimension: 1, metric: 'cosine', m: 4, efConstruction: 20 },
  third: { dimension: 2, metric: 'ip', m: 8, efConstruction: 40 },
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
export function pointsOf(dimension) {
  const vectors = vectorsOf(ids.length, dimension)
  return ids.map((id, i) => ({
    id,
    vector: vectors.slice(i * dimension, (i + 1) * dimension),
    ...(payloads[i % payloads.length] && { payload: payloads[i % payloads.length] }),
  }))
}
