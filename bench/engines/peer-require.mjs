import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const peers = new URL('../peers/', import.meta.url)

/** Loads a package from bench/peers, which has its own node_modules. */
export const peerRequire = createRequire(new URL('package.json', peers))

/** @param {string} name */
export function peerVersion(name) {
  const path = fileURLToPath(new URL(`node_modules/${name}/package.json`, peers))
  return JSON.parse(readFileSync(path, 'utf8')).version
}
