/** What nobody should pass to anything, made anew each time: `[name, value]`. */
export function hostileValues(): [string, unknown][] {
  const { proxy: revoked, revoke } = Proxy.revocable({}, {})
  revoke()
  const detached = new Float32Array(4)
  structuredClone(detached.buffer, { transfer: [detached.buffer] })
  const throws = () => {
    throw new Error('hostile')
  }
  const traps = { get: throws, has: throws, ownKeys: throws, getPrototypeOf: throws }
  return [
    ['undefined', undefined],
    ['null', null],
    ['0', 0],
    ['-0', -0],
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['-Infinity', Number.NEGATIVE_INFINITY],
    ['2^31', 2 ** 31],
    ['2^32', 2 ** 32],
    ['2^53', 2 ** 53],
    ['-1', -1],
    ['0.5', 0.5],
    ['2^64 as bigint', 2n ** 64n],
    ['-1 as bigint', -1n],
    ['0 as bigint', 0n],
    ['an empty string', ''],
    ['a string of 1 MB', 'x'.repeat(2 ** 20)],
    ['a lone surrogate', '\ud800'],
    ['a string with a zero', 'a\0b'],
    ['a symbol', Symbol('hostile')],
    ['true', true],
    ['false', false],
    ['a date', new Date()],
    ['an invalid date', new Date(Number.NaN)],
    ['a regular expression', /x/],
    ['an empty array', []],
    ['an array of anything', [1, 'x', {}]],
    ['a sparse array', Array(5)],
    ['the longest array', Array(2 ** 32 - 1)],
    ['nested arrays', [[[1]]]],
    ['an array-like', { length: 1, 0: 1 }],
    ['a long array-like', { length: 2 ** 53 }],
    ['an object', {}],
    ['an object without prototype', Object.create(null)],
    ['a proxy', new Proxy({}, {})],
    ['a proxy that throws', new Proxy({}, traps)],
    ['a proxy of an array that throws', new Proxy([1, 2], traps)],
    ['a revoked proxy', revoked],
    ['a proxy of a typed array', new Proxy(new Float32Array(4), {})],
    ['an instance', new (class Hostile {})()],
    ['a function', () => 1],
    ['a promise', Promise.resolve(1)],
    ['a map', new Map([[1, 2]])],
    ['bytes', new Uint8Array(4)],
    ['doubles', new Float64Array(4)],
    ['a data view', new DataView(new ArrayBuffer(16))],
    ['an array buffer', new ArrayBuffer(16)],
    ['a detached array', detached],
    ['a getter that throws', Object.defineProperty({}, 'k', { enumerable: true, get: throws })],
    ['conversions that throw', { valueOf: throws, toString: throws, [Symbol.toPrimitive]: throws }],
  ]
}
