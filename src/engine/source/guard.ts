import { lstat, readdir } from 'node:fs/promises'
import { YoeError } from '../errors.ts'

/** How large an unpacked tree may get (faults.md, Limits). */
export interface TreeLimits {
  readonly entries: number
  readonly depth: number
  /** As stored, holes not counted. */
  readonly bytes: number
}

export const defaultTreeLimits: TreeLimits = { entries: 1_000_000, depth: 64, bytes: 16 * 2 ** 30 }

export interface TreeGuard {
  /** Aborted when the tree crosses a limit, or when whoever asked is cancelled. */
  readonly signal: AbortSignal
  /** The error for a crossed limit. */
  crossed(title: string): YoeError | undefined
  stop(): void
  /** The last look, at modes too. @throws {YoeError} ARCHIVE_UNSAFE */
  check(title: string): Promise<void>
}

/** Looks at a tree while something hostile fills it, at a tenth of the time, without following links. */
export function guardTree(root: string, limits: TreeLimits, outer: AbortSignal | undefined): TreeGuard {
  const inner = new AbortController()
  let why: string | undefined
  let timer: NodeJS.Timeout | undefined
  const look = async (): Promise<void> => {
    const start = performance.now()
    // Entries come and go while the tree is written.
    why = await measure(root, limits, false).catch(() => undefined)
    if (why !== undefined) inner.abort()
    else if (timer !== undefined) plan(10 * (performance.now() - start))
  }
  const plan = (wait: number): void => {
    timer = setTimeout(() => void look(), Math.max(250, wait))
    timer.unref()
  }
  plan(0)
  const error = (title: string, reason: string) =>
    new YoeError('ARCHIVE_UNSAFE', `${title} can't be unpacked: ${reason}`)
  return {
    signal: outer === undefined ? inner.signal : AbortSignal.any([inner.signal, outer]),
    crossed: (title) => (why === undefined ? undefined : error(title, why)),
    stop() {
      clearTimeout(timer)
      timer = undefined
    },
    async check(title) {
      const reason = await measure(root, limits, true)
      if (reason !== undefined) throw error(title, reason)
    },
  }
}

/** What is wrong with the tree; undefined when nothing is. */
async function measure(root: string, limits: TreeLimits, strict: boolean): Promise<string | undefined> {
  let entries = 0
  let bytes = 0
  const visit = async (folder: string, depth: number): Promise<string | undefined> => {
    if (depth > limits.depth) return `it has more than ${limits.depth} folders in each other`
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`
      if (++entries > limits.entries) return `it has more than ${limits.entries} entries`
      const info = await lstat(path)
      bytes += info.blocks * 512
      if (bytes > limits.bytes) return `it has more than ${limits.bytes} bytes`
      if (strict) {
        const shown = JSON.stringify(path.slice(root.length + 1))
        if (!info.isFile() && !info.isDirectory() && !info.isSymbolicLink())
          return `${shown} is no file, folder or link`
        if (!info.isSymbolicLink() && (info.mode & 0o6000) !== 0)
          return `${shown} would run with other rights (mode ${(info.mode & 0o7777).toString(8)})`
      }
      const below = info.isDirectory() ? await visit(path, depth + 1) : undefined
      if (below !== undefined) return below
    }
    return undefined
  }
  return visit(root, 1)
}
