// Calls of distance kernels by three searches whose parts are known by heart, with the kernels that the first
// argument names: prints, of each, its plan and [instruction set, kernel, calls].

import process from 'node:process'

process.env.VITRINE_ISA = process.argv[2]
const { engineInfo, Index } = await import('vitrine')

async function counted(index, query, options) {
  index.enableStats()
  const { plan } = await index.analyze(query, options)
  const { families } = index.statsSnapshot()
  await index.close()
  const { samples } = families.find(({ name }) => name === 'vitrine_engine_kernel_calls_total')
  return {
    plan: plan.kind,
    quantization: plan.quantization,
    calls: samples.map(({ labels, value }) => [labels.isa, labels.kernel, value]),
  }
}

/** Rows at 0, 10, 20 … on the first axis. */
async function line(options) {
  const index = new Index({ dimension: 8, ...options })
  const vectors = new Float32Array(1500 * 8).map((_, i) => (i % 8 === 0 ? (10 * i) / 8 : 0))
  await index.add(null, vectors)
  return index
}
// Where codes have their centre, the mean of the first thousand rows: there they are exact.
const middle = Float32Array.of(4996, 0, 0, 0, 0, 0, 0, 0)

async function sketched() {
  const index = new Index({ dimension: 64 })
  await index.add(
    null,
    new Float32Array(6400 * 64).map((_, i) => Math.sin(i * i)),
  )
  const filter = index.idSet(Uint32Array.from({ length: 2000 }, (_, i) => i))
  const query = new Float32Array(64).fill(1)
  // They are made behind the first search that could use them.
  while (index.explain(query, { k: 2000, filter }).kind !== 'sketch') {
    await new Promise(done => setTimeout(done, 5))
  }
  return counted(index, query, { k: 2000, filter })
}

const output = {
  isa: engineInfo().instructionSet,
  scan: await counted(await line(), middle, { k: 10, exact: true }),
  reranked: await counted(await line({ quantization: 'sq8' }), middle, { k: 64 }),
  sketched: await sketched(),
}
process.stdout.write(JSON.stringify(output))
