/**
 * `npm run bench:publish -- results.json…`: what `npm run bench -- --out` wrote, as docs/benchmarks/results.md and its plots, on which nothing is
 * written by hand, and as tables of the README.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { aheadOf } from './ahead.mjs'
import { plotSearch } from './plot.mjs'
import { withTables } from './readme-tables.mjs'
import { reportDataset, reportStart } from './report.mjs'

const folder = fileURLToPath(new URL('../docs/benchmarks', import.meta.url))
const readme = fileURLToPath(new URL('../README.md', import.meta.url))
const start = `# Results

Made by \`npm run bench:publish\` from the JSON of \`npm run bench\`, whose command is above each part. [How it measures](../benchmarks.md)
says what the columns are. Figures of one part are comparable with each other, those of two are not.
`

const fenced = text => `\`\`\`text\n${text.replace(/^\n+|\s+$/g, '')}\n\`\`\``

function settingsOf(engines) {
  const lines = Object.entries(engines)
    .filter(([, { settings }]) => settings)
    .map(([name, { settings }]) => `- ${name}: ${settings}`)
  return lines.length > 0 ? `How each is used, where that is a choice:\n\n${lines.join('\n')}` : ''
}

function aheadText(dataset) {
  const lines = aheadOf(dataset).map(
    ({ what, peer, by }) => `- ${what}: ${peer}, ${by.toFixed(2)} times as good`,
  )
  return lines.length > 0
    ? `A peer is ahead here:\n\n${lines.join('\n')}`
    : 'No peer is ahead in anything that was measured here.'
}

function datasetPart(dataset, report) {
  const plot = `${dataset.name}-${report.quantization}.svg`
  if (dataset.search) writeFileSync(join(folder, plot), plotSearch(dataset, report.machine))
  return [
    `### ${dataset.name}`,
    dataset.search &&
      `![Recall against queries a second on ${dataset.name}, quantization ${report.quantization}](${plot})`,
    aheadText(dataset),
    fenced(reportDataset(dataset, report.machine)),
  ]
}

function reportPart(report) {
  const sets = report.datasets.map(({ name }) => name).join(', ')
  return [
    `## ${sets}, quantization ${report.quantization}, ${report.measuredAt.slice(0, 10)}`,
    report.command && fenced(report.command),
    fenced(reportStart(report)),
    settingsOf(report.engines),
    ...report.datasets.flatMap(dataset => datasetPart(dataset, report)),
  ]
}

const files = process.argv.slice(2)
if (files.length === 0) {
  process.stderr.write('name at least one file of results\n')
  process.exitCode = 2
} else {
  const reports = files.map(file => JSON.parse(readFileSync(file, 'utf8')))
  mkdirSync(folder, { recursive: true })
  for (const name of readdirSync(folder)) rmSync(join(folder, name))
  const page = [start.trimEnd(), ...reports.flatMap(reportPart)].filter(Boolean).join('\n\n')
  writeFileSync(join(folder, 'results.md'), `${page}\n`)
  writeFileSync(readme, withTables(readFileSync(readme, 'utf8'), reports))
  process.stdout.write(
    `written: ${readdirSync(folder).join(', ')} in docs/benchmarks, and README.md\n`,
  )
}
