/**
 * The line protocol between the harness and one engine in a process of its own: `verb key=value …` in, `ok key=value …` or
 * `error text` out. Values are percent-encoded. Vectors and results travel in files of raw numbers. The same lines drive
 * engines/host.mjs (Node) and native/hnswlib_engine.cc.
 *
 * | verb | arguments | reply |
 * |---|---|---|
 * | describe | | version, kernels, modes (of search, the first is one query a call), can, settings |
 * | create | dimension metric capacity m efConstruction seed quantization type threads replacing base queries | |
 * | add | rows: base rows, whose numbers are their ids | cpu wall |
 * | finish | of engines that `can` it: after everything was added | cpu wall |
 * | insert | rows: query numbers, added one a call under ids after the base's; out: f64 seconds of each | cpu wall |
 * | remove | rows | cpu wall |
 * | search | rows: query numbers; mode k ef repeat [allowed] [out]: u32 ids [queries * k] | cpu wall |
 * | latencies | rows: query numbers; k ef; out: f64 seconds of each call | cpu wall |
 * | exact | rows: query numbers; k [out] | cpu wall |
 * | prepare | allowed: makes the engine's own form of a filter | cpu wall |
 * | memory | | resident, and what the engine itself reports |
 * | save, load | path | cpu wall |
 *
 * `rows` is a file of u32, or else `first` and `count` give a range. Times are seconds, `cpu` that of the whole process.
 */

/**
 * @typedef {Record<string, string | number | undefined>} Fields
 */

/**
 * @param {string} verb
 * @param {Fields} fields - An undefined value is left out.
 */
export function formatLine(verb, fields = {}) {
  const words = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${encodeURIComponent(value)}`)
  return [verb, ...words].join(' ')
}

/**
 * @param {string} line
 * @returns {{ verb: string, fields: Record<string, string> }}
 */
export function parseLine(line) {
  const [verb, ...words] = line.trim().split(' ')
  const fields = {}
  for (const word of words) {
    const equals = word.indexOf('=')
    fields[word.slice(0, equals)] = decodeURIComponent(word.slice(equals + 1))
  }
  return { verb, fields }
}
