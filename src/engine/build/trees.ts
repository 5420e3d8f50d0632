import {
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
} from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { YoeError } from '../errors.ts'
import type { PackageFormat } from '../formats.ts'
import { shown } from '../shown.ts'
import { errorCode, requireSpace, syncFileSystem, writeFailure } from '../store/disk.ts'
import { noteUse } from '../store/use.ts'
import type { BuildContext } from './context.ts'
import { changedTrees, treeStates } from './tree-record.ts'
import type { UnitLog } from './unit-log.ts'

/** A package file whose content was verified. */
export interface PackageFile {
  /** What it is called where people meet it: `app_1.0-r0_amd64.deb`. */
  readonly name: string
  /** Absolute. */
  readonly path: string
  readonly sha256: string
  /** Bytes. */
  readonly size: number
}

/** The content of a package, unpacked once for all who need it; only to be read. */
export interface PackageTree {
  readonly name: string
  /** Absolute: `$YOE_CACHE/unpacked/<sha256>/tree`. */
  readonly folder: string
}

type Libraries = Awaited<ReturnType<PackageFormat['libraries']>>

const places = (home: string, sha256: string) => ({
  folder: join(home, sha256),
  tree: join(home, sha256, 'tree'),
  libraries: join(home, sha256, 'libraries.json'),
  record: join(home, sha256, 'tree.sum'),
})

/** Measured: what packages hold is up to five times what they weigh. */
const growth = 5

/**
 * The trees of packages, in their order; those that nobody needed before are unpacked, in one run.
 *
 * @param toolchain unpacked root whose programs do it
 * @throws {YoeError} PACKAGE_INVALID, DISK_FULL, PERMISSION, CANCELLED
 */
export async function packageTrees(
  context: BuildContext,
  packages: readonly PackageFile[],
  toolchain: string,
  log: UnitLog,
): Promise<readonly PackageTree[]> {
  const { store, format, worker, signal } = context
  const home = join(store.root, 'unpacked')
  const trees = packages.map(({ name, sha256 }) => ({ name, folder: places(home, sha256).tree }))
  const missing = packages.filter(({ sha256 }) => !existsSync(places(home, sha256).folder))
  for (const { sha256 } of packages) noteUse(places(home, sha256).record)
  if (missing.length === 0) return trees
  const temp = store.temp()
  try {
    await mkdir(home, { recursive: true })
    await requireSpace(home, growth * missing.reduce((sum, { size }) => sum + size, 0))
    await mkdir(temp)
    await format.extract({
      packages: missing.map(({ path }) => path),
      dest: temp,
      root: toolchain,
      worker,
      log: log.write,
      signal,
    })
    // Whatever its modes: linking it needs to list it, and so does removing it.
    await worker.prepareReadable(temp)
    for (const [index, { path, sha256 }] of missing.entries()) {
      const made = places(temp, sha256)
      await mkdir(made.folder)
      await rename(join(temp, String(index)), made.tree)
      await writeFile(made.libraries, JSON.stringify([...(await format.libraries(path))]))
    }
    const states = await treeStates(
      temp,
      missing.map(({ sha256 }) => join(sha256, 'tree')),
      'modified',
    )
    for (const [index, { sha256 }] of missing.entries())
      await writeFile(places(temp, sha256).record, states[index] ?? '')
    // What has its final name is trusted, also after a power cut.
    await syncFileSystem(temp)
    for (const { sha256 } of missing) {
      const { folder } = places(home, sha256)
      await rename(places(temp, sha256).folder, folder).catch((failure: unknown) => {
        // Another process was faster: its tree is as good.
        if (!existsSync(folder)) throw failure
      })
    }
  } catch (failure) {
    throw await writeFailure(failure, home)
  } finally {
    await rm(temp, { recursive: true, force: true })
  }
  return trees
}

/**
 * Sets trees of packages aside that are not what was unpacked, so that they are unpacked again.
 * @returns how many
 */
export async function setChangedAside(
  { store, report, signal }: Pick<BuildContext, 'store' | 'report' | 'signal'>,
  packages: readonly PackageFile[],
): Promise<number> {
  const home = join(store.root, 'unpacked')
  const changed = await changedTrees(
    home,
    packages.map(({ name, sha256 }) => ({
      name,
      sha256,
      tree: join(sha256, 'tree'),
      record: join(sha256, 'tree.sum'),
    })),
    'modified',
  )
  for (const tree of changed) {
    const { name, sha256 } = tree
    const { folder } = places(home, sha256)
    report({ type: 'warning', message: `${name} in the cache is not as it was unpacked: it is unpacked again` })
    await using _alone = await store.lock(`unpacked-${sha256}`, { signal })
    // Another process may have done so already, or use it: it is removed when this one has ended.
    if (existsSync(folder) && (await changedTrees(home, [tree], 'modified')).length > 0)
      await rename(folder, store.temp())
  }
  return changed.length
}

/** The shared libraries that a package brings, as its format tells them; its tree must be there. */
export async function packageLibraries({ store }: BuildContext, { sha256 }: PackageFile): Promise<Libraries> {
  const text = await readFile(places(join(store.root, 'unpacked'), sha256).libraries, 'utf8')
  const libraries: [string, { name: string; version: string }][] = JSON.parse(text)
  return new Map(libraries)
}

/**
 * Puts trees over each other into `dest` as hard links, a later one's files over an earlier one's, which the log tells.
 * Links in a tree mean what they mean below `dest`: nothing outside of it is followed or written.
 *
 * @param dest absolute, exists; runs must not be able to write to it, since its files are those of the trees
 * @throws {YoeError} PACKAGE_INVALID when one has a folder where another has a file
 */
export async function linkTrees(trees: readonly PackageTree[], dest: string, log: UnitLog): Promise<void> {
  for (const [index, tree] of trees.entries()) {
    new Linking(dest, tree, trees.slice(0, index), log).folder('', '')
    // Others' output waits meanwhile.
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Puts one tree over what is in `dest`. Names are bytes, as latin1, since they need not be UTF-8. */
class Linking {
  readonly #dest: string
  readonly #tree: PackageTree
  readonly #before: readonly PackageTree[]
  readonly #log: UnitLog

  constructor(dest: string, tree: PackageTree, before: readonly PackageTree[], log: UnitLog) {
    this.#dest = dest
    this.#tree = tree
    this.#before = before
    this.#log = log
  }

  /** @param path of a folder of the tree, '' or with a `/` in front; @param to the same for `dest` */
  folder(path: string, to: string): void {
    const entries = readdirSync(bytesOf(this.#tree.folder, path), { withFileTypes: true, encoding: 'latin1' })
    for (const entry of entries) {
      const [from, target] = [`${path}/${entry.name}`, `${to}/${entry.name}`]
      if (entry.isDirectory()) this.folder(from, this.#enter(from, target))
      else if (entry.isSymbolicLink() || entry.isFile()) this.#place(from, target, entry.isSymbolicLink())
    }
  }

  /** Makes the folder `target`, or finds the one below `dest` that a link there leads to. */
  #enter(from: string, target: string): string {
    const there = lstatSync(bytesOf(this.#dest, target), { throwIfNoEntry: false })
    if (there === undefined) mkdirSync(bytesOf(this.#dest, target), { mode: 0o755 })
    if (there === undefined || there.isDirectory()) return target
    const led = there.isSymbolicLink() ? followed(this.#dest, target) : undefined
    if (led === undefined) throw this.#clash(from, 'a folder', 'none')
    return led
  }

  #place(from: string, target: string, link: boolean): void {
    const [source, place] = [bytesOf(this.#tree.folder, from), bytesOf(this.#dest, target)]
    const there = lstatSync(place, { throwIfNoEntry: false })
    if (there?.isDirectory()) {
      // As dpkg has it: a link does not replace a folder.
      if (link) return
      throw this.#clash(from, 'a file', 'a folder')
    }
    if (there !== undefined) {
      if (same(source, place)) return
      this.#log.line(`${shown(latin1(from))} is in ${this.#ownerOf(from)}, too: here it is that of ${this.#tree.name}`)
      rmSync(place)
    }
    if (link) symlinkSync(readlinkSync(source, 'buffer'), place)
    else linkOrCopy(source, place)
  }

  #clash(path: string, mine: string, theirs: string): YoeError {
    const file = shown(latin1(path))
    const owner = this.#ownerOf(path)
    return new YoeError('PACKAGE_INVALID', `${file} is ${mine} in ${this.#tree.name} and ${theirs} in ${owner}`, {
      hint: 'leave one of them out of deps',
    })
  }

  #ownerOf(path: string): string {
    const owner = this.#before.findLast(({ folder }) => lstatSync(bytesOf(folder, path), { throwIfNoEntry: false }))
    return owner?.name ?? 'another package'
  }
}

const latin1 = (path: string): Buffer => Buffer.from(path, 'latin1')
const bytesOf = (folder: string, path: string): Buffer => Buffer.concat([Buffer.from(folder), latin1(path)])

/** The folder below `root` that `path` leads to when `root` is `/`; undefined when there is none. */
function followed(root: string, path: string): string | undefined {
  let pending = path.split('/').filter(Boolean)
  let at: string[] = []
  for (let links = 0; pending.length > 0; ) {
    const [name = '', ...rest] = pending
    pending = rest
    if (name === '.' || name === '') continue
    if (name === '..') {
      at = at.slice(0, -1)
      continue
    }
    const next = [...at, name]
    const place = bytesOf(root, `/${next.join('/')}`)
    const there = lstatSync(place, { throwIfNoEntry: false })
    if (there?.isDirectory()) at = next
    else if (there?.isSymbolicLink() && ++links <= 40) {
      const target = readlinkSync(place, 'latin1')
      if (target.startsWith('/')) at = []
      pending = [...target.split('/'), ...pending]
    } else return undefined
  }
  return at.map((name) => `/${name}`).join('')
}

function same(one: Buffer, other: Buffer): boolean {
  const [a, b] = [lstatSync(one), lstatSync(other)]
  if (a.isSymbolicLink() || b.isSymbolicLink())
    return a.isSymbolicLink() && b.isSymbolicLink() && readlinkSync(one, 'buffer').equals(readlinkSync(other, 'buffer'))
  return (a.ino === b.ino && a.dev === b.dev) || (a.size === b.size && readFileSync(one).equals(readFileSync(other)))
}

/** Where a link can't be made (another file system, a file that has too many), a copy, sharing blocks where that works. */
function linkOrCopy(from: Buffer, to: Buffer): void {
  try {
    linkSync(from, to)
  } catch (failure) {
    if (!['EXDEV', 'EMLINK', 'EPERM'].includes(errorCode(failure))) throw failure
    copyFileSync(from, to, constants.COPYFILE_FICLONE)
    const { atime, mtime } = lstatSync(from)
    utimesSync(to, atime, mtime)
  }
}
