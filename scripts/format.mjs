// Formats everything: C++ with clang-format 16, the rest with Biome.

import process from 'node:process'
import { cppFiles } from './testing/clang.mjs'
import { holds, which } from './testing/run.mjs'

const results = [await holds(['npx', 'biome', 'check', '--write'])]
if (which('clang-format-16')) results.push(await holds(['clang-format-16', '-i', ...cppFiles()]))
else console.log('clang-format-16 is not installed: C++ was left as it is')

process.exitCode = results.every(Boolean) ? 0 : 1
