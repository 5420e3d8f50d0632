import {
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
} from 'node:fs'
import { YoeError } from '../errors.ts'
import { shown } from '../image/archive-path.ts'
import type { TarEntry } from '../image/tar-read.ts'
import { unpackFile } from '../image/unpack-file.ts'

/** How large an unpacked tree may get: of a source, or of an image of a registry. */
export interface TreeLimits {
  readonly entries: number
  readonly depth: number
  readonly bytes: number
}

export const defaultTreeLimits: TreeLimits = { entries: 1_000_000, depth: 64, bytes: 16 * 2 ** 30 }

/** What of an entry matters here; paths and links are one character for each byte, as in {@link TarEntry}. */
export type NewFile = Pick<TarEntry, 'path' | 'type' | 'mode' | 'mtime' | 'size' | 'link'>

const folderFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW

/**
 * Writes what an archive holds into an empty folder. Every file is made in the open folder above it, so that no link is
 * ever followed, whoever may put one there meanwhile. Of modes only the executable bit counts; times are kept.
 */
export class TreeWriter implements Disposable {
  readonly #title: string
  readonly #limits: TreeLimits
  readonly #kinds = new Map<string, 'file' | 'folder' | 'link'>([['', 'folder']])
  /** Times that folders get in the end, since what is put into them changes it. */
  readonly #times = new Map<string, number>()
  /** The open folders from the top down to where the last entry was, with their paths. */
  readonly #open: { readonly path: string; readonly fd: number }[]
  #bytes = 0

  /** @param dest absolute, empty folder; @param title of the archive, for errors */
  constructor(dest: string, title: string, limits: TreeLimits) {
    this.#title = title
    this.#limits = limits
    this.#open = [{ path: '', fd: openSync(dest, folderFlags) }]
  }

  /**
   * Makes one entry. Whatever `body` waits for must come by itself: a file's content is written as it arrives.
   *
   * @throws {YoeError} ARCHIVE_UNSAFE for what lies in no folder, comes twice, is a device, or is over the limits; what
   *   the disk says
   */
  async add(entry: NewFile, body: () => AsyncIterable<Uint8Array>): Promise<void> {
    const { path, type } = entry
    this.#count(entry)
    switch (type) {
      case 'directory':
        this.#enter(path, entry.mtime)
        this.#times.set(path, entry.mtime)
        return
      case 'symlink': {
        const place = this.#new(entry, 'link')
        symlinkSync(bytesOf(entry.link), place)
        lutimesSync(place, entry.mtime, entry.mtime)
        return
      }
      case 'hardlink': {
        if (this.#kinds.get(entry.link) !== 'file')
          throw this.#unsafe(`${shown(path)} is a link to ${shown(entry.link)}, which is no file before it`)
        // A folder of its own: what is open moves on to where the new name belongs.
        const folder = openSync(inFolder(this.#parent(entry.link), '.'), folderFlags)
        try {
          linkSync(inFolder(folder, nameOf(entry.link)), this.#new(entry, 'file'))
        } finally {
          closeSync(folder)
        }
        return
      }
      case 'file':
        return unpackFile(this.#new(entry, 'file'), entry, body())
      case 'character':
      case 'block':
      case 'fifo':
        throw this.#unsafe(`${shown(path)} is no file, folder or link`)
      default:
        return type satisfies never
    }
  }

  /** Gives folders their modes and times, which all that was put into them changed. To be called last. */
  finish(): void {
    // Innermost first: a longer path is never above a shorter one.
    for (const [path, mtime] of [...this.#times].sort(([a], [b]) => b.length - a.length)) {
      const folder = this.#enter(path, mtime)
      fchmodSync(folder, 0o755)
      futimesSync(folder, mtime, mtime)
    }
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#open.splice(0)) closeSync(fd)
  }

  #count({ path, size }: NewFile): void {
    const { entries, depth, bytes } = this.#limits
    this.#bytes += size
    if (this.#bytes > bytes) throw this.#unsafe(`it has more than ${bytes} bytes`)
    if (this.#kinds.size > entries) throw this.#unsafe(`it has more than ${entries} entries`)
    if (path.split('/').length > depth) throw this.#unsafe(`it has more than ${depth} folders in each other`)
  }

  /** Where a new entry is to be made, in its open folder. */
  #new({ path, mtime }: NewFile, kind: 'file' | 'link'): Buffer {
    if (this.#kinds.has(path)) throw this.#unsafe(`${shown(path)} comes twice`)
    const folder = this.#enter(parentOf(path), mtime)
    this.#kinds.set(path, kind)
    return inFolder(folder, nameOf(path))
  }

  #parent(path: string): number {
    return this.#enter(parentOf(path), 0)
  }

  /** The open folder of this path, made where it is missing. */
  #enter(path: string, mtime: number): number {
    const below = (top: string): boolean => top === '' || path === top || path.startsWith(`${top}/`)
    while (!below(this.#open.at(-1)?.path ?? '')) closeSync(this.#open.pop()?.fd ?? -1)
    let { path: at, fd } = this.#open.at(-1) ?? { path: '', fd: -1 }
    while (at !== path) {
      const end = path.indexOf('/', at === '' ? 0 : at.length + 1)
      at = end === -1 ? path : path.slice(0, end)
      const place = inFolder(fd, nameOf(at))
      const kind = this.#kinds.get(at)
      if (kind === undefined) {
        mkdirSync(place, { mode: 0o700 })
        this.#kinds.set(at, 'folder')
        this.#times.set(at, mtime)
      } else if (kind !== 'folder') throw this.#unsafe(`${shown(path)} lies in ${shown(at)}, which is no folder`)
      fd = openSync(place, folderFlags)
      this.#open.push({ path: at, fd })
    }
    return fd
  }

  #unsafe(reason: string): YoeError {
    return new YoeError('ARCHIVE_UNSAFE', `${this.#title} can't be unpacked: ${reason}`)
  }
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

const parentOf = (path: string): string => (path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '')

const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1')

/** The name of something in an open folder, as openat(2) has it. */
const inFolder = (folder: number, name: string): Buffer => bytesOf(`/proc/self/fd/${folder}/${name}`)
