import { parseArgs } from 'node:util'
import { peerNames } from './peers.mjs'

/** In the order in which they run: those that search come before those that change the index. */
export const measureNames = [
  'build',
  'memory',
  'search',
  'recall',
  'filter',
  'exact',
  'save',
  'insert',
  'overhead',
  'turnover',
]

export const usage = `Usage: npm run bench -- --data DIR[,DIR…] [options]

  --data DIR        folders with base.*, queries.* and optionally groundtruth.*
                    (.f32 .u8 .u32 .fvecs .bvecs .ivecs .npy, each also .gz)
  --peers NAMES     ${peerNames.join(',')}; installed when first asked for
  --out FILE        JSON for programs, and beside it one SVG plot for each data set
  --only NAMES      ${measureNames.join(',')}
                    default: all but turnover, which takes long
  --limit N         base vectors at most; exact neighbours are then computed
  --queries N       queries at most, default 1000
  --rounds N        interleaved rounds of the search, default 5
  --turnovers N     default 10
  --k N             neighbours, default 10
  --quantization Q  of vitrine: none, sq8, rq4 or auto, default auto
  --type T          of vitrine: f32, f16, bf16, i8 or u8, default f32; the data must fit bytes exactly,
                    and peers have f32 all the same
  --core N          the core that single-threaded work is pinned to, default the last
  --metric NAME     l2, cosine or ip, instead of what the README.md beside the folders says
  --dimension N     likewise
  --quick           the sample that this repository carries, without recall: a minute`

/**
 * @typedef {object} BenchOptions
 * @property {string[]} data
 * @property {string[]} peers
 * @property {string | undefined} out
 * @property {Set<string>} only
 * @property {number | undefined} limit
 * @property {number} queries
 * @property {number} rounds
 * @property {number} turnovers
 * @property {number} k
 * @property {string} quantization
 * @property {string} type
 * @property {number} core
 * @property {import('./dataset.mjs').Metric | undefined} metric
 * @property {number | undefined} dimension
 */

/**
 * @param {string[]} words
 * @param {{ sample: string, lastCore: number }} defaults
 * @returns {BenchOptions | undefined} Undefined when help is asked for.
 * @throws {Error} on a wrong word, for the user to read.
 */
export function parseOptions(words, { sample, lastCore }) {
  const { values } = parseArgs({
    args: words,
    options: {
      data: { type: 'string' },
      peers: { type: 'string' },
      out: { type: 'string' },
      only: { type: 'string' },
      limit: { type: 'string' },
      queries: { type: 'string' },
      rounds: { type: 'string' },
      turnovers: { type: 'string' },
      k: { type: 'string' },
      quantization: { type: 'string' },
      type: { type: 'string' },
      core: { type: 'string' },
      metric: { type: 'string' },
      dimension: { type: 'string' },
      quick: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  })
  if (values.help) return undefined
  // Takes minutes; searches by recall wait half a minute for the index to check itself.
  const leftOut = values.quick ? ['turnover', 'recall'] : ['turnover']
  const everything = measureNames.filter(name => !leftOut.includes(name))
  const options = {
    data: listOf(values.data) ?? (values.quick ? [sample] : undefined),
    peers: listOf(values.peers) ?? [],
    out: values.out,
    only: new Set(listOf(values.only) ?? everything),
    limit: wholeNumber('limit', values.limit),
    queries: wholeNumber('queries', values.queries) ?? (values.quick ? 500 : 1000),
    rounds: wholeNumber('rounds', values.rounds) ?? (values.quick ? 3 : 5),
    turnovers: wholeNumber('turnovers', values.turnovers) ?? 10,
    k: wholeNumber('k', values.k) ?? 10,
    quantization: values.quantization ?? 'auto',
    type: values.type ?? 'f32',
    core: values.core === undefined ? lastCore : wholeNumber('core', values.core, 0),
    metric: values.metric,
    dimension: wholeNumber('dimension', values.dimension),
  }
  if (!options.data) throw new Error('--data names no folder')
  requireKnown('peer', options.peers, peerNames)
  requireKnown('measure', options.only, measureNames)
  requireKnown('quantization', [options.quantization], ['none', 'sq8', 'rq4', 'auto'])
  requireKnown('type', [options.type], ['f32', 'f16', 'bf16', 'i8', 'u8'])
  return options
}

function listOf(text) {
  return text
    ?.split(',')
    .map(part => part.trim())
    .filter(part => part !== '')
}

function wholeNumber(name, text, least = 1) {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < least)
    throw new Error(`--${name} ${text} is not a whole number of at least ${least}`)
  return value
}

function requireKnown(what, names, known) {
  for (const name of names)
    if (!known.includes(name)) throw new Error(`${name} is not a ${what}: ${known.join(', ')}`)
}
