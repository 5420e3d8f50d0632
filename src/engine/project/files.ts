import { closeSync, fstatSync, openSync, readdirSync, readSync, realpathSync } from 'node:fs'
import { join, posix, relative, sep } from 'node:path'
import { YoeError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import type { Files } from './builtins/builtin.ts'
import type { Facts, Look } from './facts.ts'
import { FactBook, lookAt } from './facts.ts'
import type { Place } from './model.ts'
import { placeLabel } from './place.ts'

const largestFile = 4 << 20

/** The files of a project and its modules, never anything outside; notes what was looked at. */
export class ProjectFiles implements Files {
  readonly #roots = new Map<string, { readonly root: string; readonly real: string }>()
  readonly #facts = new FactBook()

  /** @param module '' for the project itself; @param root absolute */
  addRoot(module: string, root: string): void {
    this.#roots.set(module, { root, real: realpathSync(root) })
  }

  get facts(): Facts {
    return this.#facts.facts
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
    return this.#look(place).kind
  }

  /** The one name of a place that has several by links; itself when it is missing or outside. */
  canonical(place: Place): Place {
    const { kind, real = '' } = this.#look(place)
    const owner = this.#roots.get(place.module)
    if (owner === undefined || kind === 'missing' || kind === 'outside') return place
    const path = relative(owner.real, real)
    return { module: place.module, path: path === '' ? '.' : path.split(sep).join('/') }
  }

  #look(place: Place): { readonly kind: Look['kind'] | 'outside'; readonly real?: string | undefined } {
    const owner = this.#roots.get(place.module)
    if (owner === undefined) return { kind: 'missing' }
    const path = join(owner.root, place.path)
    const look = lookAt(path)
    const { real } = look
    this.#facts.saw(path, look, real === join(owner.real, place.path))
    // Links are followed, but not out of the root.
    return real === undefined || real === owner.real || real.startsWith(owner.real + sep) ? look : { kind: 'outside' }
  }

  /** The text of a regular file, without a byte order mark. @throws {YoeError} LOAD_NOT_FOUND, LOAD_OUTSIDE */
  read(place: Place): Uint8Array {
    const path = this.absolute(place)
    const label = placeLabel(place)
    switch (this.kindOf(place)) {
      case 'missing':
        throw this.#missing(place)
      case 'outside':
        throw new YoeError('LOAD_OUTSIDE', `${label} is a link that leads out of its project or module`)
      case 'folder':
        throw new YoeError('LOAD_NOT_FOUND', `${label} is a folder`)
      case 'file':
        this.#facts.reads(path)
        return withoutMark(readBounded(path, label))
    }
  }

  #missing(place: Place): YoeError {
    const label = placeLabel(place)
    const { dir, base } = posix.parse(place.path)
    const folder = { ...place, path: dir === '' ? '.' : dir }
    const beside = this.kindOf(folder) === 'folder' ? readdirSync(this.absolute(folder)) : []
    return beside.includes(base)
      ? new YoeError('LOAD_NOT_FOUND', `${label} is no file, or a link that leads nowhere`)
      : new YoeError('LOAD_NOT_FOUND', `there is no file ${label}`, {
          hint: didYouMean(base, beside) ?? listed(beside),
        })
  }

  /** All `.star` files below a folder, in walk order (by name, folders where their name stands); none when it is missing. */
  starFiles(folder: Place): readonly Place[] {
    if (this.kindOf(folder) !== 'folder') return []
    this.#facts.reads(this.absolute(folder))
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
}

/** What could have been meant, while a person still reads it. */
function listed(beside: readonly string[]): string | undefined {
  const files = beside.filter((name) => /^[^A-Z].*\.star$/.test(name)).sort()
  return files.length === 0 || files.length > 30 ? undefined : `beside it are: ${files.join(', ')}`
}

/** Editors of another system begin UTF-8 with one. */
function withoutMark(bytes: Uint8Array): Uint8Array {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes
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
