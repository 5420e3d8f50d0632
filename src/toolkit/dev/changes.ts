import type { FSWatcher } from 'node:fs'
import { statSync, watch } from 'node:fs'

/** How long nothing must change before work starts (ms): editors write a file in several steps. */
const quiet = 300

/** Waits for changes below folders and of files; `.git` is none of them. */
export class Changes implements Disposable {
  readonly #watchers: FSWatcher[] = []
  #changed = false
  #wake: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(paths: readonly string[]) {
    for (const path of paths) {
      const recursive = statSync(path).isDirectory()
      const watcher = watch(path, { recursive }, (_, name) => {
        if (name !== null && /(^|\/)\.git(\/|$)/.test(name)) return
        this.#changed = true
        clearTimeout(this.#timer)
        this.#timer = setTimeout(() => this.#wake?.(), quiet)
      })
      // A folder that goes away while it is looked at.
      watcher.on('error', () => {})
      this.#watchers.push(watcher)
    }
  }

  /** Resolves when something changed since it was last asked, and nothing any more for a moment. @returns false: stopped */
  next(signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const stop = (): void => resolve(false)
      if (signal.aborted) return stop()
      signal.addEventListener('abort', stop, { once: true })
      this.#wake = () => {
        if (!this.#changed) return
        this.#changed = false
        this.#wake = undefined
        signal.removeEventListener('abort', stop)
        resolve(true)
      }
      if (this.#changed) {
        clearTimeout(this.#timer)
        this.#timer = setTimeout(() => this.#wake?.(), quiet)
      }
    })
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    for (const watcher of this.#watchers) watcher.close()
  }
}
