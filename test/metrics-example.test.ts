import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readProtobuf, readText } from './exposition.ts'
import { root } from './layers.ts'

let example: ChildProcess
let address: string

beforeAll(async () => {
  example = spawn(process.execPath, [join(root, 'examples', 'metrics.mjs'), '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(createInterface({ input: example.stdout! }), 'line')
  address = line.replace('/metrics', '')
})
afterAll(async () => {
  const ended = once(example, 'exit')
  example.kill()
  expect(await ended).toEqual(process.platform === 'win32' ? [null, 'SIGTERM'] : [0, null])
})

it('examples/metrics.mjs serves what its clients ask for', async () => {
  for (let i = 0; i < 7; i++)
    expect(await (await fetch(`${address}/search`)).json()).toHaveLength(5)
  const get = (accept: string) => fetch(`${address}/metrics`, { headers: { accept } })
  const text = await get('*/*')
  expect(text.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(text.headers.get('content-encoding')).toBe('gzip') // which fetch asks for
  const families = readText(await text.text(), 'prometheus')
  const firstOf = (name: string) => families.find(each => each.name === name)?.samples[0]?.value
  expect(firstOf('vitrine_engine_operations_total')).toBe(7)
  expect(firstOf('notes_questions_total')).toBe(7)
  const open = await get('application/openmetrics-text; version=1.0.0')
  // From the second export on it says how long those before took.
  expect(readText(await open.text(), 'openmetrics')).toHaveLength(families.length + 1)
  const protobuf = await get(
    'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited',
  )
  expect(readProtobuf(new Uint8Array(await protobuf.arrayBuffer()))).toHaveLength(
    families.length + 1,
  )
  expect((await fetch(`${address}/other`)).status).toBe(404)
})
