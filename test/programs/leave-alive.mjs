// What keeps a process alive: nothing that is idle, everything that is pending.

import process from 'node:process'
import { Index } from 'vitrine'

const index = new Index({ dimension: 16 })
const idle = new Index({ dimension: 4 })
const controller = new AbortController()
await idle.add(null, [1, 2, 3, 4], { signal: controller.signal })
// Nobody awaits this.
void index
  .add(
    null,
    new Float32Array(2000 * 16).map(() => Math.random()),
  )
  .then(ids => process.stdout.write(`added ${ids.length}\n`))
process.on('exit', code => process.stdout.write(`exit ${code}, ${idle.size} idle\n`))
