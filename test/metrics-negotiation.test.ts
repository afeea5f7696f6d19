import * as zlib from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { metrics } from '../lib/metrics/metrics.ts'
import { chooseCoding, chooseRepresentation } from '../lib/metrics/negotiation.ts'
import { Index } from '../lib/vitrine.ts'
import { readText } from './exposition.ts'

describe('an answer to an HTTP client', () => {
  const formatFor = (accept: string | undefined) => chooseRepresentation(accept).format

  it('is in the format that it likes best', () => {
    const openMetrics = 'application/openmetrics-text'
    const protobuf =
      'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited'
    // Prometheus 2.42, and 3 with native histograms; browsers; curl.
    expect(
      formatFor(
        `${openMetrics};version=1.0.0,${openMetrics};version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1`,
      ),
    ).toBe('openmetrics')
    expect(
      formatFor(
        `${protobuf},${openMetrics};version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1`,
      ),
    ).toBe('protobuf')
    expect(
      formatFor(
        `${protobuf};escaping=allow-utf-8;q=0.6,${openMetrics};version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.2`,
      ),
    ).toBe('protobuf')
    expect(formatFor('text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8')).toBe(
      'text',
    )
    expect(formatFor('*/*')).toBe('text')
    expect(formatFor(undefined)).toBe('text')
    expect(formatFor('')).toBe('text')
    expect(formatFor('application/json')).toBe('json')
    expect(formatFor('APPLICATION/JSON; Q=0.5, text/*;q=0.4')).toBe('json')
    expect(formatFor('text/plain;version="0.0.4";q=0.5, application/json;q=0.2')).toBe('text')
  })

  it('is never in a format that it refuses or cannot read', () => {
    expect(formatFor('application/openmetrics-text;version=2.0.0')).toBe('text')
    expect(formatFor('application/vnd.google.protobuf;proto=other;encoding=delimited')).toBe('text')
    expect(formatFor('application/json;q=0, */*')).toBe('text')
    expect(formatFor('text/plain;q=0, */*;q=0.5')).not.toBe('text')
    expect(formatFor('application/openmetrics-text;q=2')).toBe('text')
    expect(formatFor(';;,,=;q=,"')).toBe('text')
  })

  it('is compressed as it likes best, by what there is', () => {
    const codings = (acceptEncoding: string | undefined) => [
      chooseCoding(acceptEncoding, ['zstd', 'gzip']),
      chooseCoding(acceptEncoding, ['gzip']),
    ]
    // Browsers, Prometheus, and who does not care.
    expect(codings('gzip, deflate, br, zstd')).toEqual(['zstd', 'gzip'])
    expect(codings('gzip')).toEqual(['gzip', 'gzip'])
    expect(codings('*')).toEqual(['gzip', 'gzip'])
    expect(codings('zstd')).toEqual(['zstd', undefined])
    expect(codings('zstd;q=0.5, gzip')).toEqual(['gzip', 'gzip'])
    expect(codings('ZSTD, gzip;q=0.5')).toEqual(['zstd', 'gzip'])
    expect(codings('zstd, *;q=0')).toEqual(['zstd', undefined])
    expect(codings('zstd;q=0, *')).toEqual(['gzip', 'gzip'])
    expect(codings('zstd;q=0.5, gzip;q=0.4, identity')).toEqual([undefined, undefined])
    expect(codings('identity')).toEqual([undefined, undefined])
    expect(codings(undefined)).toEqual([undefined, undefined])
  })

  it('comes as zstd where this Node has that, and else as gzip', async () => {
    const { zstdDecompressSync } = zlib as { zstdDecompressSync?: typeof zlib.gunzipSync }
    const index = new Index({ dimension: 2 })
    const acceptEncoding = 'gzip, zstd'
    const { body, headers, contentEncoding } = await metrics(index).respond({ acceptEncoding })
    const coding = zstdDecompressSync === undefined ? 'gzip' : 'zstd'
    expect([contentEncoding, headers['content-encoding']]).toEqual([coding, coding])
    expect(headers['content-length']).toBe(`${body.length}`)
    const plain = (zstdDecompressSync ?? zlib.gunzipSync)(body)
    expect(body.length).toBeLessThan(plain.length / 4)
    expect(readText(plain.toString(), 'prometheus').length).toBeGreaterThan(10)
    await index.close()
  })

  it('is compressed if it may be, and says so', async () => {
    const index = new Index({ dimension: 2 })
    const from = metrics(index)
    const plain = await from.respond({ accept: 'text/plain' })
    expect(plain.contentEncoding).toBeUndefined()
    expect(plain.headers).toEqual({
      'content-type': 'text/plain; version=0.0.4; charset=utf-8',
      'content-length': `${plain.body.length}`,
      vary: 'accept, accept-encoding',
    })
    const accepted = ['gzip', 'deflate, gzip;q=0.5', '*', 'GZIP;q=1, identity;q=0.5']
    for (const acceptEncoding of accepted) {
      const { body, headers, contentEncoding } = await from.respond({ acceptEncoding })
      expect([contentEncoding, headers['content-encoding']]).toEqual(['gzip', 'gzip'])
      expect(readText(zlib.gunzipSync(body).toString(), 'prometheus').length).toBeGreaterThan(10)
    }
    for (const acceptEncoding of ['', 'br', 'gzip;q=0', 'gzip;q=0.1, identity', undefined]) {
      expect((await from.respond({ acceptEncoding })).contentEncoding).toBeUndefined()
    }
    await expect(from.respond({ accept: 1 } as never)).rejects.toMatchObject({ code: 'ERR_OPTION' })
    await index.close()
  })
})
