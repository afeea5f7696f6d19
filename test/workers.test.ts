import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { quarantineBytes, runProgram, twoAtATime } from './child-process.ts'
import { rounds, scaled } from './rounds.ts'

describe('a worker', () => {
  it('uses indexes of its own', async () => {
    const worker = new Worker(
      `import { parentPort } from 'node:worker_threads'
       import { Index, engineInfo } from 'vitrine'
       const index = new Index({ dimension: 2 })
       await index.add([5, 6], Float32Array.of(0, 0, 1, 1))
       const { ids } = await index.search(Float32Array.of(1, 1), { k: 2 })
       await index.close()
       let code
       try { index.has(5) } catch (error) { code = error.code }
       parentPort.postMessage({ ids, code, ...engineInfo() })`,
      { eval: true, execArgv: ['--input-type=module'] },
    )
    const message = await new Promise<Record<string, unknown>>((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    expect(message).toMatchObject({ ids: Uint32Array.of(6, 5), code: 'ERR_CLOSED' })
    await worker.terminate()
  })

  it('may be terminated at any time, loading or working', async () => {
    // In two processes; `npm run test:slow` has 1,000.
    const workers = Number(process.env.VITRINE_TERMINATED_WORKERS ?? rounds(200, scaled(80, 40)))
    const runs = [
      [`${workers / 2}`, '1', 'main'],
      [`${workers / 2}`, '2'],
    ]
    const sum = { terminated: 0, acknowledged: 0 }
    await twoAtATime(runs, async args => {
      const ending = await runProgram('terminate-workers.mjs', args)
      expect(ending, `arguments ${args.join(' ')}`).toMatchObject({ code: 0, errors: '' })
      const { terminated, acknowledged, lost, searches, files } = JSON.parse(ending.output)
      sum.terminated += terminated
      sum.acknowledged += acknowledged
      expect(lost).toBe(0)
      if (args[2] === 'main') expect(searches).toBeGreaterThan(100)
      // A save is whole or not there; a temporary file stays only where the process was killed.
      for (const name of files) expect(name).toMatch(/^lane-[01]$/)
    })
    expect(sum.terminated).toBeGreaterThanOrEqual(workers)
    expect(sum.acknowledged).toBeGreaterThan(0)
    if (workers <= 200) return
    const { terminated, acknowledged } = sum
    process.stdout.write(
      `${terminated} workers terminated, lost 0 of ${acknowledged} acknowledged\n`,
    )
  }, 3_600_000)

  it('leaves a database that can be opened at once when it is terminated', async () => {
    const count = rounds(12, scaled(4, 2))
    const ending = await runProgram('reopen-after-termination.mjs', [`${count}`])
    expect(ending).toMatchObject({ code: 0, errors: '' })
    expect(JSON.parse(ending.output)).toEqual(Array.from({ length: count }, () => 5000))
  }, 120_000)
})

describe('a process', () => {
  it.each([
    ['exit', { code: 7, signal: null }],
    ['exit in onProgress', { code: 7, signal: null }],
    ['exit in a worker', { code: 7, signal: null }],
    ['throw', { code: 1, signal: null }],
    ['reject', { code: 1, signal: null }],
    ['sigterm', { code: null, signal: 'SIGTERM' }],
    ['sigint', { code: null, signal: 'SIGINT' }],
  ])(
    'ends as it should with operations pending: %s',
    async (way, ending) => {
      await twoAtATime([0, 12, 50, 2].slice(0, rounds(4, 2)), async delay => {
        const ended = await runProgram('exit-in-flight.mjs', [way, String(delay)])
        expect(ended, `delay ${delay}`).toMatchObject(ending)
        expect(ended.errors).not.toMatch(/terminate called|FATAL|Assertion/)
      })
    },
    60_000,
  )

  it('stays alive for what is pending, and for nothing else', async () => {
    const { code, output, errors } = await runProgram('leave-alive.mjs')
    expect({ code, output, errors }).toEqual({
      code: 0,
      output: 'added 2000\nexit 0, 1 idle\n',
      errors: '',
    })
  })

  it('collects forgotten indexes in time, for V8 knows their size', async () => {
    const { code, output, errors } = await runProgram('forget-memory.mjs')
    expect({ code, errors }).toEqual({ code: 0, errors: '' })
    const { collected, rss } = JSON.parse(output)
    expect(collected).toBeGreaterThan(107)
    expect(rss).toBeLessThan(187 * 2 ** 20 + quarantineBytes)
  }, 60_000)

  it('gets back what 10,000 forgotten indexes held', async () => {
    const { code, output, errors } = await runProgram('forget-handles.mjs', [], ['--expose-gc'])
    expect({ code, errors }).toEqual({ code: 0, errors: '' })
    const { before, after, collected } = JSON.parse(output)
    expect(collected).toBeGreaterThan(9000)
    expect(after.threads).toBe(before.threads)
    expect(after.files).toBe(before.files)
    expect(after.rss - before.rss).toBeLessThan(40 * 2 ** 20 + quarantineBytes)
  }, 60_000)
})
