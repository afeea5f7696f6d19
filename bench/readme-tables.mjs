/** The tables of the README's "How fast": the part between two comments there, which `npm run bench:publish` writes from the JSON of a bench. */
import { targets } from './measures/search.mjs'
import { count, fixed } from './table.mjs'

const begin = '<!-- npm run bench:publish: begin -->'
const end = '<!-- npm run bench:publish: end -->'

/**
 * The README with new tables.
 * @param {string} readme
 * @param {readonly any[]} reports - JSON of `npm run bench -- --out`.
 * @throws {Error} A comment is missing.
 */
export function withTables(readme, reports) {
  const first = readme.indexOf(begin)
  const last = readme.indexOf(end)
  if (first < 0 || last < first) throw new Error(`README.md lacks ${begin} … ${end}`)
  const parts = reports.filter(({ datasets }) => datasets.some(({ search }) => search))
  const text = parts.map(tablesOf).join('\n\n')
  return `${readme.slice(0, first + begin.length)}\n${text}\n${readme.slice(last)}`
}

function tablesOf({ machine, engines, quantization, measuredAt, datasets }) {
  const versions = Object.entries(engines).map(([name, { version }]) => `${name} ${version}`)
  const family = machine.family ? ` (${machine.family})` : ''
  const caption =
    `\`quantization: '${quantization}'\`, ${measuredAt.slice(0, 10)}, one core of ${machine.processor}${family}, ` +
    `Node ${machine.node}: ${versions.join(', ')}`
  return [caption, ...datasets.filter(({ search }) => search).map(tableOf)].join('\n\n')
}

function tableOf({ name, vectors, dimension, metric, search, build = [] }) {
  const head = [
    `${name}, ${count(vectors)} × ${dimension}, ${metric}`,
    ...targets.map((target, i) => (i === 0 ? `queries/s at recall ${target}` : `${target}`)),
    '× C++ hnswlib',
    'build, CPU s',
  ]
  const rows = search.map(({ engine, mode, rateAt, against }, i) => {
    // Once for each engine.
    const built = search.findIndex(other => other.engine === engine) === i ? build : []
    return [
      engine === 'vitrine' ? `**vitrine** ${mode}` : `${engine} ${mode}`,
      ...targets.map(target => count(rateAt[target]) ?? '–'),
      targets.map(target => fixed(against[target]?.ratio, 2) ?? '–').join(' · '),
      fixed(built.find(one => one.engine === engine && one.threads === 1)?.cpu, 1) ?? '',
    ]
  })
  return [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n')
}
