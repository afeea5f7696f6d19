import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** A source file: its path from the repository's root, with `/`, and its text. */
export interface Source {
  readonly path: string
  readonly text: string
}

/** Folders of native/, lowest first; folders of one row do not know of each other. */
export const nativeLayers: readonly (readonly string[])[] = [
  ['base'],
  ['kernels', 'stats'],
  ['storage', 'index'],
  ['engine'],
  ['exposition'],
  ['binding'],
]

/** Modules or folders of lib/, lowest first; modules of one row may import each other, not in a circle. */
export const libLayers: readonly (readonly string[])[] = [
  [
    'errors',
    'options',
    'channels',
    'typed-arrays',
    'half-floats',
    'vector-types',
    'search-plan',
    'plan-tree',
    'byte-reader',
    'file-replacement',
    'npy-header',
    'fields',
    'engine-stats',
    'native-stats',
    'slow-threshold',
    'error-history',
  ],
  ['binding'],
  [
    'call-watch',
    'cancellation',
    'id-set',
    'index-options',
    'search-results',
    'query-copy',
    'slowlog',
    'logged-calls',
    'statistics',
    'points',
    'where',
    'where-sql',
    'recommendation',
  ],
  ['database-options', 'transaction', 'transfer-options', 'traced-operations'],
  ['search-request', 'point-source', 'point-lines', 'vector-rows', 'point-import', 'point-export'],
  ['loaded-index', 'vector-index', 'collection', 'database'],
  ['vitrine'],
  ['metrics', 'tracing'],
  ['telemetry', 'server', 'client', 'cluster'],
  ['cli'],
]

/** Rows of `libLayers` that make up the entry point `.`, which needs nothing but the prebuild loader. */
const coreRows = 7
const corePackages = new Set(['node-gyp-build'])

const nodeHeaders = /^(node|node_api|js_native_api|napi|v8|uv)(-[\w-]+)?\.h$/
const vagueNames = new Set(['util', 'utils', 'helper', 'helpers', 'common', 'misc'])

/** The files whose name matches below those of the folders that exist, without installed packages. */
export function sourcesBelow(folders: readonly string[], name: RegExp): Source[] {
  const existing = folders.filter(folder => existsSync(join(root, folder)))
  return existing.flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile() && name.test(entry.name))
      .map(entry => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
      .filter(path => !path.split('/').includes('node_modules'))
      .sort()
      .map(path => ({ path, text: readFileSync(join(root, path), 'utf8') })),
  )
}

const rowOf = (layers: readonly (readonly string[])[], name: string) =>
  layers.findIndex(row => row.includes(name))

const offence = (path: string, line: number, text: string, why: string) =>
  `${path}:${line}: ${text.trim()}  (${why})`

/** Native includes that do not point down, that do not exist, or that bring Node below the binding. */
export function includeOffences(sources: readonly Source[]): string[] {
  const known = new Set(sources.map(source => source.path))
  return sources.flatMap(({ path, text }) => {
    const folder = path.split('/')[1] ?? ''
    const row = rowOf(nativeLayers, folder)
    if (row < 0) return [`${path}: native/${folder} has no layer`]
    return text.split('\n').flatMap((line, index) => {
      const [, open, target] = line.match(/^\s*#\s*include\s*([<"])([^>"]+)[>"]/) ?? []
      if (open === undefined || target === undefined) return []
      const why = includeOffence(folder, row, open, target, known)
      return why === undefined ? [] : [offence(path, index + 1, line, why)]
    })
  })
}

function includeOffence(
  folder: string,
  row: number,
  open: string,
  target: string,
  known: ReadonlySet<string>,
): string | undefined {
  if (nodeHeaders.test(posix.basename(target))) {
    return folder === 'binding' ? undefined : 'only binding knows of Node'
  }
  if (open === '<') return undefined
  if (!known.has(`native/${target}`)) return 'not a file below native/'
  const targetFolder = target.split('/')[0] ?? ''
  if (targetFolder === folder || rowOf(nativeLayers, targetFolder) < row) return undefined
  return `${folder} may not know of ${targetFolder}`
}

/**
 * Constructs that only the binding's guard, or nobody, may use in native code. The pool catches as
 * well: it carries what a container threw from its own threads to the caller's, and so to the guard.
 * So do background steps, which nobody waits for: one that runs out of memory is the last.
 */
export function constructOffences(sources: readonly Source[]): string[] {
  const rules: readonly { pattern: RegExp; why: string; allowed?: RegExp }[] = [
    { pattern: /\bthrow\b/, why: 'we never throw: return a Status' },
    {
      pattern: /\bcatch\s*\(/,
      why: 'the guard at the binding is the only catch',
      allowed: /^native\/(binding\/|base\/(thread_pool|background_steps)\.cc$)/,
    },
    {
      pattern: /\b(abort|terminate|quick_exit|_?exit)\s*\(/,
      why: 'native code never ends the process',
    },
    {
      pattern: /\bstd::(cout|cerr|clog)\b|\b(printf|fprintf|puts|perror)\s*\(/,
      why: 'native code never prints',
    },
  ]
  return sources.flatMap(({ path, text }) =>
    withoutComments(text)
      .split('\n')
      .flatMap((line, index) =>
        rules
          .filter(rule => rule.pattern.test(line) && !rule.allowed?.test(path))
          .map(rule => offence(path, index + 1, line, rule.why)),
      ),
  )
}

// Comments and the insides of strings become blanks; lines keep their numbers.
function withoutComments(text: string): string {
  const blank = (match: string) => match.replace(/[^\n]/g, ' ')
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+'/g, blank)
}

/** Imports of lib/ that do not point down, go in a circle, or give the core a dependency. */
export function importOffences(sources: readonly Source[]): string[] {
  const imports = sources.flatMap(importsOf)
  return [
    ...sources.flatMap(({ path }) =>
      rowOf(libLayers, moduleOf(path)) < 0 ? [`${path}: lib/${moduleOf(path)} has no layer`] : [],
    ),
    ...imports.flatMap(entry => {
      const why = importOffence(entry, sources)
      return why === undefined ? [] : [offence(entry.path, entry.line, entry.text, why)]
    }),
    ...circles(imports),
  ]
}

interface Import {
  readonly path: string
  readonly line: number
  readonly text: string
  readonly specifier: string
  /** The imported file's path, for a relative specifier. */
  readonly target: string | undefined
}

function importsOf({ path, text }: Source): Import[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, comment => comment.replace(/[^\n]/g, ' '))
  const pattern =
    /^(?:[^'"`\n/]*\b(?:from|import|require)\s*\(?|\s*\}\s*from)\s*(['"])([^'"\n]+)\1/gm
  return [...code.matchAll(pattern)].map(match => {
    const specifier = match[2] ?? ''
    return {
      path,
      line: code.slice(0, match.index).split('\n').length,
      text: match[0],
      specifier,
      target: specifier.startsWith('.')
        ? posix.join(posix.dirname(path), specifier).replace(/\.js$/, '.ts')
        : undefined,
    }
  })
}

const moduleOf = (path: string) => (path.split('/')[1] ?? '').replace(/\.ts$/, '')

function importOffence(entry: Import, sources: readonly Source[]): string | undefined {
  const module = moduleOf(entry.path)
  const row = rowOf(libLayers, module)
  if (entry.target === undefined) {
    if (entry.specifier.startsWith('node:') || row >= coreRows) return undefined
    return corePackages.has(entry.specifier) ? undefined : 'the core has no runtime dependency'
  }
  if (!sources.some(source => source.path === entry.target)) return 'not a module of lib/'
  const targetModule = moduleOf(entry.target)
  return rowOf(libLayers, targetModule) <= row
    ? undefined
    : `${module} may not know of ${targetModule}`
}

function circles(imports: readonly Import[]): string[] {
  const found: string[] = []
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]) => {
    if (trail.includes(path)) {
      found.push(
        `${[...trail.slice(trail.indexOf(path)), path].join(' -> ')}  (a circle of imports)`,
      )
    } else if (!done.has(path)) {
      for (const { target } of imports.filter(entry => entry.path === path)) {
        if (target !== undefined) visit(target, [...trail, path])
      }
      done.add(path)
    }
  }
  for (const { path } of imports) visit(path, [])
  return found
}

/** Paths with a name that says nothing, or written in the wrong case for their language. */
export function nameOffences(paths: readonly string[]): string[] {
  return paths.flatMap(path => {
    const names = path.split('/').map(part => part.replace(/\..*$/, ''))
    const vague = names.find(name => vagueNames.has(name))
    if (vague !== undefined) return [`${path}: "${vague}" names no concept`]
    const style = /\.(h|cc)$/.test(path) ? /^[a-z0-9_]+$/ : /^[a-z0-9-]+$/
    return style.test(names.at(-1) ?? '') ? [] : [`${path}: not in the case of its language`]
  })
}
