/** The results as tables for people. Every one is headed by what its figures have to be read with. */
import { kinds, shares } from './measures/filter.mjs'
import { targets } from './measures/search.mjs'
import { bytes, count, duration, fixed, formatTable } from './table.mjs'

/** @returns {string} Machine, engines and who could not come. */
export function reportStart({ machine, pinned, quantization, type, engines, missing }) {
  const names = Object.entries(engines).map(
    ([name, { version, kernels }]) => `${name} ${version} (${kernels})`,
  )
  const lines = [
    `\nprocessor  ${machine.processor}${machine.family ? `, ${machine.family}` : ''}`,
    `machine    ${machine.cores} cores, ${bytes(machine.memoryBytes)}, ${machine.system}, Node ${machine.node}`,
    `engines    ${names.join(', ')}; vitrine on ${type}, quantization ${quantization}`,
    ...missing.map(({ name, reason }) => `missing    ${name}: ${reason}`),
  ]
  if (machine.vectorExtensions)
    lines.splice(1, 0, `           ${machine.vectorExtensions.join(' ')}`)
  if (!pinned) lines.push('note       processes cannot be pinned to a core here')
  if (machine.load > 1)
    lines.push(`note       the machine is busy: load ${machine.load.toFixed(1)}`)
  return `${lines.join('\n')}\n`
}

/** @returns {string} All tables of one data set. */
export function reportDataset(dataset, machine) {
  const sections = [
    `\n━━ ${dataset.name} ━━ n ${count(dataset.vectors)} · dim ${dataset.dimension} · ${dataset.metric} · k ${dataset.k} · ` +
      `${count(dataset.queries)} queries · ${machine.processor}`,
    dataset.search && searchSection(dataset),
    dataset.build && buildSection(dataset),
    dataset.memory && memorySection(dataset),
    dataset.recall?.length > 0 && recallSection(dataset),
    dataset.filter && filterSection(dataset),
    dataset.exact && exactSection(dataset),
    dataset.save && saveSection(dataset),
    dataset.insert && insertSection(dataset),
    dataset.overhead && overheadSection(dataset),
    dataset.turnover && turnoverSection(dataset),
    dataset.failures.length > 0 && failureSection(dataset),
  ]
  return `${sections.filter(Boolean).join('\n\n')}\n`
}

const engine = { title: 'engine', align: 'left', cell: row => row.engine }

function searchSection({ search, reference, k }) {
  const columns = [
    { title: 'engine', align: 'left', cell: series => `${series.engine} ${series.mode}` },
    ...targets.map(target => ({
      title: `q/s @${target}`,
      cell: series => count(series.rateAt[target]),
    })),
    ...targets.map(target => ({
      title: `× @${target}`,
      cell: series => ratioText(series.against[target]),
    })),
    { title: 'p50', cell: ({ latency }) => duration(latency?.p50) },
    { title: 'p99', cell: ({ latency }) => duration(latency?.p99) },
    { title: 'best recall', cell: ({ rungs }) => fixed(rungs.at(-1).recall, 4) },
  ]
  const heading =
    `search: queries per CPU second of one core at recall@${k}, × to ${reference} in the same round ` +
    '(least–greatest); latency of one call at 0.99'
  const parts = [
    `${heading}\n${formatTable(columns, search)}`,
    peerLines(search),
    ladderTable(search, k),
  ]
  return parts.filter(Boolean).join('\n\n')
}

/** How this package compares with the fastest of the others from npm. */
function peerLines(search) {
  const lines = search
    .filter(({ againstPeers }) => againstPeers && Object.values(againstPeers).some(Boolean))
    .map(({ engine: name, mode, againstPeers }) => {
      const parts = targets.map(target => {
        const against = againstPeers[target]
        return against?.ratio === undefined
          ? `@${target} –`
          : `@${target} ${ratioText(against)} × ${against.peer} ${against.mode}`
      })
      return `  ${name} ${mode}  ${parts.join(', ')}`
    })
  return lines.length > 0 && ['against the fastest npm peer', ...lines].join('\n')
}

function ratioText(ratio) {
  return ratio && `${ratio.ratio.toFixed(2)} (${ratio.low.toFixed(2)}–${ratio.high.toFixed(2)})`
}

/** The measured points themselves: recall and rate by ef. */
function ladderTable(search, k) {
  const efs = [...new Set(search.flatMap(({ rungs }) => rungs.map(({ ef }) => ef)))].sort(
    (a, b) => a - b,
  )
  const columns = [
    { title: 'ef', cell: ef => String(ef) },
    ...search.map(({ engine: name, mode, rungs }) => ({
      title: `${name} ${mode}`,
      cell: ef => {
        const rung = rungs.find(each => each.ef === ef)
        return rung && `${rung.recall.toFixed(4)} ${count(rung.rate).padStart(7)}`
      },
    })),
  ]
  return `recall@${k} and queries per CPU second by ef (medians of the rounds)\n${formatTable(columns, efs)}`
}

function buildSection({ build, reference }) {
  const columns = [
    engine,
    { title: 'threads', cell: row => String(row.threads) },
    { title: 'CPU', cell: row => duration(row.cpu) },
    { title: 'wall', cell: row => duration(row.wall) },
    {
      title: '× CPU',
      cell: row => fixed(row.cpu / build.find(other => isPair(other, row, reference))?.cpu, 2),
    },
    {
      title: '× wall of one',
      cell: row => fixed(row.wall / build.find(other => isOneThread(other, row))?.wall, 2),
    },
    { title: 'recall at ef 64', cell: row => fixed(row.recall, 4) },
  ]
  return `build: M 16, efConstruction 200; × to ${reference} with as many threads\n${formatTable(columns, build)}`
}

function isOneThread(other, row) {
  return other.engine === row.engine && other.threads === 1
}

function isPair(other, row, reference) {
  return other.engine === reference && other.threads === row.threads
}

function memorySection({ memory, vectors }) {
  const part = name => row => row.reported && bytes(row.reported[name])
  const columns = [
    engine,
    { title: 'resident', cell: row => bytes(row.resident) },
    { title: '× vectors', cell: row => fixed(row.resident / row.vectors, 3) },
    { title: 'B a point besides', cell: row => fixed(row.perPointBesidesVectors, 0) },
    { title: 'reported', cell: part('total') },
    { title: 'vectors', cell: part('vectors') },
    { title: 'graph', cell: part('graph') },
    { title: 'ids', cell: part('ids') },
    { title: 'other', cell: part('other') },
  ]
  const heading = `memory: growth of the process; the vectors alone are ${bytes(memory[0]?.vectors)} (${count(vectors)} points)`
  return `${heading}\n${formatTable(columns, memory)}`
}

function recallSection({ recall, k }) {
  const columns = [
    engine,
    { title: 'asked for', cell: ({ target }) => String(target) },
    { title: 'calibrated', cell: row => fixed(row.calibrated, 4) },
    { title: 'corrected', cell: row => fixed(row.corrected, 4) },
    { title: 'q/s', cell: ({ rate }) => count(rate) },
    { title: 'first batch', cell: ({ first }) => (first > 0 ? duration(first) : '') },
  ]
  return `searches that ask for a recall@${k}: what all queries get, before and after some were checked\n${formatTable(columns, recall)}`
}

function filterSection({ filter, k }) {
  const engines = [...new Set(filter.map(row => row.engine))]
  const cells = kinds.flatMap(kind => shares.map(share => ({ kind, share })))
  const columns = [
    { title: 'filter', align: 'left', cell: ({ kind, share }) => `${kind} ${share * 100} %` },
    ...engines.map(name => ({
      title: name,
      cell: ({ kind, share }) => {
        const row = filter.find(
          each => each.engine === name && each.kind === kind && each.share === share,
        )
        return (
          row &&
          `${count(row.rate)} ${row.reached ? '@' : '<'} ${row.recall.toFixed(3)} ef ${String(row.ef).padStart(4)}`
        )
      },
    })),
  ]
  return `filtered search: queries per CPU second at the first ef with recall@${k} ≥ 0.99 (<: not reached)\n${formatTable(columns, cells)}`
}

function exactSection({ exact }) {
  const columns = [
    engine,
    { title: 'q/s (CPU)', cell: row => count(row.rate) },
    { title: 'q/s (wall)', cell: row => count(row.wallRate) },
    { title: 'recall', cell: row => fixed(row.recall, 4) },
  ]
  return `exact search\n${formatTable(columns, exact)}`
}

function saveSection({ save }) {
  const columns = [
    engine,
    { title: 'file', cell: row => bytes(row.bytes) },
    { title: 'save wall', cell: row => duration(row.save.wall) },
    { title: 'CPU', cell: row => duration(row.save.cpu) },
    { title: 'open wall', cell: row => duration(row.open.wall) },
    { title: 'CPU', cell: row => duration(row.open.cpu) },
    { title: 'recall before', cell: row => fixed(row.recallBefore, 4) },
    { title: 'after', cell: row => fixed(row.recallAfter, 4) },
  ]
  return `save and open\n${formatTable(columns, save)}`
}

function insertSection({ insert }) {
  const columns = [
    engine,
    { title: 'CPU', cell: row => duration(row.cpu) },
    { title: 'p50', cell: row => duration(row.p50) },
    { title: 'p99', cell: row => duration(row.p99) },
  ]
  return `insert one point a call into the full index\n${formatTable(columns, insert)}`
}

function overheadSection({ overhead, k }) {
  const columns = [
    { title: 'engine', align: 'left', cell: row => `${row.engine} ${row.mode}` },
    { title: 'call', cell: row => duration(row.call) },
    { title: 'beyond the engine', cell: row => duration(row.beyondEngine) },
  ]
  return `cost of a call: ${overhead[0]?.points} points, k ${k}; beyond the engine = less a query of a batch\n${formatTable(columns, overhead)}`
}

function turnoverSection({ turnover }) {
  const columns = [
    engine,
    { title: 'kind', align: 'left', cell: row => row.kind },
    { title: 'times', cell: row => String(row.turnovers) },
    { title: 'live', cell: row => count(row.live) },
    { title: 'CPU a replacement', cell: row => duration(row.cpuPerReplacement) },
    ...targets.map(target => ({
      title: `speed @${target}`,
      cell: row => fixed(row.at[target].speed, 2),
    })),
    ...targets.map(target => ({
      title: `recall for ${target}`,
      cell: row => fixed(row.at[target].recallAtEqualSpeed, 4),
    })),
    { title: 'lost', cell: row => count(row.lost.aged) },
    { title: 'lost, fresh', cell: row => count(row.lost.fresh) },
  ]
  const heading =
    'turnover: the aged index against a fresh build of the same points: speed at equal recall, recall at equal speed, ' +
    'points not found by their own vector'
  return `${heading}\n${formatTable(columns, turnover)}`
}

function failureSection({ failures }) {
  return [
    'failures',
    ...failures.map(({ engine: name, what, reason }) => `  ${name}, ${what}: ${reason}`),
  ].join('\n')
}
