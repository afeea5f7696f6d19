import { native, type WatchHandle } from './binding.ts'
import type { OperationPhase } from './channels.ts'

let current: WatchHandle | undefined

function setWatch(watch: WatchHandle | undefined): void {
  current = watch
  native.setWatch(watch)
}

/** Lets the engine take down when one call is in which of its phases. */
export class CallWatch {
  readonly #handle = native.createWatch()

  /** Runs what begins the call; all operations that begin in it are watched, and no others. */
  begin<T>(run: () => T): T {
    const outer = current
    setWatch(this.#handle)
    try {
      return run()
    } finally {
      setWatch(outer)
    }
  }

  /** Of what is over. */
  phases(): readonly OperationPhase[] {
    return native.readWatch(this.#handle)
  }
}
