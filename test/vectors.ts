/** Random vectors from a seed, and the true neighbours among them. */

/** Numbers in [0, 1) (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let bits = state
    bits = Math.imul(bits ^ (bits >>> 15), bits | 1)
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61)
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }
}

/** `[count * dimension]`, each component in [-1, 1). */
export function randomVectors(count: number, dimension: number, seed: number): Float32Array {
  const next = randomNumbers(seed)
  const vectors = new Float32Array(count * dimension)
  for (let i = 0; i < vectors.length; i++) vectors[i] = next() * 2 - 1
  return vectors
}

export function rowOf(vectors: Float32Array, dimension: number, row: number): Float32Array {
  return vectors.subarray(row * dimension, (row + 1) * dimension)
}

export type Distance = (a: Float32Array, b: Float32Array) => number

const dot: Distance = (a, b) => a.reduce((sum, x, i) => sum + x * b[i]!, 0)

/** The metrics as api documents define them, in f64. */
export const distances = {
  l2: (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + (x - b[i]!) ** 2, 0),
  ip: (a: Float32Array, b: Float32Array) => -dot(a, b),
  cosine: (a: Float32Array, b: Float32Array) => {
    const norms = Math.sqrt(dot(a, a) * dot(b, b))
    return norms === 0 ? 1 : 1 - dot(a, b) / norms
  },
} satisfies Record<string, Distance>

/** Rows of the `k` nearest among `rows`, nearest first, ties by lower row. */
export function nearestRows(
  query: Float32Array,
  vectors: Float32Array,
  k: number,
  distance: Distance,
  rows: Iterable<number> = Array(vectors.length / query.length).keys(),
): number[] {
  const dimension = query.length
  return [...rows]
    .map(row => ({ row, distance: distance(query, rowOf(vectors, dimension, row)) }))
    .sort((a, b) => a.distance - b.distance || a.row - b.row)
    .slice(0, k)
    .map(({ row }) => row)
}
