/** Recall against queries a second as an SVG that reads on a light page and on a dark one. */

const width = 860
const height = 520
const plot = { left: 74, right: 660, top: 64, bottom: 452 }
/** Okabe and Ito's colours, which differ for every kind of sight, and three of Tol's for when there are many. */
const hues = [
  ...['#d55e00', '#0072b2', '#009e73', '#cc79a7', '#a17700', '#56b4e9', '#7a7a7a'],
  ...['#aa4499', '#999933', '#44aa99'],
]
const dashes = { batch: '7 4', sync: '2 3' }
/** What is worse is left out; the axis begins at the last tick that no shown point is left of. */
const leastRecall = 0.8
const recallTicks = [0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995]

/**
 * @param {object} dataset - As measured: name, vectors, dimension, metric, k, search.
 * @param {{ processor: string }} machine
 * @returns {string} SVG 1.1
 */
export function plotSearch({ name, vectors, dimension, metric, k, search }, machine) {
  const shown = search.map(series => ({
    label: `${series.engine} ${series.mode}`,
    engine: series.engine,
    mode: series.mode,
    points: series.rungs.filter(({ recall }) => recall >= leastRecall),
  }))
  const engines = [...new Set(shown.map(({ engine }) => engine))]
  const axes = axesFor(shown.flatMap(({ points }) => points))
  const style = series => ({
    hue: hues[engines.indexOf(series.engine) % hues.length],
    dash: dashes[series.mode],
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="13" role="img">`,
    `<title>${escaped(`Recall against queries a second on ${name}`)}</title>`,
    '<style>.page{fill:#fff}.ink{fill:#1f2328}.soft{fill:#59636e}.grid{stroke:#d1d9e0}.curve{fill:none;stroke-width:2.2;stroke-linejoin:round}' +
      '@media (prefers-color-scheme:dark){.page{fill:#0d1117}.ink{fill:#f0f6fc}.soft{fill:#9198a1}.grid{stroke:#30363d}}</style>',
    `<rect class="page" width="${width}" height="${height}"/>`,
    `<text class="ink" x="${plot.left}" y="26" font-size="17" font-weight="600">${escaped(name)}: recall@${k} against queries a second</text>`,
    `<text class="soft" x="${plot.left}" y="46">${escaped(
      `${vectors.toLocaleString('en-US')} × ${dimension}, ${metric}, one core of ${machine.processor}, up and right is better`,
    )}</text>`,
    ...grid(axes),
    ...shown.map(series => curve(series, axes, style(series))),
    ...legend(shown, axes, style),
    '</svg>\n',
  ].join('\n')
}

/** Places on the page: recall by the logarithm of what is missed, rates by their logarithm. */
function axesFor(points) {
  const rates = points.map(({ rate }) => rate)
  const low = Math.log10(Math.min(...rates)) - 0.06
  const high = Math.log10(Math.max(...rates)) + 0.06
  const right = missed(recallTicks.at(-1))
  const worst = Math.min(...points.map(({ recall }) => recall))
  const ticks = recallTicks.filter((_, i) => !(recallTicks[i + 1] <= worst))
  const left = missed(ticks[0])
  return {
    x: recall =>
      plot.left +
      ((missed(Math.min(recall, recallTicks.at(-1))) - left) / (right - left)) *
        (plot.right - plot.left),
    y: rate => plot.bottom - ((Math.log10(rate) - low) / (high - low)) * (plot.bottom - plot.top),
    recallTicks: ticks,
    rateTicks: rateTicks(low, high),
  }
}

function missed(recall) {
  return -Math.log10(1 - recall)
}

/** 1, 2 and 5 of every decade within the bounds, which are logarithms. */
function rateTicks(low, high) {
  const ticks = []
  for (let decade = Math.floor(low); decade <= high; decade++) {
    for (const digit of [1, 2, 5]) {
      const tick = digit * 10 ** decade
      if (Math.log10(tick) >= low && Math.log10(tick) <= high) ticks.push(tick)
    }
  }
  return ticks
}

function grid({ x, y, recallTicks: recalls, rateTicks: rates }) {
  const lines = []
  for (const recall of recalls) {
    const at = round(x(recall))
    lines.push(`<line class="grid" x1="${at}" y1="${plot.top}" x2="${at}" y2="${plot.bottom}"/>`)
    lines.push(
      `<text class="soft" x="${at}" y="${plot.bottom + 20}" text-anchor="middle">${recall}</text>`,
    )
  }
  for (const rate of rates) {
    const at = round(y(rate))
    lines.push(`<line class="grid" x1="${plot.left}" y1="${at}" x2="${plot.right}" y2="${at}"/>`)
    lines.push(
      `<text class="soft" x="${plot.left - 8}" y="${at + 4}" text-anchor="end">${rateText(rate)}</text>`,
    )
  }
  const middle = (plot.left + plot.right) / 2
  lines.push(
    `<text class="ink" x="${middle}" y="${plot.bottom + 44}" text-anchor="middle">recall (log scale of what is missed)</text>`,
  )
  lines.push(
    `<text class="ink" transform="translate(18 ${(plot.top + plot.bottom) / 2}) rotate(-90)" text-anchor="middle">queries per CPU second (log scale)</text>`,
  )
  return lines
}

function rateText(rate) {
  return rate >= 1000 ? `${rate / 1000}k` : String(rate)
}

function curve({ points, label }, { x, y }, { hue, dash }) {
  const places = points.map(({ recall, rate }) => [round(x(recall)), round(y(rate))])
  const line = `<polyline class="curve" stroke="${hue}"${dash ? ` stroke-dasharray="${dash}"` : ''} points="${places.join(' ')}"/>`
  const dots = places.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="2.8" fill="${hue}"/>`)
  return `<g><title>${escaped(label)}</title>${line}${dots.join('')}</g>`
}

/** Names in the order in which the curves end, fastest first. */
function legend(shown, { y }, style) {
  const order = shown
    .filter(({ points }) => points.length > 0)
    .toSorted((a, b) => y(middleRate(a)) - y(middleRate(b)))
  return order.map((series, i) => {
    const at = plot.top + 12 + i * 24
    const { hue, dash } = style(series)
    const start = plot.right + 20
    return (
      `<line x1="${start}" y1="${at}" x2="${start + 30}" y2="${at}" stroke="${hue}" stroke-width="2.2"${dash ? ` stroke-dasharray="${dash}"` : ''}/>` +
      `<text class="ink" x="${start + 38}" y="${at + 4}">${escaped(series.label)}</text>`
    )
  })
}

function middleRate({ points }) {
  return (points.find(({ recall }) => recall >= 0.99) ?? points.at(-1)).rate
}

function round(value) {
  return Math.round(value * 10) / 10
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
