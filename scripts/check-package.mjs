// What must hold of a package before it is published: `npm run check:package`. Looks at what `npm pack` would pack of this folder, with the
// prebuilt binaries that lie in it, and prints its size.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { missingOnSupportedSystems } from './binary-floor.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** What one platform's user may have to download; the binaries of the others come on top. */
const mostBytes = 3_000_000
const basePlatforms = ['linux-x64', 'linux-arm64']

const complaints = []
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
const [packed] = JSON.parse(
  execFileSync(npm, ['pack', '--dry-run', '--ignore-scripts', '--json'], {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  }),
)
const binaries = packed.files.map(({ path }) => path).filter(path => path.endsWith('.node'))
const platforms = new Set(binaries.map(path => path.split('/')[1]))

for (const platform of basePlatforms.filter(each => !platforms.has(each))) {
  complaints.push(`there is no binary for ${platform}`)
}
if (platforms.size <= basePlatforms.length && packed.size > mostBytes) {
  complaints.push(`${packed.size} bytes packed are more than ${mostBytes}`)
}
for (const path of binaries.filter(each => each.includes('.glibc.'))) {
  for (const line of missingOnSupportedSystems(join(root, path))) {
    complaints.push(`${path} needs ${line}`)
  }
}
// A workflow that a tag started is about to publish what the tag says.
const { GITHUB_REF_TYPE: refType, GITHUB_REF_NAME: tag } = process.env
if (refType === 'tag' && tag !== `v${packed.version}`) {
  complaints.push(`the tag is ${tag}, the version ${packed.version}`)
}
for (const script of ['preinstall', 'install', 'postinstall']) {
  if (script in manifest.scripts) complaints.push(`there is a script ${script}`)
}
const loader = ['node-gyp-build']
if (String(Object.keys(manifest.dependencies)) !== String(loader)) {
  complaints.push(`it depends on ${Object.keys(manifest.dependencies)}, not on ${loader} alone`)
}
if (!existsSync(join(root, 'dist'))) complaints.push('dist/ is missing: npm run build:lib')
else {
  const { messages, pkg } = await publint({ pkgDir: root, strict: true })
  complaints.push(...messages.map(message => formatMessage(message, pkg)))
}

const megabytes = bytes => (bytes / 1e6).toFixed(2)
console.log(
  `${packed.name} ${packed.version}: ${packed.files.length} files, ${megabytes(packed.size)} MB packed, ` +
    `${megabytes(packed.unpackedSize)} MB unpacked, for ${[...platforms].join(', ') || 'no platform'}`,
)
for (const complaint of complaints) console.error(complaint)
if (complaints.length > 0) process.exitCode = 1
