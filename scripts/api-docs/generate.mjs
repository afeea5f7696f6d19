// Writes docs/api from the doc comments of what lib/vitrine.ts exports: `npm run docs:api [-- FOLDER]`.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { Application } from 'typedoc'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const out = resolve(process.argv[2] ?? join(root, 'docs', 'api'))

/** Entry points: the module, the folder of its pages below `out`, and its name. */
const entries = [
  { module: 'vitrine.ts', folder: '', name: 'vitrine' },
  { module: 'metrics/metrics.ts', folder: 'metrics', name: 'vitrine/metrics' },
  { module: 'tracing/tracing.ts', folder: 'tracing', name: 'vitrine/tracing' },
]

const layout = {
  // A page for each class, and one for everything else.
  router: 'member',
  membersWithOwnFile: ['Class'],
  entryFileName: 'README',
  hidePageHeader: true,
  hideBreadcrumbs: true,
  useCodeBlocks: true,
  parametersFormat: 'table',
  propertyMembersFormat: 'table',
  enumMembersFormat: 'table',
  typeAliasPropertiesFormat: 'table',
  interfacePropertiesFormat: 'table',
  expandParameters: true,
}

rmSync(out, { recursive: true, force: true })
for (const { module, folder, name } of entries) {
  const application = await Application.bootstrapWithPlugins({
    plugin: ['typedoc-plugin-markdown'],
    entryPoints: [join(root, 'lib', module)],
    tsconfig: join(root, 'tsconfig.build.json'),
    readme: 'none',
    name,
    // The same comments give the same files, whatever the machine, the commit or the day.
    disableSources: true,
    gitRevision: 'main',
    excludeInternal: true,
    excludePrivate: true,
    treatWarningsAsErrors: true,
    logLevel: 'Warn',
    // What statistics are asked of has no page: its methods stand with each class.
    intentionallyNotExported: ['Measured'],
  })
  const path = join(out, folder)
  // Options of the plugin are declared when it has been loaded.
  for (const [option, value] of Object.entries({
    ...layout,
    outputs: [{ name: 'markdown', path }],
  })) {
    application.options.setValue(option, value)
  }
  const project = await application.convert()
  if (project === undefined || application.logger.hasErrors() || application.logger.hasWarnings()) {
    process.exit(1)
  }
  await application.generateOutputs(project)
}
// The plugin takes the method Transaction.collection for a second heading of this name.
const page = join(out, 'README.md')
const text = readFileSync(page, 'utf8')
writeFileSync(page, text.replaceAll('#transactioncollection-1', '#transactioncollection'))
