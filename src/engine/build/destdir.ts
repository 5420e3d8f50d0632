import {
  closeSync,
  constants,
  type Dirent,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
} from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import type { Permission } from '../project/model.ts'
import type { ReadAt } from '../qa/elf.ts'
import { shown } from '../shown.ts'
import { errorCode } from '../store/disk.ts'
import { SmallFiles } from './small-files.ts'

/** One thing that a package installs. */
export interface DestEntry {
  readonly kind: 'directory' | 'file' | 'symlink' | 'hardlink'
  /** Raw bytes, relative, without leading or trailing slash; empty for the root. */
  readonly path: Buffer
  /**
   * As it will be installed: as `permissions` says, else as the build left it, and its owner may read it (and enter and
   * change folders).
   */
  readonly mode: number
  /** What the unit declares about it. */
  readonly permission?: Permission
  /** A task gave it to somebody else than everything beside it. */
  readonly foreign?: boolean
  /** Bytes; 0 for everything but files. */
  readonly size: number
  /** Text of a symlink; of a hard link the path of the entry that carries the content. */
  readonly target?: Buffer
}

/** Something about the tree that must not get into a package. */
export interface Problem {
  readonly message: string
  readonly hint: string
}

export interface ScannedTree {
  /** The root first, then depth first, children in byte order. */
  readonly entries: readonly DestEntry[]
  readonly problems: readonly Problem[]
  /**
   * Opens a scanned file's content, which is the same for all who ask.
   *
   * @throws {Error} when it is no longer the file that was scanned
   */
  open(entry: DestEntry): TreeFile
  close(): void
}

/**
 * An open file of a tree. Reading does not go through promises: trees have tens of thousands of small files, whose
 * content is in memory since a task has just written it.
 */
export interface TreeFile extends Disposable {
  /** All of it, where that is in memory anyway. It is for all who ask: nobody writes to it. */
  readonly content?: Buffer
  /** Fills `buffer` from `position` on; fewer bytes only at the end of the file. */
  read(buffer: Buffer, position: number): number
}

/** How large a destdir may get. */
const limits = { entries: 1_000_000, depth: 64 } as const
/** Entries after which others get their turn. */
const breath = 200
const noFollow = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/**
 * Lists what a build left in its destdir. A build is hostile: every folder is entered through a descriptor of its
 * parent without following links, and a file is read only while it is still the one that was listed; many small ones
 * are read at once, and are what they were then. Tasks run under a umask of their own, so that whose yoe it is shows in
 * no mode.
 *
 * @param root absolute; a symbolic link here is a problem, not a way in
 * @param permissions what is declared, by absolute path in the package
 * @param grew called now and then with what there is so far: its entries may be opened, and more are to come
 */
export async function scanDestdir(
  root: string,
  permissions: Readonly<Record<string, Permission>> = {},
  grew: (tree: ScannedTree) => void = () => {},
): Promise<ScannedTree> {
  const entries: DestEntry[] = []
  const problems: Problem[] = []
  const identities = new Map<DestEntry, string>()
  const small = new SmallFiles<DestEntry>()
  const firstOfInode = new Map<string, DestEntry>()
  const refuse = (path: Buffer, what: string, hint: string): void => {
    problems.push({ message: `${shown(Buffer.concat([Buffer.from('/'), path]))} ${what}`, hint })
  }

  const declared = new Map(Object.entries(permissions))
  /** What is the same of files and folders; a folder inherits setgid from where the build happens to run. */
  const entryOf = (kind: 'file' | 'directory', path: Buffer, stat: Stats): DestEntry => {
    const folder = kind === 'directory'
    const mode = (stat.mode & (folder ? 0o5777 : 0o7777)) | (folder ? 0o700 : 0o400)
    const entry: DestEntry = { kind, path, mode, size: folder ? 0 : stat.size }
    const permission = declared.size === 0 ? undefined : takeDeclared(path)
    const foreign = stat.uid !== owner.uid || stat.gid !== owner.gid
    if (permission === undefined && !foreign) return entry
    return {
      ...entry,
      mode: permission?.mode ?? mode,
      ...(permission === undefined ? {} : { permission }),
      ...(foreign ? { foreign } : {}),
    }
  }

  const takeDeclared = (path: Buffer): Permission | undefined => {
    const name = `/${path.toString('utf8')}`
    const permission = declared.get(name)
    declared.delete(name)
    return permission
  }

  const opened = (path: Buffer, real: Path, flag: number): number | undefined => {
    try {
      return openSync(real, noFollow | flag)
    } catch (failure) {
      if (errorCode(failure) !== 'EACCES') throw failure
      refuse(path, 'may not be read', `let its owner read it: chmod u+rX "$DESTDIR/${shown(path)}"`)
      return undefined
    }
  }

  /** @returns the folder to enter, opened, when it is one */
  const visit = (parent: string, path: Buffer, listed: Dirent, depth: number): number | undefined => {
    if (entries.length > limits.entries) return undefined
    if (hasControls(listed.name)) {
      refuse(path, 'has control characters in its name', 'rename it in the task that installs it')
      return undefined
    }
    const real = child(parent, listed.name)
    // Only what is listed as a file is opened before a look at it: opening a device may do something.
    const file = listed.isFile() ? opened(path, real, 0) : undefined
    try {
      return look(path, real, file, depth)
    } finally {
      if (file !== undefined) closeSync(file)
    }
  }

  const look = (path: Buffer, real: Path, file: number | undefined, depth: number): number | undefined => {
    const stat = file === undefined ? lstatSync(real) : fstatSync(file)
    if (stat.isDirectory()) {
      entries.push(entryOf('directory', path, stat))
      if (depth < limits.depth) return opened(path, real, constants.O_DIRECTORY)
      refuse(path, `is more than ${limits.depth} folders deep`, 'install less deeply')
    } else if (stat.isSymbolicLink()) {
      const target = readlinkSync(real, { encoding: 'buffer' })
      if (hasControls(target.toString('latin1')))
        refuse(path, 'points to a name with control characters', 'link to another name')
      entries.push({ kind: 'symlink', path, mode: 0o777, size: 0, target })
    } else if (stat.isFile()) {
      const identity = (): string =>
        identityOf(file === undefined ? lstatSync(real, { bigint: true }) : fstatSync(file, { bigint: true }))
      const linked = stat.nlink > 1 ? identity() : undefined
      const first = linked === undefined ? undefined : firstOfInode.get(linked)
      if (first !== undefined) {
        takeDeclared(path)
        entries.push({ kind: 'hardlink', path, mode: first.mode, size: 0, target: first.path })
        return undefined
      }
      const entry = entryOf('file', path, stat)
      entries.push(entry)
      if (file === undefined || !small.keep(entry, file, entry.size)) identities.set(entry, linked ?? identity())
      if (linked !== undefined) firstOfInode.set(linked, entry)
    } else {
      const what = stat.isFIFO() ? 'a named pipe' : stat.isSocket() ? 'a socket' : 'a device node'
      refuse(path, `is ${what}`, 'packages hold files, folders and links; make it when the service starts (tmpfiles.d)')
    }
    return undefined
  }

  let seen = 0
  const enter = async (folder: number, path: Buffer, depth: number): Promise<void> => {
    try {
      const here = `/proc/self/fd/${folder}`
      const before = path.length === 0 ? '' : `${path.toString('latin1')}/`
      // A letter of these names is a byte.
      const all = readdirSync(here, { encoding: 'latin1', withFileTypes: true })
      for (const listed of all.sort((one, other) => (one.name < other.name ? -1 : 1))) {
        const whole = Buffer.from(before + listed.name, 'latin1')
        const inside = visit(here, whole, listed, depth + 1)
        if (inside !== undefined) await enter(inside, whole, depth + 1)
        if (++seen % breath > 0) continue
        grew(tree)
        await setImmediate()
      }
    } finally {
      closeSync(folder)
    }
  }

  let top: number
  try {
    top = openSync(root, noFollow | constants.O_DIRECTORY)
  } catch (failure) {
    if (errorCode(failure) !== 'ENOTDIR' && errorCode(failure) !== 'ELOOP') throw failure
    const problem = {
      message: 'the destdir was replaced by something that is no folder',
      hint: 'install into $DESTDIR; leave $DESTDIR itself alone',
    }
    const nothing = (): never => {
      throw failure
    }
    return { entries, problems: [problem], open: nothing, close: () => {} }
  }
  const tree: ScannedTree = {
    entries,
    problems,
    open: (entry) => {
      const kept = small.open(entry)
      if (kept !== undefined) return kept
      const file = openSync(child(`/proc/self/fd/${top}`, entry.path.toString('latin1')), noFollow)
      if (identityOf(fstatSync(file, { bigint: true })) === identities.get(entry)) return treeFile(file)
      closeSync(file)
      throw new Error(`/${shown(entry.path)} changed while it was being packed`)
    },
    close: () => {
      small.clear()
      closeSync(top)
    },
  }
  let owner: Stats
  try {
    owner = fstatSync(top)
    entries.push({ kind: 'directory', path: Buffer.alloc(0), mode: 0o755, size: 0 })
    await enter(openSync(`/proc/self/fd/${top}`, constants.O_RDONLY | constants.O_DIRECTORY), Buffer.alloc(0), 0)
  } catch (failure) {
    closeSync(top)
    throw failure
  }
  if (entries.length > limits.entries) {
    problems.push({
      message: `the package has more than ${limits.entries} entries`,
      hint: 'install less, or one archive of it',
    })
  }
  for (const path of declared.keys()) {
    problems.push({
      message: `permissions names ${shown(path)}, which is no file or folder of the package`,
      hint: `install it (install -d "$DESTDIR${shown(path)}" makes a folder), or take it out of permissions`,
    })
  }
  return tree
}

/**
 * Some entries of a tree as a tree of its own, such as one package of several. Where a hard link's content is left
 * behind, the first link to it here carries it.
 *
 * @param entries of `tree`, in its order
 */
export function subtree(tree: ScannedTree, entries: readonly DestEntry[]): ScannedTree {
  const kept = new Set(entries)
  const files = new Map(tree.entries.filter(({ kind }) => kind === 'file').map((file) => [nameOf(file.path), file]))
  const carriers = new Map<DestEntry, DestEntry>()
  const origins = new Map<DestEntry, DestEntry>()
  const own = entries.map((entry): DestEntry => {
    const origin = entry.target === undefined ? undefined : files.get(nameOf(entry.target))
    if (entry.kind !== 'hardlink' || origin === undefined || kept.has(origin)) return entry
    const carrier = carriers.get(origin)
    if (carrier !== undefined) return { ...entry, target: carrier.path }
    const file = { ...origin, path: entry.path }
    carriers.set(origin, file)
    origins.set(file, origin)
    return file
  })
  return { ...tree, entries: own, open: (entry) => tree.open(origins.get(entry) ?? entry), close: () => {} }
}

const nameOf = (path: Buffer): string => path.toString('latin1')

const treeFile = (file: number): TreeFile => ({
  read: (buffer, position) => {
    let filled = 0
    while (filled < buffer.length) {
      const count = readSync(file, buffer, filled, buffer.length - filled, position + filled)
      if (count === 0) break
      filled += count
    }
    return filled
  },
  [Symbol.dispose]: () => closeSync(file),
})

/** Bounded reads of an open file, for parsers that jump about in it. */
export function readerOf(file: TreeFile, size: number): ReadAt {
  return async (offset, length) => {
    if (!Number.isSafeInteger(offset) || offset < 0 || offset >= size) return Buffer.alloc(0)
    const buffer = Buffer.alloc(Math.max(0, Math.min(length, size - offset)))
    return buffer.subarray(0, file.read(buffer, offset))
  }
}

type Path = string | Buffer

const controls = /[^ -~\x80-\xff]/
const others = /[^ -~]/

const hasControls = (name: string): boolean => controls.test(name)

/** What openat(2) would say: a name, of a byte each letter, inside an open folder. */
const child = (folder: string, name: string): Path =>
  others.test(name) ? Buffer.from(`${folder}/${name}`, 'latin1') : `${folder}/${name}`

const identityOf = (stat: { dev: bigint; ino: bigint; size: bigint; ctimeNs: bigint }): string =>
  `${stat.dev}:${stat.ino}:${stat.size}:${stat.ctimeNs}`
