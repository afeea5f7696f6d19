import type { ContentCoding } from './compression.ts'

/** A format, as HTTP knows it. */
export interface Representation {
  readonly format: 'text' | 'openmetrics' | 'protobuf' | 'json'
  readonly contentType: string
}

/** In the order of preference among those that a client names, and likes equally. */
const representations: readonly Representation[] = [
  {
    format: 'protobuf',
    contentType:
      'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited',
  },
  {
    format: 'openmetrics',
    contentType: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
  },
  { format: 'text', contentType: 'text/plain; version=0.0.4; charset=utf-8' },
  { format: 'json', contentType: 'application/json; charset=utf-8' },
]
const plainText = representations[2]!

interface Preference {
  /** In lower case. */
  readonly name: string
  readonly parameters: ReadonlyMap<string, string>
  readonly quality: number
}

/** The elements of `Accept` or `Accept-Encoding` (RFC 9110, 12.4 and 12.5); what makes no sense is passed over. */
function preferencesOf(header: string): Preference[] {
  return splitOutsideQuotes(header, ',').flatMap(element => {
    const [name = '', ...rest] = splitOutsideQuotes(element, ';').map(part => part.trim())
    const parameters = new Map<string, string>()
    let quality = 1
    for (const part of rest) {
      const [key = '', value = ''] = part.split('=').map(side => side.trim())
      const unquoted = value.replace(/^"(.*)"$/, '$1')
      if (key.toLowerCase() !== 'q') {
        parameters.set(key.toLowerCase(), unquoted)
        continue
      }
      if (!/^(0(\.\d{0,3})?|1(\.0{0,3})?)$/.test(unquoted)) return []
      quality = Number(unquoted)
    }
    return name === '' ? [] : [{ name: name.toLowerCase(), parameters, quality }]
  })
}

function splitOutsideQuotes(text: string, separator: ',' | ';'): string[] {
  const parts = text.match(separator === ',' ? /(?:"[^"]*"|[^,"])+/g : /(?:"[^"]*"|[^;"])+/g)
  return parts ?? []
}

/** How closely a media range names a content type: 0 not at all, 1 `*&#47;*`, 2 `text/*`, 3 and more by its name and parameters. */
function closeness(range: Preference, contentType: string): number {
  const [offered] = preferencesOf(contentType) as [Preference]
  if (range.name === '*/*') return 1
  if (range.name === `${offered.name.split('/')[0]}/*`) return 2
  if (range.name !== offered.name) return 0
  for (const [key, value] of range.parameters) {
    const own = offered.parameters.get(key)
    // A parameter that a format does not have says nothing about it, such as `escaping`.
    if (own !== undefined && own.toLowerCase() !== value.toLowerCase()) return 0
  }
  return 3 + range.parameters.size
}

/** The representation that a client likes best; plain text for who names none, or none that there is. */
export function chooseRepresentation(accept: string | undefined): Representation {
  if (accept === undefined) return plainText
  const ranges = preferencesOf(accept)
  const rated = representations.map(representation => {
    const matches = ranges
      .map(({ quality, ...range }) => ({
        quality,
        close: closeness({ quality, ...range }, representation.contentType),
      }))
      .filter(({ close }) => close > 0)
      .sort((a, b) => b.close - a.close || b.quality - a.quality)
    const { quality = 0, close = 0 } = matches[0] ?? {}
    // Who takes anything gets what everybody can read.
    const named = close >= 3 || (close > 0 && representation === plainText)
    return { representation, quality, named }
  })
  const best = Math.max(...rated.map(({ quality }) => quality))
  if (best === 0) return plainText
  const liked = rated.filter(({ quality }) => quality === best)
  return (liked.find(({ named }) => named) ?? liked[0]!).representation
}

/**
 * The coding that a client wants at least as much as bytes as they are, and most of all; undefined when it wants none.
 * @param available - In the order of preference among those that it wants equally.
 */
export function chooseCoding(
  acceptEncoding: string | undefined,
  available: readonly ContentCoding[],
): ContentCoding | undefined {
  if (acceptEncoding === undefined) return undefined
  const preferences = preferencesOf(acceptEncoding)
  const qualityOf = (...names: readonly string[]) =>
    names
      .map(name => preferences.find(preference => preference.name === name)?.quality)
      .find(quality => quality !== undefined) ?? 0
  // Who takes anything gets what everybody can read.
  const qualities = { gzip: qualityOf('gzip', 'x-gzip', '*'), zstd: qualityOf('zstd') }
  const least = qualityOf('identity')
  const [best] = available
    .filter(coding => qualities[coding] > 0 && qualities[coding] >= least)
    .sort((a, b) => qualities[b] - qualities[a])
  return best
}
