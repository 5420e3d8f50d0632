import { createHash } from 'node:crypto'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { YoeError } from '../errors.ts'
import { readTar, type TarEntry } from '../image/tar-read.ts'
import { tarEnd, tarHeader, tarPadding } from '../image/tar-write.ts'
import { zstdFrames } from '../image/zstd.ts'
import { shown as printable } from '../shown.ts'
import { headOf, packingOf, unpackedByNode, wholeFile } from '../source/decompress.ts'
import { defaultTreeLimits } from '../source/write-tree.ts'
import { writeFailure } from '../store/disk.ts'

export interface Layer {
  readonly content: AsyncIterable<Uint8Array>
  /** What the content must be, unpacked: SHA-256 in hexadecimal. */
  readonly sha256?: string | undefined
}

export interface MergeInput {
  /** Lowest first. */
  readonly layers: readonly Layer[]
  /** Names the image in errors. */
  readonly title: string
  /** A file for content on its way; made and removed here. */
  readonly temp: string
  /** Where the root file system goes: a zstd tar. */
  readonly output: string
  /** Seconds since 1970: no time in it is later. */
  readonly sourceDateEpoch: number
  readonly limits?: { readonly bytes: number; readonly entries: number }
  readonly signal?: AbortSignal | undefined
}

/** What is behind one or several names; content lies in the temporary file. */
interface Inode {
  readonly kind: 'file' | 'symlink'
  readonly entry: TarEntry
  readonly offset: number
}

interface Folder {
  readonly kind: 'folder'
  entry: Pick<TarEntry, 'mode' | 'uid' | 'gid' | 'mtime' | 'xattrs'>
  readonly children: Map<string, Folder | Inode>
}

/** Marks in a layer for what lower ones have and the image has not. @see OCI image specification, layer, Whiteouts */
const whiteout = '.wh.'
const opaque = '.wh..wh..opq'

/**
 * Lays layers over each other, as a container of the image sees them, and writes the result as the tar of a root file
 * system: entries by name, no time later than the epoch, without device nodes and what Docker leaves in roots. Nothing
 * is unpacked on the way, so there is nothing that a link could lead out of.
 *
 * @throws {YoeError} ARCHIVE_UNSAFE, DIGEST_MISMATCH, DISK_FULL, CANCELLED
 */
export async function mergeLayers(input: MergeInput): Promise<void> {
  const { temp, output, title } = input
  const contents = await open(temp, 'wx+', 0o600)
  try {
    const merged = new Merged(input, contents)
    for (const layer of input.layers) await merged.add(layer)
    const file = await open(output, 'wx', 0o644)
    try {
      for await (const chunk of zstdFrames(merged.tar())) await file.appendFile(chunk)
      await file.sync()
    } finally {
      await file.close()
    }
  } catch (failure) {
    if (input.signal?.aborted === true) throw new YoeError('CANCELLED', `unpacking ${title} was cancelled`)
    throw await writeFailure(failure, output)
  } finally {
    await contents.close()
    await rm(temp, { force: true })
  }
}

/** The unpacked bytes of a layer, whichever way it is packed. @throws {YoeError} ARCHIVE_UNSAFE */
export async function* readLayer(path: string, title: string): AsyncGenerator<Uint8Array> {
  const part = await wholeFile(path)
  const packing = packingOf(await headOf(part, 8))
  const known = packing === 'gzip' || packing === 'zstd' ? packing : undefined
  yield* unpackedByNode(part, known, `a layer of ${title}`)
}

class Merged {
  readonly #input: MergeInput
  readonly #contents: FileHandle
  readonly #root: Folder = newFolder()
  #bytes = 0
  #entries = 0

  constructor(input: MergeInput, contents: FileHandle) {
    this.#input = input
    this.#contents = contents
  }

  async add({ content, sha256 }: Layer): Promise<void> {
    const { title, signal } = this.#input
    const sum = createHash('sha256')
    const marks: TarEntry[] = []
    const hashed = async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of content) {
        sum.update(chunk)
        yield chunk
      }
    }
    const all: (Inode | TarEntry)[] = []
    for await (const { entry, body } of readTar(hashed(), `a layer of ${title}`, 'layer')) {
      if (signal?.aborted === true) throw new YoeError('CANCELLED', `unpacking ${title} was cancelled`)
      if (++this.#entries > this.#limits.entries) throw this.#unsafe(`more than ${this.#limits.entries} entries`)
      if (nameOf(entry.path).startsWith(whiteout)) marks.push(entry)
      else if (entry.type === 'file') {
        const offset = this.#bytes
        for await (const chunk of body()) await this.#keep(chunk)
        all.push({ kind: 'file', entry, offset })
      } else if (entry.type === 'symlink') all.push({ kind: 'symlink', entry, offset: 0 })
      else if (entry.type === 'directory' || entry.type === 'hardlink') all.push(entry)
    }
    const got = sum.digest('hex')
    if (sha256 !== undefined && got !== sha256)
      throw new YoeError(
        'DIGEST_MISMATCH',
        `a layer of ${title} is not what its configuration says\n  expected sha256 ${sha256}\n  got      sha256 ${got}`,
        { hint: 'the image is damaged; use another' },
      )
    // Marks are about lower layers, wherever in this one they stand.
    for (const mark of marks) this.#erase(mark)
    for (const each of all) this.#put(each)
  }

  get #limits(): { readonly bytes: number; readonly entries: number } {
    return this.#input.limits ?? defaultTreeLimits
  }

  async #keep(chunk: Buffer): Promise<void> {
    if (this.#bytes + chunk.length > this.#limits.bytes) throw this.#unsafe(`more than ${this.#limits.bytes} bytes`)
    for (let done = 0; done < chunk.length; )
      done += (await this.#contents.write(chunk, done, chunk.length - done, this.#bytes + done)).bytesWritten
    this.#bytes += chunk.length
  }

  #erase({ path }: TarEntry): void {
    const name = nameOf(path)
    const folder = this.#find(folderOf(path))
    if (name === opaque) {
      if (folder?.kind === 'folder') folder.children.clear()
      return
    }
    const target = name.slice(whiteout.length)
    // What aufs keeps for itself means nothing here.
    if (target.startsWith(whiteout)) return
    if (target === '' || target === '.' || target === '..')
      throw this.#unsafe(`${shown(path)}, a mark that is about no name`)
    if (folder?.kind === 'folder') folder.children.delete(target)
  }

  #find(path: string): Folder | Inode | undefined {
    let at: Folder | Inode | undefined = this.#root
    for (const part of path === '' ? [] : path.split('/'))
      at = at?.kind === 'folder' ? at.children.get(part) : undefined
    return at
  }

  #put(each: Inode | TarEntry): void {
    const entry = 'entry' in each ? each.entry : each
    const { path } = entry
    if (path === '') {
      if (entry.type === 'directory') this.#root.entry = entry
      return
    }
    const folder = this.#folder(path)
    const name = nameOf(path)
    const before = folder.children.get(name)
    if ('entry' in each) folder.children.set(name, each)
    else if (each.type === 'directory') {
      if (before?.kind === 'folder') before.entry = each
      else folder.children.set(name, newFolder(each))
    } else {
      const target = this.#find(each.link)
      if (target?.kind !== 'file') throw this.#unsafe(`${shown(path)}, a link to what is no file before it`)
      folder.children.set(name, target)
    }
  }

  /** The folder that a name lies in; made where no layer has it. */
  #folder(path: string): Folder {
    let at = this.#root
    const parts = path.split('/').slice(0, -1)
    for (const [index, part] of parts.entries()) {
      const next = at.children.get(part) ?? newFolder()
      // Through a link it would lie where nobody said, and over a file nowhere.
      if (next.kind !== 'folder')
        throw this.#unsafe(
          `${shown(path)}, which lies in ${shown(parts.slice(0, index + 1).join('/'))}, and that is no folder`,
        )
      at.children.set(part, next)
      at = next
    }
    return at
  }

  /** The whole, uncompressed. */
  async *tar(): AsyncGenerator<Buffer> {
    const named = new Map<Inode, string>()
    yield this.#header({ ...this.#root.entry, path: '', type: 'directory' })
    yield* this.#below('', this.#root, named)
    yield tarEnd
  }

  async *#below(path: string, { children }: Folder, named: Map<Inode, string>): AsyncGenerator<Buffer> {
    for (const [name, item] of [...children].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const full = path === '' ? name : `${path}/${name}`
      if (isLeftover(full, item)) continue
      if (item.kind === 'folder') {
        yield this.#header({ ...item.entry, path: full, type: 'directory' })
        yield* this.#below(full, item, named)
        continue
      }
      const first = named.get(item)
      if (first !== undefined) {
        yield this.#header({ ...item.entry, path: full, type: 'hardlink', link: first, size: 0, xattrs: new Map() })
        continue
      }
      named.set(item, full)
      yield this.#header({ ...item.entry, path: full })
      yield* this.#content(item)
    }
  }

  #header(entry: Parameters<typeof tarHeader>[0]): Buffer {
    return tarHeader({ ...entry, mtime: Math.min(entry.mtime, this.#input.sourceDateEpoch) })
  }

  async *#content({ entry, offset }: Inode): AsyncGenerator<Buffer> {
    for (let done = 0; done < entry.size; ) {
      const piece = Buffer.alloc(Math.min(2 ** 20, entry.size - done))
      const { bytesRead } = await this.#contents.read(piece, 0, piece.length, offset + done)
      done += bytesRead
      yield piece.subarray(0, bytesRead)
    }
    yield tarPadding(entry.size)
  }

  #unsafe(holds: string): YoeError {
    return new YoeError('ARCHIVE_UNSAFE', `the image ${this.#input.title} holds ${holds}`, {
      hint: 'it is damaged, or made to harm; it was not used',
    })
  }
}

/** Made by Docker for a running container, or seen there only: every run brings its own. */
function isLeftover(path: string, item: Folder | Inode): boolean {
  if (/^(dev|proc|sys)\//.test(path) || path === '.dockerenv') return true
  return /^etc\/(hostname|hosts|resolv\.conf)$/.test(path) && item.kind === 'file' && item.entry.size === 0
}

function newFolder(entry: Folder['entry'] = { mode: 0o755, uid: 0, gid: 0, mtime: 0, xattrs: new Map() }): Folder {
  return { kind: 'folder', entry, children: new Map() }
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)
const folderOf = (path: string): string => (path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '')
const shown = (path: string): string => printable(Buffer.from(path, 'latin1'))
