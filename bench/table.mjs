/**
 * Text columns for people.
 * @typedef {object} Column
 * @property {string} title
 * @property {(row: any) => string | undefined} cell - Undefined prints as a dash.
 * @property {'left' | 'right'} [align] - Default right.
 */

/**
 * @param {Column[]} columns
 * @param {readonly any[]} rows
 */
export function formatTable(columns, rows) {
  const cells = [
    columns.map(column => column.title),
    ...rows.map(row => columns.map(column => column.cell(row) ?? '–')),
  ]
  const widths = columns.map((_, i) => Math.max(...cells.map(line => line[i].length)))
  const lines = cells.map(line =>
    line
      .map((text, i) =>
        columns[i].align === 'left' ? text.padEnd(widths[i]) : text.padStart(widths[i]),
      )
      .join('  ')
      .trimEnd(),
  )
  lines.splice(1, 0, widths.map(width => '─'.repeat(width)).join('  '))
  return lines.map(line => `  ${line}`).join('\n')
}

/** @param {number | undefined} value */
export function count(value) {
  return value === undefined || Number.isNaN(value)
    ? undefined
    : Math.round(value).toLocaleString('en-US')
}

/** @param {number | undefined} value @param {number} digits */
export function fixed(value, digits) {
  return value === undefined || Number.isNaN(value) ? undefined : value.toFixed(digits)
}

/** Three significant digits with a unit: seconds as s, ms, µs or ns. */
export function duration(seconds) {
  if (seconds === undefined || Number.isNaN(seconds)) return undefined
  const [unit, scale] = [
    ['s', 1],
    ['ms', 1e3],
    ['µs', 1e6],
    ['ns', 1e9],
  ].find(([, by]) => Math.abs(seconds) * by >= 1) ?? ['ns', 1e9]
  return `${threeDigits(seconds * scale)} ${unit}`
}

/** Three significant digits with a unit: bytes as B, kB, MB or GB, powers of ten. */
export function bytes(value) {
  if (value === undefined || Number.isNaN(value)) return undefined
  const [unit, scale] = [
    ['GB', 1e9],
    ['MB', 1e6],
    ['kB', 1e3],
  ].find(([, by]) => value >= by) ?? ['B', 1]
  return `${threeDigits(value / scale)} ${unit}`
}

function threeDigits(value) {
  const size = Math.abs(value)
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2)
}
