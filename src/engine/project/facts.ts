import type { Stats } from 'node:fs'
import { realpathSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** What an evaluation saw of the file system: absolute path to what it saw there. */
export type Facts = Readonly<Record<string, string>>

/** What is at a path, links followed. */
export interface Look {
  readonly kind: 'file' | 'folder' | 'missing'
  /** Where it really lies; undefined when nothing is there. */
  readonly real: string | undefined
}

/** What is at an absolute path, once links are followed. */
export function lookAt(path: string): Look {
  const stats = statOf(path)
  const kind = stats?.isDirectory() === true ? 'folder' : stats?.isFile() === true ? 'file' : 'missing'
  return { kind, real: stats === undefined ? undefined : realPath(path) }
}

/**
 * Gathers facts: of files that were read and folders that were listed, their whole state; of places that were only looked
 * for, what they are and where links lead. What a state tells needs no second fact: its own kind, the kinds of a listed
 * folder's entries.
 */
export class FactBook {
  readonly #states = new Map<string, string>()
  readonly #looks = new Map<string, { readonly fact: string; readonly plain: boolean }>()

  /** @param plain it is there, and no link leads to it */
  saw(path: string, look: Look, plain: boolean): void {
    this.#looks.set(path, { fact: lookFact(look), plain })
  }

  /** To be called before a file is read or a folder is listed: what changes in between is found to have changed. */
  reads(path: string): void {
    const stats = statOf(path)
    if (stats !== undefined) this.#states.set(path, stateFact(stats))
  }

  get facts(): Facts {
    const told = (path: string, plain: boolean): boolean =>
      this.#states.has(path) || (plain && this.#states.has(dirname(path)))
    const alone = [...this.#looks].flatMap(([path, { fact, plain }]) => (told(path, plain) ? [] : [[path, fact]]))
    return Object.fromEntries([...this.#states, ...alone])
  }
}

/** Whether all that an evaluation saw is still so. */
export function stillTrue(facts: Facts): boolean {
  for (const path in facts) {
    const fact = facts[path] ?? ''
    if (/^\d/.test(fact)) {
      const stats = statOf(path)
      if (stats === undefined || stateFact(stats) !== fact) return false
    } else if (lookFact(lookAt(path)) !== fact) return false
  }
  return true
}

const lookFact = ({ kind, real }: Look): string => (real === undefined ? kind : `${kind} ${real}`)

/** Changes whenever a file's content or a folder's entries may have; times are good to a quarter of a microsecond. */
function stateFact({ mode, ino, size, mtimeMs, ctimeMs }: Stats): string {
  return `${mode}:${ino}:${size}:${mtimeMs}:${ctimeMs}`
}

/** Undefined also where nothing can be: at the end of links in a circle, or of a name that is too long. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch (failure) {
    const code = failure instanceof Error && 'code' in failure ? failure.code : undefined
    if (code === 'ELOOP' || code === 'ENAMETOOLONG') return undefined
    throw failure
  }
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync.native(path)
  } catch {
    return undefined // gone in between
  }
}
