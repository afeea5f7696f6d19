/** A float of 16 bits: the bits of its significand, and the bias of its exponent. */
interface HalfFormat {
  readonly significand: number
  readonly bias: number
}

/** IEEE 754 binary16. */
export const binary16: HalfFormat = { significand: 10, bias: 15 }
/** The upper half of an f32. */
export const bfloat16: HalfFormat = { significand: 7, bias: 127 }

const double = new Float64Array(1)
const words = new Uint32Array(double.buffer)
const high = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 1 : 0

/** The bits of the float nearest to a number, of two the even one; an infinity beyond the range. */
export function toHalf(value: number, { significand, bias }: HalfFormat): number {
  const infinity = (2 * bias + 1) << significand
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  if (Number.isNaN(value)) return infinity | 1
  double[0] = Math.abs(value)
  // Denormals share the exponent of the smallest normal number.
  const exponent = Math.max((words[high]! >>> 20) - 1023, 1 - bias)
  if (exponent > bias) return sign | infinity
  const steps = roundedToEven(double[0] * 2 ** (significand - exponent))
  // A normal number has its implicit one among the steps, and one that was rounded up twice of it.
  const bits = steps + ((exponent + bias - 1) << significand)
  return sign | Math.min(bits, infinity)
}

/** The number that such bits stand for. */
export function fromHalf(bits: number, { significand, bias }: HalfFormat): number {
  const sign = bits & 0x8000 ? -1 : 1
  const magnitude = bits & 0x7fff
  const exponent = magnitude >>> significand
  const fraction = magnitude & ((1 << significand) - 1)
  if (exponent === 2 * bias + 1)
    return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  const steps = exponent === 0 ? fraction : fraction + (1 << significand)
  return sign * steps * 2 ** (Math.max(exponent, 1) - bias - significand)
}

function roundedToEven(value: number): number {
  const below = Math.floor(value)
  const rest = value - below
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below
}
