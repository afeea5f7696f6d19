/** Drawing in a terminal: colours only where there is a person to see them, shapes everywhere. */

const colourful = process.stdout.isTTY === true && !process.env.NO_COLOR
const eighths = ' ▏▎▍▌▋▊▉█'
const shades = ' ░▒▓█'
/** Columns of a picture; a character is about twice as high as it is wide, so half as many lines. */
const pictureColumns = 20

/** @param {string} text */
export function bold(text) {
  return colourful ? `\u001b[1m${text}\u001b[22m` : text
}

/** @param {string} text */
export function dim(text) {
  return colourful ? `\u001b[2m${text}\u001b[22m` : text
}

/** @param {number} value */
export function number(value) {
  return Math.round(value).toLocaleString('en-US')
}

/** @param {number} value - Microseconds. */
export function micros(value) {
  const text = value >= 1000 ? `${(value / 1000).toFixed(2)} ms` : `${value.toFixed(1)} µs`
  return text.padStart(9)
}

/** @param {number} value - Bytes. */
export function megabytes(value) {
  return `${(value / 1e6).toFixed(2)} MB`.padStart(9)
}

/**
 * A bar to an eighth of a character.
 * @param {number} share - 0 to 1
 * @param {number} columns
 */
export function bar(share, columns) {
  const length = Math.max(0, Math.min(1, share)) * columns
  const whole = Math.floor(length)
  const text = '█'.repeat(whole) + eighths[Math.round((length - whole) * 8)].trim()
  const shown = text === '' ? '▏' : text
  return colourful ? `\u001b[36m${shown}\u001b[39m` : shown
}

/**
 * A square grey picture as lines of text, with a caption below.
 * @param {ArrayLike<number>} pixels - `[side * side]`, 0 to 255, row by row
 * @param {number} side
 * @param {string} caption
 * @returns {string[]} Lines that are all {@link pictureColumns} wide on the screen.
 */
export function picture(pixels, side, caption) {
  const grey = (column, line, lines) => {
    const [left, right] = [column, column + 1].map(at => Math.round((at * side) / pictureColumns))
    const [top, bottom] = [line, line + 1].map(at => Math.round((at * side) / lines))
    return mean(pixels, side, { left, right, top, bottom })
  }
  const rows = pictureColumns / 2
  const lines = Array.from({ length: rows }, (_, line) => {
    const columns = Array.from({ length: pictureColumns }, (_, column) =>
      colourful
        ? twoGreys(grey(column, 2 * line, 2 * rows), grey(column, 2 * line + 1, 2 * rows))
        : shades[
            Math.min(
              shades.length - 1,
              Math.floor((grey(column, line, rows) / 256) * shades.length),
            )
          ],
    )
    return columns.join('') + (colourful ? '\u001b[0m' : '')
  })
  return [...lines, caption.padEnd(pictureColumns)]
}

/** The upper half of a character in one of 24 greys over another. */
function twoGreys(upper, lower) {
  const [above, below] = [upper, lower].map(grey => 232 + Math.floor((grey / 256) * 24))
  return `\u001b[38;5;${above};48;5;${below}m▀`
}

function mean(pixels, side, { left, right, top, bottom }) {
  let sum = 0
  for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) sum += pixels[y * side + x]
  return sum / ((right - left) * (bottom - top))
}

/**
 * Blocks of equally many lines next to each other.
 * @param {readonly string[][]} blocks
 */
export function sideBySide(blocks) {
  return blocks[0].map((_, line) => `  ${blocks.map(block => block[line]).join('  ')}`.trimEnd())
}
