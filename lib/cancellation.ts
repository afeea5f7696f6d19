import { type CancelToken, native } from './binding.ts'

/** How far a write is, in points. */
export type OnProgress = (done: number, total: number) => void

/** What may end an operation early. */
export interface Control {
  readonly signal?: AbortSignal
  readonly onProgress?: OnProgress
}

/**
 * Runs an operation that `signal`, or a throwing `onProgress`, cancels. It starts, and copies what
 * it is given, before this returns.
 * @returns What `start` resolves with.
 * @throws `signal.reason` once aborted: without starting, or when the operation has stopped; what
 *   `onProgress` threw.
 */
export async function cancellable<T>(
  { signal, onProgress }: Control,
  start: (token: CancelToken | undefined, onProgress: OnProgress | undefined) => Promise<T>,
): Promise<T> {
  if (signal === undefined && onProgress === undefined) return start(undefined, undefined)
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
  signal?.addEventListener('abort', cancel, { once: true })
  // Also when it was done, or failed, by the time it heard: who aborts a call sees the reason.
  const ended = () => thrown !== undefined || signal?.aborted === true
  try {
    const result = await start(token, report)
    if (!ended()) return result
  } catch (error) {
    if (!ended()) throw error
  } finally {
    signal?.removeEventListener('abort', cancel)
  }
  throw thrown === undefined ? signal?.reason : thrown.error
}
