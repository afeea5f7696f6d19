import process from 'node:process'

/**
 * Runs a benchmark by its command line. What it throws is told with the usage.
 * @template {{ help?: boolean }} Options
 * @param {string} usage
 * @param {(words: string[]) => Options} parse
 * @param {(options: Options) => Promise<void>} main
 */
export async function runCommand(usage, parse, main) {
  try {
    const options = parse(process.argv.slice(2))
    if (options.help) process.stdout.write(`${usage}\n`)
    else await main(options)
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${usage}\n`)
    process.exitCode = 1
  }
}
