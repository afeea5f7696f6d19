// A process writes until it is killed with SIGKILL; then its folder is opened again, and every point
// that had been acknowledged is there.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Database } from 'vitrine'

const dimension = 64

async function writeForEver(folder) {
  const db = await Database.open(folder)
  const notes = await db.createCollection('notes', { dimension })
  for (let id = 0; ; id++) {
    const vector = Float32Array.from({ length: dimension }, (_, i) => Math.sin(id * (i + 1)))
    await notes.upsert([{ id, vector, payload: { text: `note ${id}` } }])
    process.stdout.write(`${id}\n`) // only now somebody may rely on it
  }
}

async function killAndLook(folder) {
  const writer = spawn(process.execPath, [fileURLToPath(import.meta.url), folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let acknowledged = 0
  for await (const line of createInterface({ input: writer.stdout })) {
    acknowledged = Number(line) + 1
    if (acknowledged === 100) writer.kill('SIGKILL')
  }
  console.log(`killed after ${acknowledged} acknowledged points`)

  const db = await Database.open(folder)
  try {
    const notes = db.collection('notes')
    let lost = 0
    for (let id = 0; id < acknowledged; id++) {
      const point = await notes.get(id)
      if (point?.payload.text !== `note ${id}`) lost++
    }
    console.log(`opened again: ${await notes.count()} points, ${lost} of ${acknowledged} lost`)
    console.log(`damage found: ${(await db.verify()).length}`)
    process.exitCode = lost === 0 ? 0 : 1
  } finally {
    await db.close()
  }
}

const [, , given] = process.argv
if (given !== undefined) {
  await writeForEver(given)
} else {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-durable-'))
  try {
    await killAndLook(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
