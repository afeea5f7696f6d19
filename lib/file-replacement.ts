import { realpathSync, statSync } from 'node:fs'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import process from 'node:process'
import { VitrineError } from './errors.ts'

/** A file that is to be replaced, or made. */
export interface Replaceable {
  /** Where it lies: links are followed. */
  readonly path: string
  /** The permissions that it has; undefined where there is none. */
  readonly mode: number | undefined
}

/**
 * What a new file takes the place of. At once, so that whoever writes it may begin in the order of the calls.
 * @throws {VitrineError} `ERR_IO` where something else than a file lies there, such as a device.
 */
export function replaceable(path: string): Replaceable {
  // Whoever writes it says what is wrong with that.
  if (typeof path !== 'string' || path.includes('\0')) return { path, mode: undefined }
  const found = explainedSync(path, () => statSync(path, { throwIfNoEntry: false }))
  if (found === undefined) return { path, mode: undefined }
  if (!found.isFile()) {
    throw new VitrineError('ERR_IO', `${path} could not be written: it is not a regular file`)
  }
  return { path: explainedSync(path, () => realpathSync(path)), mode: found.mode & 0o777 }
}

let replacements = 0

/** A file that takes the place of another one when it is whole, and on the device. */
export class FileReplacement {
  readonly path: string
  readonly #temporary: string
  readonly #file: FileHandle
  #bytes = 0

  private constructor(path: string, temporary: string, file: FileHandle) {
    this.path = path
    this.#temporary = temporary
    this.#file = file
  }

  /** @throws {VitrineError} `ERR_IO`, as the other methods. */
  static async create(path: string): Promise<FileReplacement> {
    const place = replaceable(path)
    const temporary = `${place.path}.tmp-${process.pid}-${++replacements}`
    const file = await explained(path, () => open(temporary, 'wx', place.mode))
    const replacement = new FileReplacement(place.path, temporary, file)
    // Opening takes away what the process's mask says.
    if (place.mode !== undefined) await explained(path, () => file.chmod(place.mode as number))
    return replacement
  }

  /** Written so far. */
  get bytes(): number {
    return this.#bytes
  }

  async append(bytes: Uint8Array): Promise<void> {
    await this.#write(bytes, this.#bytes)
    this.#bytes += bytes.length
  }

  /** Replaces bytes that were appended. */
  async overwrite(bytes: Uint8Array, position: number): Promise<void> {
    await this.#write(bytes, position)
  }

  /** Puts the file in its place. */
  async commit(): Promise<void> {
    await explained(this.path, async () => {
      await this.#file.sync()
      await this.#file.close()
      await rename(this.#temporary, this.path)
      if (process.platform !== 'win32') await syncFolder(dirname(this.path))
    })
  }

  /** Removes what was written, unless it is in its place. */
  async discard(): Promise<void> {
    try {
      await this.#file.close()
      await rm(this.#temporary, { force: true })
    } catch {
      // What cannot be removed can be deleted at any time.
    }
  }

  #write(bytes: Uint8Array, position: number): Promise<void> {
    return explained(this.path, async () => {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await this.#file.write(
          bytes,
          done,
          bytes.length - done,
          position + done,
        )
        done += bytesWritten
      }
    })
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function unwritten(path: string, cause: unknown): VitrineError {
  return new VitrineError('ERR_IO', `${path} could not be written: ${(cause as Error).message}`, {
    cause,
  })
}

function explainedSync<T>(path: string, act: () => T): T {
  try {
    return act()
  } catch (cause) {
    throw unwritten(path, cause)
  }
}

async function explained<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (cause) {
    throw unwritten(path, cause)
  }
}
