import type { BigIntStats } from 'node:fs'
import { closeSync, fstatSync, openSync, readdirSync, readSync, realpathSync, statSync } from 'node:fs'
import { join, sep } from 'node:path'
import { YoeError } from '../errors.ts'
import type { Files } from './builtins/builtin.ts'
import type { Place } from './model.ts'
import { placeLabel } from './place.ts'

/** The state of everything that an evaluation looked at: absolute path to signature. */
export type Facts = Readonly<Record<string, string>>

const largestFile = 4 << 20

/** The files of a project and its modules, never anything outside; notes what was looked at. */
export class ProjectFiles implements Files {
  readonly #roots = new Map<string, { readonly root: string; readonly real: string }>()
  readonly #facts = new Map<string, string>()

  /** @param module '' for the project itself; @param root absolute */
  addRoot(module: string, root: string): void {
    this.#roots.set(module, { root, real: realpathSync(root) })
  }

  get facts(): Facts {
    return Object.fromEntries(this.#facts)
  }

  hasRoot(module: string): boolean {
    return this.#roots.has(module)
  }

  /** Absolute path of a place. @throws {YoeError} MODULE_NOT_FOUND */
  absolute(place: Place): string {
    const found = this.#roots.get(place.module)
    if (found === undefined) {
      throw new YoeError('MODULE_NOT_FOUND', `there is no module "${place.module}"`, {
        hint: `this project has: ${[...this.#roots.keys()].filter((name) => name !== '').join(', ') || 'none'}`,
      })
    }
    return join(found.root, place.path)
  }

  kindOf(place: Place): 'file' | 'folder' | 'missing' | 'outside' {
    if (!this.#roots.has(place.module)) return 'missing'
    const path = this.absolute(place)
    const stats = this.#stat(path)
    if (stats === undefined) return 'missing'
    if (!this.#isInside(place, path)) return 'outside'
    return stats.isDirectory() ? 'folder' : stats.isFile() ? 'file' : 'missing'
  }

  /** Links are followed, but not out of the root. */
  #isInside(place: Place, path: string): boolean {
    const real = realpathSync(path)
    const root = this.#roots.get(place.module)?.real
    return root !== undefined && (real === root || real.startsWith(root + sep))
  }

  /** The text of a regular file. @throws {YoeError} LOAD_NOT_FOUND, LOAD_OUTSIDE */
  read(place: Place): Uint8Array {
    const path = this.absolute(place)
    const label = placeLabel(place)
    switch (this.kindOf(place)) {
      case 'missing':
        throw new YoeError('LOAD_NOT_FOUND', `there is no file ${label}`)
      case 'outside':
        throw new YoeError('LOAD_OUTSIDE', `${label} is a link that leads out of its project or module`)
      case 'folder':
        throw new YoeError('LOAD_NOT_FOUND', `${label} is a folder`)
      case 'file':
        return readBounded(path, label)
    }
  }

  /** All `.star` files below a folder, in walk order (by name, folders where their name stands); none when it is missing. */
  starFiles(folder: Place): readonly Place[] {
    if (this.kindOf(folder) !== 'folder') return []
    const found: Place[] = []
    const entries = readdirSync(this.absolute(folder), { withFileTypes: true }).sort((a, b) =>
      a.name < b.name ? -1 : 1,
    )
    for (const entry of entries) {
      const place = { module: folder.module, path: folder.path === '.' ? entry.name : `${folder.path}/${entry.name}` }
      if (entry.isDirectory()) found.push(...this.starFiles(place))
      else if (entry.name.endsWith('.star')) found.push(place)
    }
    return found
  }

  #stat(path: string): BigIntStats | undefined {
    const stats = statSync(path, { bigint: true, throwIfNoEntry: false })
    this.#facts.set(path, signature(stats))
    return stats
  }
}

/** Changes whenever the content of a file, the entries of a folder or the kind of what is there may have changed. */
function signature(stats: BigIntStats | undefined): string {
  if (stats === undefined) return 'missing'
  // A folder's size and times change with its entries; what is inside has facts of its own.
  return `${stats.mode}:${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`
}

/** Whether all that an evaluation looked at is still as it was. */
export function stillTrue(facts: Facts): boolean {
  return Object.entries(facts).every(
    ([path, fact]) => signature(statSync(path, { bigint: true, throwIfNoEntry: false })) === fact,
  )
}

/** Reads through one descriptor, so that what was checked is what is read. */
function readBounded(path: string, label: string): Uint8Array {
  const descriptor = openSync(path, 'r')
  try {
    const { size } = fstatSync(descriptor)
    if (size > largestFile) throw new YoeError('STAR_LIMIT', `${label} is larger than ${largestFile} bytes`)
    const bytes = Buffer.alloc(size)
    let length = 0
    while (length < size) {
      const count = readSync(descriptor, bytes, length, size - length, length)
      if (count === 0) break
      length += count
    }
    return bytes.subarray(0, length)
  } finally {
    closeSync(descriptor)
  }
}
