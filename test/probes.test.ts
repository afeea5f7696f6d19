import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'

// Static probes, as a tracer finds them: notes of SystemTap's version 3 in the addon, each of which
// names a place in its code.

const root = dirname(import.meta.dirname)
/** The addon that the other tests load, be it built here or prebuilt. */
const { resolve } = createRequire(import.meta.url)('node-gyp-build') as {
  resolve: (folder: string) => string
}
const supported = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)

interface Section {
  readonly name: string
  readonly address: number
  readonly offset: number
  readonly size: number
}

/** What an ELF file of 64 bits, little-endian, consists of. */
function sectionsOf(elf: Buffer): Section[] {
  const start = Number(elf.readBigUInt64LE(0x28))
  const [size, count, names] = [0x3a, 0x3c, 0x3e].map(at => elf.readUInt16LE(at)) as [
    number,
    number,
    number,
  ]
  const headers = Array.from({ length: count }, (_, i) => {
    const at = start + i * size
    return {
      name: elf.readUInt32LE(at),
      address: Number(elf.readBigUInt64LE(at + 0x10)),
      offset: Number(elf.readBigUInt64LE(at + 0x18)),
      size: Number(elf.readBigUInt64LE(at + 0x20)),
    }
  })
  const texts = headers[names]!
  return headers.map(header => ({ ...header, name: textAt(elf, texts.offset + header.name) }))
}

const textAt = (elf: Buffer, at: number) => elf.toString('latin1', at, elf.indexOf(0, at))

function probesOf(elf: Buffer, notes: Section) {
  const probes: { provider: string; name: string; args: string; place: number; base: number }[] = []
  const padded = (length: number) => (length + 3) & ~3
  for (let at = notes.offset; at < notes.offset + notes.size; ) {
    const [owner, description, type] = [0, 4, 8].map(place => elf.readUInt32LE(at + place)) as [
      number,
      number,
      number,
    ]
    expect(textAt(elf, at + 12)).toBe('stapsdt')
    expect(type).toBe(3)
    const body = at + 12 + padded(owner)
    const provider = textAt(elf, body + 24)
    const name = textAt(elf, body + 24 + provider.length + 1)
    const args = textAt(elf, body + 24 + provider.length + name.length + 2)
    const [place, base] = [0, 8].map(field => Number(elf.readBigUInt64LE(body + field))) as [
      number,
      number,
    ]
    probes.push({ provider, name, args, place, base })
    at = body + padded(description)
  }
  return probes
}

describe.skipIf(!supported)('static probes', () => {
  const elf = supported ? readFileSync(resolve(root)) : Buffer.alloc(0)
  const sections = supported ? sectionsOf(elf) : []
  const section = (name: string) => sections.find(candidate => candidate.name === name)

  it('are those that docs/probes.md lists, with as many arguments', () => {
    const found = new Map(
      probesOf(elf, section('.note.stapsdt')!).map(({ provider, name, args }) => [
        `${provider}:${name}`,
        args === '' ? 0 : args.split(' ').length,
      ]),
    )
    const page = readFileSync(join(root, 'docs/probes.md'), 'utf8')
    const listed = [...page.matchAll(/^\| `(\w+)` \|[^|]*\| ([^|]*) \|$/gm)].map(
      ([, name, args]) => [`vitrine:${name}`, args === '–' ? 0 : args!.split(';').length] as const,
    )
    expect(listed).not.toEqual([])
    expect(found).toEqual(new Map(listed))
  })

  it('stand where a nop is, in code', () => {
    const code = section('.text')!
    for (const { name, place, base } of probesOf(elf, section('.note.stapsdt')!)) {
      expect(base).toBe(section('.stapsdt.base')!.address)
      expect(place, name).toBeGreaterThanOrEqual(code.address)
      expect(place, name).toBeLessThan(code.address + code.size)
      const at = place - code.address + code.offset
      if (process.arch === 'x64') expect(elf[at], name).toBe(0x90)
      else expect(elf.readUInt32LE(at), name).toBe(0xd503201f)
    }
  })
})
