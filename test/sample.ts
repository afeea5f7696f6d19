import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'

const folder = resolve(import.meta.dirname, '../examples/data/fashion-mnist-sample')

/** The real sample that the repository carries. */
export const sampleDimension = 784

/** @returns Rows of `sampleDimension` components. */
export async function readSample(): Promise<{ base: Float32Array; queries: Float32Array }> {
  const read = async (name: string) =>
    Float32Array.from(gunzipSync(await readFile(join(folder, name))))
  return { base: await read('base.u8.gz'), queries: await read('queries.u8.gz') }
}

interface Neighbours {
  readonly ids: ArrayLike<unknown>
  readonly distances: Float32Array
}

/** Recall@k by distance: what is as far as the k-th true neighbour counts. */
export function recallByDistance(found: Neighbours, truth: Neighbours, k: number): number {
  let near = 0
  for (let i = 0; i < found.ids.length; i++) {
    const farthest = truth.distances[i - (i % k) + k - 1] as number
    near += (found.distances[i] as number) <= farthest ? 1 : 0
  }
  return near / found.ids.length
}
