/**
 * Recall against queries a second. First each engine climbs the ladder of ef until it misses less than one neighbour in 2,000; then
 * rounds of chunks, one engine after the other on the same core: A B C, B C A, … All queries are searched once, uncounted,
 * before each chunk, because the caches hold what the other engines worked on before. The time of a chunk is the CPU time of the engine's
 * own process; wall time is kept beside it.
 */
import { join } from 'node:path'
import { rotated } from '../arena.mjs'
import { median, quantile, rateAtRecall, recallAtRate } from '../statistics.mjs'

/** Recalls at which engines are compared. */
export const targets = [0.95, 0.99, 0.999]

const ladder = [
  10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256, 320, 400, 512, 640, 800,
]
/** This package, and the peers that are no npm packages. */
const ourName = 'vitrine'
const nativeNames = ['hnswlib', 'faiss']
const lowestRecall = 0.8
const enoughRecall = 0.9995
/** Shorter chunks measure cold caches rather than engines. */
const chunkSeconds = 0.1

/**
 * @typedef {object} Series - One engine in one way of calling it.
 * @property {string} engine
 * @property {string} mode
 * @property {(import('../statistics.mjs').Rung & { wallRate: number })[]} rungs - Medians over the rounds.
 * @property {Record<string, number | undefined>} rateAt - Queries per CPU second at each target.
 * @property {Record<string, number | undefined>} wallRateAt
 * @property {Record<string, { ratio: number, low: number, high: number } | undefined>} against - Of the reference's rate in the same round.
 * @property {Record<string, { peer: string, mode: string, ratio?: number, low?: number, high?: number } | undefined>} [againstPeers] - Of
 *   this package, against the fastest of the others from npm.
 * @property {{ ef: number, recall: number, p50: number, p99: number } | undefined} latency - Wall seconds of single calls.
 */

/**
 * @param {import('../arena.mjs').Arena} arena
 * @param {import('../arena.mjs').Racer[]} racers
 * @param {object} options
 * @param {number} options.rounds
 * @param {string} options.reference - The engine that ratios are to.
 * @param {boolean} [options.firstModeOnly] - Leaves out batches and other ways of calling.
 * @returns {Promise<Series[]>}
 */
export async function measureSearch(arena, racers, { rounds, reference, firstModeOnly = false }) {
  let runners = []
  for (const racer of racers) {
    const { modes } = racer.contestant
    for (const mode of firstModeOnly ? modes.slice(0, 1) : modes) {
      const rungs = await arena.attempt(racer.name, `search ${mode}`, () =>
        climb(arena, racer, mode),
      )
      if (rungs) runners.push({ racer, mode, rungs })
    }
  }
  for (let round = 0; round < rounds; round++) {
    arena.note(`searching, round ${round + 1} of ${rounds}`)
    runners = await runRound(arena, runners, round)
  }
  const referee = runners.find(runner => runner.racer.name === reference)
  const series = []
  for (const runner of runners) series.push(await summarise(arena, runner, referee))
  for (const [i, runner] of runners.entries()) {
    if (runner.racer.name === ourName)
      series[i].againstPeers = atTargets(t => bestPeer(runner, runners, t))
  }
  return series
}

/** The rungs worth timing, with their recall. */
async function climb(arena, racer, mode) {
  const rungs = []
  for (const ef of ladder) {
    const { recall } = await arena.recallAt(racer, { mode, ef })
    if (recall < lowestRecall) rungs.length = 0
    rungs.push({ ef, recall, samples: [] })
    if (recall >= enoughRecall) break
  }
  return rungs
}

/** Times each rung of each runner once; a runner that fails is left out from then on. */
async function runRound(arena, runners, round) {
  let running = runners
  const time = (runner, pass) =>
    arena.attempt(runner.racer.name, `search ${runner.mode}`, () => timeRung(arena, runner, pass))
  const passes = Math.max(...runners.map(runner => runner.rungs.length))
  for (let pass = 0; pass < passes; pass++) {
    for (const runner of rotated(running, round + pass)) {
      if (pass >= runner.rungs.length) continue
      const sample = await time(runner, pass)
      if (sample) runner.rungs[pass].samples.push(sample)
      else running = running.filter(other => other !== runner)
    }
  }
  return running
}

async function timeRung(arena, { racer, mode, rungs }, number) {
  const { ef } = rungs[number]
  // What an engine does first is slow for other reasons: how long a chunk will take is asked here.
  const warm = await arena.search(racer, { mode, ef })
  const repeat = Math.max(1, Math.ceil(chunkSeconds / warm.cpu))
  const { cpu, wall } = await arena.search(racer, { mode, ef, repeat })
  const queries = arena.queryCount * repeat
  return { rate: queries / cpu, wallRate: queries / wall }
}

/** @returns {Promise<Series>} */
async function summarise(arena, runner, referee) {
  const { racer, mode } = runner
  const rungs = runner.rungs.map(medianRung)
  const wallRungs = rungs.map(rung => ({ ...rung, rate: rung.wallRate }))
  return {
    engine: racer.name,
    mode,
    rungs,
    rateAt: atTargets(target => rateAtRecall(rungs, target)),
    wallRateAt: atTargets(target => rateAtRecall(wallRungs, target)),
    against: atTargets(target => ratio(runner, referee, target)),
    latency: mode === racer.contestant.modes[0] ? await latencies(arena, racer, rungs) : undefined,
  }
}

function medianRung({ ef, recall, samples }) {
  return {
    ef,
    recall,
    rate: median(samples.map(sample => sample.rate)),
    wallRate: median(samples.map(sample => sample.wallRate)),
  }
}

function atTargets(value) {
  return Object.fromEntries(targets.map(target => [target, value(target)]))
}

/** Both rates of a ratio are of the same round, so that what slowed one slowed the other. */
function ratio(runner, referee, target) {
  if (!referee) return undefined
  const ratios = []
  for (let round = 0; round < runner.rungs[0].samples.length; round++) {
    const own = rateAtRecall(ofRound(runner, round), target)
    const theirs = rateAtRecall(ofRound(referee, round), target)
    if (own !== undefined && theirs !== undefined) ratios.push(own / theirs)
  }
  if (ratios.length === 0) return undefined
  return { ratio: median(ratios), low: Math.min(...ratios), high: Math.max(...ratios) }
}

/** The npm package that is fastest at a recall, however it is called, and how much faster this runner is. */
function bestPeer(runner, runners, target) {
  const rate = ({ rungs }) => rateAtRecall(rungs.map(medianRung), target) ?? 0
  const [best] = runners
    .filter(({ racer }) => racer.name !== ourName && !nativeNames.includes(racer.name))
    .toSorted((a, b) => rate(b) - rate(a))
  return best && { peer: best.racer.name, mode: best.mode, ...ratio(runner, best, target) }
}

function ofRound({ rungs }, round) {
  return rungs.map(({ ef, recall, samples }) => ({ ef, recall, rate: samples[round].rate }))
}

/** Percentiles of single calls at the first rung that reaches 0.99. */
async function latencies(arena, racer, rungs) {
  const rung = rungs.find(({ recall }) => recall >= 0.99)
  if (!rung) return undefined
  const out = join(arena.folder, 'latencies.f64')
  const fields = { first: 0, count: arena.queryCount, k: arena.k, ef: rung.ef, out }
  const done = await arena.attempt(racer.name, 'latencies', () =>
    racer.process.request('latencies', fields),
  )
  if (!done) return undefined
  const seconds = arena.takeDoubles(out)
  return { ef: rung.ef, recall: rung.recall, p50: median(seconds), p99: quantile(seconds, 0.99) }
}

/**
 * How two ladders of rates compare where both have the same recall or rate.
 * @param {Series} a
 * @param {Series} b
 * @param {number} target - A recall.
 */
export function compareAt(a, b, target) {
  const [ours, theirs] = [a.rateAt[target], b.rateAt[target]]
  return {
    speed: ours !== undefined && theirs !== undefined ? ours / theirs : undefined,
    recallAtEqualSpeed: theirs === undefined ? undefined : recallAtRate(a.rungs, theirs),
  }
}
