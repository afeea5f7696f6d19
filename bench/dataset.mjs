/**
 * A vector set in a folder: `base.*`, `queries.*` and, optionally, `groundtruth.*`, in any format of formats.mjs. Its dimension and
 * metric come from the table in the README.md of the parent folder, from the files themselves, or from the caller.
 */
import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { formatOf, readMatrix } from './formats.mjs'

/**
 * @typedef {'l2' | 'cosine' | 'ip'} Metric
 * @typedef {object} Dataset
 * @property {string} name
 * @property {Metric} metric
 * @property {number} dimension
 * @property {import('./formats.mjs').Matrix} base
 * @property {import('./formats.mjs').Matrix} queries
 * @property {import('./formats.mjs').Matrix | undefined} truth - Base rows, nearest first; undefined when it must be computed.
 */

const metrics = ['l2', 'cosine', 'ip']

/**
 * Reads a folder.
 * @param {string} folder
 * @param {object} [options]
 * @param {number} [options.limit] - Base rows at most. Published ground truth is for the whole base and is left out when this cuts it.
 * @param {number} [options.queries] - Queries at most.
 * @param {Metric} [options.metric] - Instead of the table's.
 * @param {number} [options.dimension] - Instead of the table's.
 * @returns {Promise<Dataset>}
 */
export async function openDataset(folder, options = {}) {
  const path = resolve(folder)
  const name = basename(path)
  const row = await describedIn(join(dirname(path), 'README.md'), name)
  const metric = options.metric ?? row?.metric ?? 'l2'
  if (!metrics.includes(metric))
    throw new Error(`${folder}: metric ${metric} is not one of ${metrics.join(', ')}`)
  const declared = options.dimension ?? row?.dimension
  const files = await readdir(path)
  const base = await readMatrix(fileNamed(path, files, 'base'), {
    dimension: declared,
    limit: options.limit,
  })
  const dimension = base.dimension
  const queries = await readMatrix(fileNamed(path, files, 'queries'), {
    dimension,
    limit: options.queries,
  })
  const whole = row?.rows === undefined ? options.limit === undefined : base.rows === row.rows
  const truthFile = findFile(files, 'groundtruth')
  const truth =
    truthFile && whole ? await readTruth(join(path, truthFile), queries.rows) : undefined
  return { name, metric, dimension, base, queries, truth }
}

/** Raw ground truth holds 100 neighbours a query, as ann-benchmarks does; the other formats say it themselves. */
function readTruth(path, rows) {
  return readMatrix(path, {
    dimension: formatOf(path)?.format === 'u32' ? 100 : undefined,
    limit: rows,
  })
}

function fileNamed(folder, files, stem) {
  const found = findFile(files, stem)
  if (!found) throw new Error(`${folder}: has no ${stem} file`)
  return join(folder, found)
}

function findFile(files, stem) {
  return files.find(file => file.startsWith(`${stem}.`) && formatOf(file))
}

/**
 * The row of a set in a README's table, whose header names at least `set`, `dim` and `metric`.
 * @returns {Promise<{ rows: number | undefined, dimension: number, metric: string } | undefined>}
 */
async function describedIn(readme, name) {
  let text
  try {
    text = await readFile(readme, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
  return parseSetTable(text).get(name)
}

/**
 * The sets that a Markdown table describes, by name; empty when no table has the columns `set`, `dim` and `metric`.
 * @param {string} text
 * @returns {Map<string, { rows: number | undefined, dimension: number, metric: string }>}
 */
export function parseSetTable(text) {
  const sets = new Map()
  let columns
  for (const line of text.split('\n')) {
    const cells = line.startsWith('|')
      ? line
          .split('|')
          .slice(1, -1)
          .map(cell => cell.trim())
      : undefined
    if (!cells) columns = undefined
    else if (cells.includes('set') && cells.includes('dim') && cells.includes('metric'))
      columns = cells
    else if (columns && !cells.every(cell => /^[-: ]*$/.test(cell))) {
      const cell = column => cells[columns.indexOf(column)]
      const rows = Number(cell('base')?.replaceAll(',', ''))
      sets.set(cell('set'), {
        rows: Number.isFinite(rows) && rows > 0 ? rows : undefined,
        dimension: Number(cell('dim').replaceAll(',', '')),
        metric: cell('metric'),
      })
    }
  }
  return sets
}

/**
 * The rows as f32, converted when they are bytes.
 * @param {import('./formats.mjs').Matrix} matrix
 * @returns {Float32Array}
 */
export function asFloats(matrix) {
  return matrix.data instanceof Float32Array ? matrix.data : Float32Array.from(matrix.data)
}
