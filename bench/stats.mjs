/** `npm run bench:stats`: what statistics cost. docs/benchmarks.md says how it measures. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { runCommand } from './command.mjs'
import { describeMachine } from './machine.mjs'
import { measureStatsCalls } from './measures/stats-calls.mjs'
import { compiledWithEngine } from './native-programs.mjs'
import { median } from './statistics.mjs'
import { reportStats } from './stats-report.mjs'

const usage = `Usage: npm run bench:stats -- [options]

  --only NAMES    instructions,flush,time,calls,memory,exports; default all. instructions needs valgrind;
                  exports are those of npm run bench:exposition, which installs what it compares with
  --rounds N      in turn, default 9
  --out FILE      JSON for programs
  --check         fails when a limit is exceeded that does not depend on the machine's mood: instructions and memory`

/** The builds and levels that are compared. */
const variants = [
  { name: 'none', compiledOut: true, level: 'off' },
  { name: 'off', compiledOut: false, level: 'off' },
  { name: 'counters', compiledOut: false, level: 'counters' },
  { name: 'sampled', compiledOut: false, level: 'sampled' },
  { name: 'histograms', compiledOut: false, level: 'histograms' },
]

/** Searches that callgrind watches: all queries as often as each other. */
const watchedSearches = 256

function parse(words) {
  const { values } = parseArgs({
    args: words,
    options: {
      only: { type: 'string', default: 'instructions,flush,time,calls,memory,exports' },
      rounds: { type: 'string', default: '9' },
      out: { type: 'string' },
      check: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const rounds = Number(values.rounds)
  if (!Number.isSafeInteger(rounds) || rounds < 1) throw new Error('--rounds is a whole number')
  return { ...values, only: new Set(values.only.split(',')), rounds }
}

const programOf = ({ compiledOut }) =>
  compiledWithEngine('statistics_cost', compiledOut ? ['VITRINE_NO_STATISTICS'] : [])

/** AVX2, which callgrind knows, so that it watches what users run. */
const avx2 = { ...process.env, VITRINE_ISA: 'avx2' }

const json = (program, words, env = process.env) =>
  JSON.parse(execFileSync(program, words, { encoding: 'utf8', env }))

/** Instructions of a search, by variant. */
function countInstructions() {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-stats-'))
  try {
    const counts = variants.map(variant => {
      const out = join(folder, variant.name)
      const words = [
        '--tool=callgrind',
        `--callgrind-out-file=${out}`,
        '--toggle-collect=*MeasuredSearches*',
        programOf(variant),
        'search',
        variant.level,
        String(watchedSearches),
      ]
      execFileSync('valgrind', words, { stdio: ['ignore', 'ignore', 'pipe'], env: avx2 })
      const [, total] = /^(?:totals|summary): (\d+)$/m.exec(readFileSync(out, 'utf8')) ?? []
      // The warm-up's searches are watched too: 64 more.
      return [variant.name, Number(total) / (watchedSearches + 64)]
    })
    return Object.fromEntries(counts)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Nanoseconds of a search, by variant: the median of rounds that take turns. */
function timeSearches(rounds) {
  const times = Object.fromEntries(variants.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const variant of round % 2 === 0 ? variants : variants.toReversed()) {
      const { nanoseconds } = json(programOf(variant), ['search', variant.level, '20000'])
      times[variant.name].push(nanoseconds)
    }
  }
  return Object.fromEntries(
    Object.entries(times).map(([name, values]) => [
      name,
      {
        nanoseconds: median(values),
        ratio: median(values.map((value, round) => value / times.none[round])),
        spread: Math.max(...values) / Math.min(...values) - 1,
      },
    ]),
  )
}

/** What bench/exposition.mjs finds, in a process of its own. */
function measureExports() {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-stats-'))
  try {
    const out = join(folder, 'exports.json')
    const script = fileURLToPath(new URL('exposition.mjs', import.meta.url))
    execFileSync(process.execPath, [script, '--out', out], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    return JSON.parse(readFileSync(out, 'utf8'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** What must hold on any machine; the texts name what does not. */
function exceeded({ instructions, memory, exports }) {
  const limits = [
    ['instructions of off beyond none', instructions && instructions.off - instructions.none, 2],
    ['bytes of counters', memory?.shard, 1024],
    ['bytes of a histogram', memory?.histogramOfSeconds, 2300],
    ['bytes of 1,000 vectors', memory?.thousandVectors, 0],
    ['bytes of an export with gzip', exports?.oneDatabase.gzipBytes, 10_000],
  ]
  return limits.flatMap(([what, value, most]) =>
    value !== undefined && value > most ? [`${what}: ${value}, more than ${most}`] : [],
  )
}

async function main({ only, rounds, out, check }) {
  const report = { format: 1, measuredAt: new Date().toISOString(), machine: describeMachine() }
  const program = programOf({ compiledOut: false })
  if (only.has('instructions')) report.instructions = countInstructions()
  if (only.has('flush')) report.flush = json(program, ['flush'])
  if (only.has('time')) report.time = timeSearches(rounds)
  if (only.has('calls')) report.calls = await measureStatsCalls({ rounds })
  if (only.has('memory')) report.memory = json(program, ['memory'])
  if (only.has('exports')) report.exports = measureExports()
  process.stdout.write(reportStats(report))
  if (out) writeFileSync(out, `${JSON.stringify(report, null, 2)}\n`)
  const failures = check ? exceeded(report) : []
  for (const failure of failures) process.stderr.write(`${failure}\n`)
  if (failures.length > 0) process.exitCode = 1
}

await runCommand(usage, parse, main)
