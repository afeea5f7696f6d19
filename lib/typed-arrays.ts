import { describe, VitrineError } from './errors.ts'

/** `'u32'`: ids 0 … 2^32 − 1. `'u64'`: ids 0n … 2^64 − 1n. */
export type IdType = 'u32' | 'u64'

/** How ids come out. */
export type IdArray<I extends IdType = 'u32'> = I extends 'u64' ? BigUint64Array : Uint32Array

/** One id. */
export type Id<I extends IdType = 'u32'> = I extends 'u64' ? number | bigint : number

/** How ids go in: a plain array is accepted and slow. */
export type Ids<I extends IdType = 'u32'> = IdArray<I> | readonly Id<I>[]

const maxU32 = 2 ** 32 - 1
const maxU64 = 2n ** 64n - 1n

const lengthGetter = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  'length',
)?.get as (this: unknown) => number

/** The length of a typed array, whatever properties it was given; 0 of anything else. */
export function lengthOf(array: unknown): number {
  return ArrayBuffer.isView(array) && !(array instanceof DataView) ? lengthGetter.call(array) : 0
}

/** A new array that JavaScript may not have the memory for. */
export function allocate<T>(make: () => T): T {
  try {
    return make()
  } catch (cause) {
    throw new VitrineError('ERR_OUT_OF_MEMORY', 'no memory for the result', { cause })
  }
}

export function newIdArray<I extends IdType>(idType: I, length: number): IdArray<I> {
  return allocate(() =>
    idType === 'u64' ? new BigUint64Array(length) : new Uint32Array(length),
  ) as IdArray<I>
}

/** A plain array becomes an array of the id type; the binding judges everything else. */
export function toIds<I extends IdType>(ids: unknown, idType: I): IdArray<I> {
  if (ArrayBuffer.isView(ids) || !Array.isArray(ids)) return ids as IdArray<I>
  const converted =
    idType === 'u64'
      ? convert(ids, length => new BigUint64Array(length), wideIdOf)
      : convert(ids, length => new Uint32Array(length), narrowIdOf)
  return converted as IdArray<I>
}

/** Reads each element once; the first before anything is allocated, for arrays of holes. */
export function convert<T, A extends { [index: number]: T }>(
  from: readonly unknown[],
  make: (length: number) => A,
  check: (value: unknown, i: number) => T,
): A {
  const { length } = from
  const first = length > 0 ? check(from[0], 0) : undefined
  const to = allocate(() => make(length))
  if (first !== undefined) to[0] = first
  for (let i = 1; i < length; i++) to[i] = check(from[i], i)
  return to
}

function narrowIdOf(value: unknown, i: number): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= maxU32) {
    return value as number
  }
  throw new VitrineError(
    'ERR_ID',
    `element ${i} of the ids must be an integer from 0 to ${maxU32}, not ${describe(value)}`,
  )
}

function wideIdOf(value: unknown, i: number): bigint {
  if (typeof value === 'bigint' && value >= 0n && value <= maxU64) return value
  if (Number.isSafeInteger(value) && (value as number) >= 0) return BigInt(value as number)
  throw new VitrineError(
    'ERR_ID',
    `element ${i} of the ids must be an integer from 0 to ${maxU64}, not ${describe(value)}`,
  )
}
