// `npm run demo`: indexes 10,000 pictures of clothes, searches them, and shows how right and how fast that was.
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { engineInfo, Index } from 'vitrine'
import { bar, bold, dim, megabytes, micros, number, picture, sideBySide } from './demo-terminal.mjs'

const side = 28
const dimension = side * side
const k = 10
const beamWidths = [16, 24, 32, 48, 64, 128]
const codeNames = { none: 'vectors', sq8: 'codes of 8 bits', rq4: 'codes of 4 bits a component' }
/** A search is repeated until it has taken this long, so that a figure is not the noise of a moment. */
const measuredMs = 120

function readPictures(name) {
  const file = new URL(`data/fashion-mnist-sample/${name}.u8.gz`, import.meta.url)
  return Float32Array.from(gunzipSync(readFileSync(file)))
}

function rowOf(matrix, row) {
  return matrix.subarray(row * dimension, (row + 1) * dimension)
}

function seconds(since) {
  return (performance.now() - since) / 1000
}

function print(...lines) {
  process.stdout.write(`${lines.join('\n')}\n`)
}

async function buildIndex(index, base) {
  const start = performance.now()
  await index.add(null, base)
  const taken = seconds(start)
  const rate = number(index.size / taken)
  const { quantization } = index.explain(rowOf(base, 0), { k })
  print(
    '',
    `${bold('Indexing')}  ${number(index.size)} vectors in ${taken.toFixed(2)} s, ${rate} a second; searched by ${codeNames[quantization]}`,
  )
}

/** The query and its nearest pictures, drawn. */
function showOneSearch(index, base, queries) {
  const query = rowOf(queries, 1)
  const { ids, distances } = index.searchSync(query, { k: 3 })
  const tiles = [{ caption: 'the question', pixels: query }]
  ids.forEach((id, i) => {
    const caption = `#${id}, ${number(Math.sqrt(distances[i]))} away`
    tiles.push({ caption, pixels: rowOf(base, id) })
  })
  const drawn = tiles.map(({ caption, pixels }) => picture(pixels, side, caption))
  print('', bold('One search, three answers'), '', ...sideBySide(drawn))
}

/** The share of the exact neighbours that were found; whatever is as near as the last of them counts as one. */
function recallOf(distances, exactDistances) {
  let found = 0
  for (let at = 0; at < distances.length; at += k) {
    const farthest = exactDistances[at + k - 1]
    for (let i = at; i < at + k; i++) if (distances[i] <= farthest) found++
  }
  return found / distances.length
}

/** Queries a second of whole rounds through `run`, which searches for all of them. */
async function rateOf(run, queryCount) {
  let rounds = 0
  const start = performance.now()
  do {
    await run()
    rounds++
  } while (performance.now() - start < measuredMs)
  return (rounds * queryCount) / seconds(start)
}

async function showRecall(index, queries, queryCount) {
  const start = performance.now()
  const exact = await index.searchBatch(queries, { k, exact: true })
  const exactRate = queryCount / seconds(start)
  const out = { ids: new Uint32Array(k), distances: new Float32Array(k) }
  const measured = []
  for (const ef of beamWidths) {
    const { distances } = await index.searchBatch(queries, { k, ef })
    const searchAll = () => {
      for (let i = 0; i < queryCount; i++) index.searchInto(rowOf(queries, i), out, { ef })
    }
    const batch = () => index.searchBatch(queries, { k, ef })
    searchAll()
    measured.push({
      ef,
      recall: recallOf(distances, exact.distances),
      single: await rateOf(searchAll, queryCount),
      batch: await rateOf(batch, queryCount),
    })
  }
  const fastest = Math.max(...measured.map(({ batch }) => batch))
  print(
    '',
    `${bold('Recall against exact search')}  recall@${k} over ${number(queryCount)} queries`,
    '',
    dim(
      `${'ef'.padStart(7)}  ${'recall'.padStart(7)}  one at a time  ${'in batches'.padStart(13)}`,
    ),
    ...measured.map(({ ef, recall, single, batch }) =>
      [
        String(ef).padStart(7),
        recall.toFixed(4).padStart(7),
        `${number(single).padStart(9)} q/s`,
        `${number(batch).padStart(9)} q/s`,
        bar(batch / fastest, 30),
      ].join('  '),
    ),
    [
      '  exact',
      ' 1.0000',
      ' '.repeat(13),
      `${number(exactRate).padStart(9)} q/s`,
      bar(exactRate / fastest, 30),
    ].join('  '),
  )
  return measured.find(({ recall }) => recall >= 0.99)?.ef ?? beamWidths.at(-1)
}

/** Single synchronous calls, each timed by itself. */
function showLatency(index, queries, queryCount, ef) {
  const times = new Float64Array(queryCount * 4)
  for (let i = 0; i < times.length; i++) {
    const query = rowOf(queries, i % queryCount)
    const start = process.hrtime.bigint()
    index.searchSync(query, { k, ef })
    times[i] = Number(process.hrtime.bigint() - start) / 1000
  }
  times.sort()
  const at = share => times[Math.min(times.length - 1, Math.floor(times.length * share))]
  const percentiles = [
    ['p50', at(0.5)],
    ['p90', at(0.9)],
    ['p99', at(0.99)],
    ['p99.9', at(0.999)],
  ]
  const longest = percentiles.at(-1)[1]
  print(
    '',
    `${bold('Latency')}  searchSync, one thread, ef ${ef}, the least that finds 99 of 100`,
    '',
    ...percentiles.map(
      ([name, time]) => `${name.padStart(7)}  ${micros(time)}  ${bar(time / longest, 30)}`,
    ),
  )
}

function showMemory(index) {
  const { total, ...parts } = index.memoryUsage()
  print(
    '',
    `${bold('Memory')}  ${megabytes(total).trim()}, ${(total / parts.vectors).toFixed(3)} × the vectors alone`,
    '',
    ...Object.entries(parts).map(
      ([name, size]) => `${name.padStart(9)}  ${megabytes(size)}  ${bar(size / total, 30)}`,
    ),
  )
}

const { version, instructionSet, threads } = engineInfo()
const base = readPictures('base')
const queries = readPictures('queries')
const queryCount = queries.length / dimension
print(
  '',
  `${bold(`vitrine ${version}`)}  ${instructionSet} kernels, ${threads} ${threads === 1 ? 'thread' : 'threads'}, Node ${process.version}`,
  dim(
    `Fashion-MNIST sample: pictures of clothes, ${side} × ${side} = ${dimension} dimensions, squared l2`,
  ),
)
const index = new Index({ dimension, metric: 'l2', capacity: base.length / dimension })
try {
  await buildIndex(index, base)
  showOneSearch(index, base, queries)
  const ef = await showRecall(index, queries, queryCount)
  showLatency(index, queries, queryCount, ef)
  showMemory(index)
  print(
    '',
    dim(
      'Next: README.md for thirty lines of code, `npm run bench:quick` for the measured comparison.',
    ),
    '',
  )
} finally {
  await index.close()
}
