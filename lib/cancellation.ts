import { type CancelToken, native } from './binding.ts'
import { checked } from './errors.ts'

/** How far a write is, in points. */
export type OnProgress = (done: number, total: number) => void

/** What may end an operation early. */
export interface Control {
  readonly signal?: AbortSignal
  readonly onProgress?: OnProgress
  /** Of a write of a database. */
  readonly timeoutMs?: number
}

/** What a timer takes; Node turns a longer time into none. */
const longestTimer = 2 ** 31 - 1

/**
 * Runs an operation that `signal`, or a throwing `onProgress`, cancels. It starts, and copies what
 * it is given, before this returns.
 * @param of - What `start` is given besides, so that one which is called often need not be a new function each time.
 * @returns What `start` resolves with.
 * @throws `signal.reason` once aborted: without starting, or when the operation has stopped; what
 *   `onProgress` threw. What `start` throws may be thrown as well: callers are asynchronous themselves.
 */
export function cancellable<T, A = undefined>(
  control: Control,
  start: Start<T, A>,
  of = undefined as A,
): Promise<T> {
  // Most calls: they bring no promise of their own, which each would be garbage.
  const { signal, onProgress, timeoutMs } = control
  return signal === undefined && onProgress === undefined && timeoutMs === undefined
    ? start(undefined, undefined, of)
    : cancellableBy(control, start, of)
}

type Start<T, A> = (
  token: CancelToken | undefined,
  onProgress: OnProgress | undefined,
  of: A,
) => Promise<T>

async function cancellableBy<T, A>(
  { signal, onProgress, timeoutMs }: Control,
  start: Start<T, A>,
  of: A,
): Promise<T> {
  if (signal?.aborted) throw signal.reason
  const token = native.createCancelToken()
  const cancel = () => native.cancelOperation(token)
  let thrown: { readonly error: unknown } | undefined
  const report =
    onProgress &&
    ((done: number, total: number) => {
      if (thrown !== undefined) return
      try {
        onProgress(done, total)
      } catch (error) {
        thrown = { error }
        cancel()
      }
    })
  if (signal !== undefined) checked(() => listen(signal, cancel))
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => native.expireOperation(token), Math.min(timeoutMs, longestTimer))
  // Also when it was done, or failed, by the time it heard: who aborts a call sees the reason.
  const ended = () => thrown !== undefined || signal?.aborted === true
  try {
    const result = await start(token, report, of)
    if (!ended()) return result
  } catch (error) {
    if (!ended()) throw error
  } finally {
    clearTimeout(timer)
    if (signal !== undefined) checked(() => unlisten(signal, cancel))
  }
  throw thrown === undefined ? signal?.reason : thrown.error
}

/** Only what is needed of some options, as `cancellable` takes it. */
export function controlOf(options: Control): Control {
  const { signal, timeoutMs } = options
  return {
    ...(signal !== undefined && { signal }),
    ...(timeoutMs !== undefined && { timeoutMs }),
  }
}

/** Who wants to hear of an abort. */
interface Listening {
  readonly cancels: Set<() => void>
  readonly listener: () => void
}

/**
 * Signals that operations listen to. One listener serves all operations of a signal: Node warns of
 * a leak from the eleventh on.
 */
const listening = new WeakMap<AbortSignal, Listening>()

function listen(signal: AbortSignal, cancel: () => void): void {
  let entry = listening.get(signal)
  if (entry === undefined) {
    const cancels = new Set<() => void>()
    const listener = () => {
      for (const call of cancels) call()
    }
    signal.addEventListener('abort', listener, { once: true })
    entry = { cancels, listener }
    listening.set(signal, entry)
  }
  entry.cancels.add(cancel)
}

function unlisten(signal: AbortSignal, cancel: () => void): void {
  const entry = listening.get(signal)
  if (entry === undefined) return
  entry.cancels.delete(cancel)
  if (entry.cancels.size > 0) return
  listening.delete(signal)
  signal.removeEventListener('abort', entry.listener)
}
