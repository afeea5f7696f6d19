import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'
import { Database } from '../lib/vitrine.ts'

/**
 * A new folder for each test of the file that calls this, and databases that are closed when the test ends.
 * @param name - Begins the names of the folders.
 */
export function databaseFolders(name: string) {
  let folder = ''
  let open: Database[] = []
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), `vitrine-${name}-`))
  })
  afterEach(async () => {
    await Promise.all(open.map(db => db.close()))
    open = []
    rmSync(folder, { recursive: true, force: true })
  })
  return {
    folder: () => folder,
    async openDatabase(...args: Parameters<typeof Database.open>) {
      const db = await Database.open(...args)
      open.push(db)
      return db
    },
  }
}
