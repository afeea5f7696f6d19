// A database that is searched, and an HTTP server with /metrics, in whatever format its client reads:
//
//   node examples/metrics.mjs [port]        then: curl localhost:9464/metrics
//
// Prometheus gets OpenMetrics or, with --enable-feature=native-histograms, protobuf; `curl` gets text; whoever
// accepts gzip or zstd gets it. Ends with ctrl-c.
import { createServer } from 'node:http'
import process from 'node:process'
import { Database } from 'vitrine'
import { MetricsRegistry, metrics } from 'vitrine/metrics'

const dimension = 32
const randomVector = () => Float32Array.from({ length: dimension }, Math.random)

const db = await Database.open(':memory:', { name: 'notes' })
db.enableStats({ level: 'phases' })
const notes = await db.createCollection('notes', { dimension })
await notes.upsert(Array.from({ length: 500 }, (_, id) => ({ id, vector: randomVector() })))

// What only the application knows comes out beside it.
const registry = new MetricsRegistry()
registry.describe('notes_questions_total', 'counter', { help: 'Questions that were asked.' })

const exporter = metrics(db, { registry })

const server = createServer(async (request, response) => {
  try {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    if (pathname === '/search') {
      registry.incrementCounter('notes_questions_total', 1, { kind: 'random' })
      const hits = await notes.search(randomVector(), { k: 5 })
      response.end(JSON.stringify(hits))
    } else if (pathname === '/metrics') {
      const { headers, body } = await exporter.respond({
        accept: request.headers.accept,
        acceptEncoding: request.headers['accept-encoding'],
      })
      response.writeHead(200, headers).end(body)
    } else {
      response.writeHead(404).end()
    }
  } catch (error) {
    console.error(error)
    response.writeHead(500).end()
  }
})

server.listen(Number(process.argv[2] ?? 9464), '127.0.0.1', () => {
  const address = /** @type {import('node:net').AddressInfo} */ (server.address())
  console.log(`http://127.0.0.1:${address.port}/metrics`)
})

async function stop() {
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
  await db.close()
}
process.once('SIGINT', stop)
process.once('SIGTERM', stop)
