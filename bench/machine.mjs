import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os'

/** What a figure has to be read with. */
export function describeMachine() {
  const [first] = cpus()
  return {
    processor: first?.model.trim() ?? 'unknown',
    ...processorDetails(),
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    system: `${type()} ${release()}`,
    node: process.version,
    load: loadavg()[0],
  }
}

/** Linux says more than Node: which processor hides behind a vendor's plain name, and which vectors it has. */
function processorDetails() {
  try {
    const text = readFileSync('/proc/cpuinfo', 'utf8')
    const field = name => new RegExp(`^${name}\\s*:\\s*(.*)$`, 'm').exec(text)?.[1]
    const flags = new Set(field('flags')?.split(' '))
    const vectors = [
      'avx2',
      'fma',
      'avx512f',
      'avx512_vnni',
      'avx512_bf16',
      'avx512_fp16',
      'amx_tile',
    ]
    return {
      family: `${field('vendor_id')} ${field('cpu family')}/${field('model')}/${field('stepping')}`,
      vectorExtensions: vectors.filter(name => flags.has(name)),
    }
  } catch {
    return {}
  }
}
