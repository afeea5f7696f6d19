import { describe, VitrineError } from './errors.ts'
import { bfloat16, binary16, fromHalf, toHalf } from './half-floats.ts'
import { allocate, convert } from './typed-arrays.ts'

/**
 * What the components of vectors are; they are kept as they are given, bit for bit. `'f16'` (IEEE 754 binary16) and `'bf16'` (the
 * upper half of an f32) take half of the memory of `'f32'`, `'i8'` and `'u8'` a quarter, `'bits'` a thirty-second part.
 */
export type VectorType = 'f32' | 'f16' | 'bf16' | 'i8' | 'u8' | 'bits'

/** How vectors come out: f16 and bf16 as the bits of their components, `bits` eight components a byte. */
export type VectorArray<T extends VectorType = VectorType> = T extends 'f32'
  ? Float32Array
  : T extends 'f16' | 'bf16'
    ? Uint16Array
    : T extends 'i8'
      ? Int8Array
      : Uint8Array

/**
 * One or many vectors, row-major: `[n * dimension]`, of bits `[n * dimension / 8]` bytes. A plain array is accepted and slow: of numbers
 * that are rounded to f32, f16 or bf16, of integers that fit i8 or u8, or of bytes of bits.
 */
export type Vectors<T extends VectorType = VectorType> = VectorArray<T> | readonly number[]

/** What vectors are like. */
export interface VectorShape<T extends VectorType = VectorType> {
  readonly dimension: number
  readonly type: T
}

interface TypeRules {
  readonly make: (length: number) => VectorArray
  /** The element that holds a number, undefined when there is none. */
  readonly encode: (value: number) => number | undefined
  readonly decode: (element: number) => number
  /** What numbers must be. */
  readonly accepted: string
}

const itself = (value: number) => value
const integerRules = (
  make: (length: number) => VectorArray,
  least: number,
  most: number,
): TypeRules => ({
  make,
  encode: value => (Number.isInteger(value) && value >= least && value <= most ? value : undefined),
  decode: itself,
  accepted: `an integer from ${least} to ${most}`,
})

const tagOf = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)?.get as (this: unknown) => string | undefined

const arrayNames: Record<VectorType, string> = {
  f32: 'a Float32Array',
  f16: 'a Uint16Array',
  bf16: 'a Uint16Array',
  i8: 'an Int8Array',
  u8: 'a Uint8Array',
  bits: 'a Uint8Array',
}

const rules: Record<VectorType, TypeRules> = {
  f32: {
    make: length => new Float32Array(length),
    encode: itself,
    decode: itself,
    accepted: 'a number',
  },
  f16: {
    make: length => new Uint16Array(length),
    encode: value => toHalf(value, binary16),
    decode: bits => fromHalf(bits, binary16),
    accepted: 'a number',
  },
  bf16: {
    make: length => new Uint16Array(length),
    encode: value => toHalf(value, bfloat16),
    decode: bits => fromHalf(bits, bfloat16),
    accepted: 'a number',
  },
  i8: integerRules(length => new Int8Array(length), -128, 127),
  u8: integerRules(length => new Uint8Array(length), 0, 255),
  bits: integerRules(length => new Uint8Array(length), 0, 255),
}

/** Elements of an array for one vector. */
export function elementsOf(type: VectorType, dimension: number): number {
  return type === 'bits' ? dimension / 8 : dimension
}

export function newVectorArray<T extends VectorType>(type: T, length: number): VectorArray<T> {
  return allocate(() => rules[type].make(length)) as VectorArray<T>
}

/** A plain array becomes an array of the type; the binding judges everything else. */
export function toVectors<T extends VectorType>(vectors: unknown, type: T): VectorArray<T> {
  if (ArrayBuffer.isView(vectors) || !Array.isArray(vectors)) return vectors as VectorArray<T>
  const { make, encode, accepted } = rules[type]
  return convert(vectors, make as (length: number) => VectorArray, (value, i) => {
    const element = typeof value === 'number' ? encode(value) : undefined
    if (element !== undefined) return element
    throw new VitrineError(
      'ERR_VECTOR',
      `element ${i} of the vectors is ${describe(value)}, not ${accepted}`,
    )
  }) as VectorArray<T>
}

/** Whether an array is what vectors of the type come in. */
export function isVectorArray(array: unknown, type: VectorType): array is VectorArray {
  return ArrayBuffer.isView(array) && arrayNames[type].endsWith(` ${tagOf.call(array)}`)
}

/** The array that vectors of the type come in, with its article. */
export function arrayNameOf(type: VectorType): string {
  return arrayNames[type]
}

/** The components that elements stand for, as numbers; of bits, bytes. */
export function numbersOf(vectors: VectorArray, type: VectorType): Float32Array {
  return vectors instanceof Float32Array ? vectors : Float32Array.from(vectors, rules[type].decode)
}

/**
 * Numbers as elements of a type.
 * @param refuse - Called with the place of a number that has none, and what is accepted; throws.
 */
export function encodeNumbers<T extends VectorType>(
  numbers: ArrayLike<number>,
  type: T,
  refuse: (place: number, accepted: string) => never,
): VectorArray<T> {
  const { encode, accepted } = rules[type]
  const vectors: VectorArray = newVectorArray<VectorType>(type, numbers.length)
  for (let i = 0; i < numbers.length; i++) {
    vectors[i] = encode(numbers[i]!) ?? refuse(i, accepted)
  }
  return vectors as VectorArray<T>
}
