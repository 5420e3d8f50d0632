import { createReadStream, createWriteStream } from 'node:fs'
import { chmod, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type Position, YoeError } from '../errors.ts'
import { requireSpace, writeFailure } from '../store/disk.ts'
import { shown } from './archive-path.ts'
import type { Addition } from './overlay.ts'
import { readTar, type TarEntry, type TarType } from './tar-read.ts'
import { tarEnd, tarHeader, tarPadding } from './tar-write.ts'
import { readZstd, zstdFrames } from './zstd.ts'

/** What the root file system holds once overlays are on it, as far as edits need to know. */
export interface RootIndex {
  /** Path to type; link targets for links. */
  readonly entries: ReadonlyMap<string, { readonly type: TarType; readonly link: string }>
  /** Content of the files that were asked for. */
  readonly contents: ReadonlyMap<string, Buffer>
}

export interface RootEdit {
  /** zstd tars: read, and written whole. */
  readonly base: string
  readonly output: string
  /** Put over the base; a path of the base that one replaces is gone. */
  readonly overlays: ReadonlyMap<string, Addition>
  /** Files that `finish` may replace; their entries are held back for it. */
  readonly held: ReadonlySet<string>
  /** Further files whose content `finish` wants to see. */
  readonly wanted: (path: string) => boolean
  /** What to add at last; folders that exist, and links that exist just so, are left as they are. */
  readonly finish: (root: RootIndex) => readonly Addition[]
  readonly sourceDateEpoch: number
  readonly at: Position
  readonly signal?: AbortSignal | undefined
}

/** Content that may be needed again because another name of the same file comes later. */
const mostHeld = 64 * 2 ** 20

/**
 * Writes a root file system with additions: entries stream from tar to tar, owners and modes only ever live in headers.
 *
 * An overlay's file or link replaces a file or link; a folder joins a folder; anything else, and anything whose path
 * leads through a link of the root file system, is refused. Who keeps the output flushes it to the disk.
 *
 * @throws {YoeError} BAD_FIELD at `at`; ARCHIVE_UNSAFE when the base is damaged; DISK_FULL, PERMISSION, CANCELLED
 */
export async function editRoot(edit: RootEdit): Promise<void> {
  const { size } = await stat(edit.base)
  if (size === 0) throw new YoeError('ARCHIVE_UNSAFE', `${edit.base} is empty`)
  await requireSpace(dirname(edit.output), size)
  try {
    const output = createWriteStream(edit.output, { flags: 'wx' })
    await pipeline(zstdFrames(edited(edit), 1), output, { signal: edit.signal })
    // Whatever the umask: runs of root read it as somebody else.
    await chmod(edit.output, 0o644)
  } catch (failure) {
    if (edit.signal?.aborted) throw new YoeError('CANCELLED', 'the image was cancelled')
    throw await writeFailure(failure, edit.output, size)
  }
}

async function* edited(edit: RootEdit): AsyncGenerator<Buffer> {
  const { overlays, held, at } = edit
  const entries = new Map<string, { type: TarType; link: string }>()
  const contents = new Map<string, Buffer>()
  const keptBack = new Map<string, TarEntry>()
  /** Replaced files, by path: their content, or the first other name that it went on under. */
  const replaced = new Map<string, { content: Buffer; entry: TarEntry; name: string | undefined }>()
  const ways = new Map<string, string>()
  for (const { path, from } of overlays.values()) for (const way of waysTo(path)) ways.set(way, from)

  for await (const { entry, body } of readTar(readZstd(edit.base), edit.base)) {
    const { path, type } = entry
    const overlay = overlays.get(path)
    const way = ways.get(path)
    if (way !== undefined && type !== 'directory') throw leadsThrough(way, path, entry, at)
    if (overlay !== undefined) {
      checkMerge(overlay, entry, at)
      if (type !== 'directory') {
        if (type === 'file' && entry.size <= mostHeld)
          replaced.set(path, { content: await collect(body()), entry, name: undefined })
        continue
      }
    }
    const hold = held.has(path) && (type === 'file' || type === 'symlink')
    if (hold) {
      const content = await collect(body())
      if (type === 'file') replaced.set(path, { content, entry, name: undefined })
      contents.set(path, content)
      keptBack.set(path, entry)
      entries.set(path, { type, link: entry.link })
      continue
    }
    entries.set(path, { type: type === 'hardlink' ? 'file' : type, link: entry.link })
    const original = type === 'hardlink' ? replaced.get(entry.link) : undefined
    if (original !== undefined) {
      yield* otherName(entry, original)
      continue
    }
    yield entry.raw
    if (type !== 'file') continue
    if (edit.wanted(path)) {
      const content = await collect(body())
      contents.set(path, content)
      yield content
    } else yield* body()
    yield tarPadding(entry.size)
  }

  const emit = (addition: Addition): AsyncGenerator<Buffer> => added(addition, edit.sourceDateEpoch)
  for (const addition of overlays.values()) {
    yield* parentsOf(addition.path, entries, edit.sourceDateEpoch)
    if (addition.type === 'directory' && entries.get(addition.path)?.type === 'directory') continue
    keptBack.delete(addition.path)
    entries.set(addition.path, { type: addition.type, link: addition.link })
    const { content } = addition
    if (addition.type === 'file' && (held.has(addition.path) || edit.wanted(addition.path)))
      contents.set(addition.path, Buffer.isBuffer(content) ? content : await collect(createReadStream(content.file)))
    if (!held.has(addition.path)) yield* emit(addition)
  }
  const last = new Map([...overlays].filter(([path, { type }]) => held.has(path) && type !== 'directory'))
  for (const addition of edit.finish({ entries, contents })) {
    const known = entries.get(addition.path)
    if (addition.type === 'directory' && known?.type === 'directory') continue
    if (addition.type === 'symlink' && known?.type === 'symlink' && known.link === addition.link) continue
    if (known !== undefined && !held.has(addition.path)) throw clash(addition, at)
    const through = waysTo(addition.path).find((path) => (entries.get(path)?.type ?? 'directory') !== 'directory')
    if (through !== undefined) throw leadsThrough(addition.from, through, entries.get(through), at)
    yield* parentsOf(addition.path, entries, edit.sourceDateEpoch)
    entries.set(addition.path, { type: addition.type, link: addition.link })
    // What was there keeps its owner and mode: /etc/shadow belongs to group shadow.
    const old = keptBack.get(addition.path)
    const kept = old?.type === 'file' && addition.type === 'file' ? { mode: old.mode, uid: old.uid, gid: old.gid } : {}
    keptBack.delete(addition.path)
    last.delete(addition.path)
    yield* emit({ ...addition, ...kept })
  }
  for (const addition of last.values()) yield* emit(addition)
  for (const [path, entry] of keptBack) {
    yield entry.raw
    const content = contents.get(path) ?? Buffer.alloc(0)
    yield content
    yield tarPadding(content.length)
  }
  yield tarEnd
}

/** Every folder on the way to `path`, outermost first. */
function waysTo(path: string): string[] {
  const parts = path.split('/')
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'))
}

function* parentsOf(
  path: string,
  entries: Map<string, { type: TarType; link: string }>,
  mtime: number,
): Generator<Buffer> {
  for (const way of waysTo(path)) {
    if (entries.has(way)) continue
    entries.set(way, { type: 'directory', link: '' })
    yield tarHeader({ path: way, type: 'directory', mode: 0o755, mtime })
  }
}

async function* added({ content, ...entry }: Addition, mtime: number): AsyncGenerator<Buffer> {
  const size = Buffer.isBuffer(content) ? content.length : content.size
  yield tarHeader({ ...entry, size: entry.type === 'file' ? size : 0, mtime })
  if (entry.type !== 'file') return
  let written = 0
  for await (const chunk of Buffer.isBuffer(content) ? [content] : createReadStream(content.file)) {
    written += chunk.length
    yield chunk
  }
  if (written !== size) throw new YoeError('BAD_FIELD', `${entry.from} changed while the image was made`)
  yield tarPadding(size)
}

/** A file that was replaced under one name goes on under its others. */
function* otherName(
  entry: TarEntry,
  original: { content: Buffer; entry: TarEntry; name: string | undefined },
): Generator<Buffer> {
  if (original.name !== undefined) {
    yield tarHeader({ ...entry, link: original.name })
    return
  }
  original.name = entry.path
  yield tarHeader({ ...original.entry, path: entry.path })
  yield original.content
  yield tarPadding(original.content.length)
}

async function collect(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function checkMerge(addition: Addition, { type, path }: TarEntry, at: Position): void {
  if (addition.type === 'directory' && type !== 'directory')
    throw new YoeError('BAD_FIELD', `${addition.from} is a folder, but /${path} in the image is a ${type}`, { at })
  if (addition.type !== 'directory' && type === 'directory')
    throw new YoeError('BAD_FIELD', `${addition.from} would replace the folder /${path} of the image`, {
      at,
      hint: 'overlays replace files and links; rename it, or leave the package out that brings the folder',
    })
}

function leadsThrough(
  from: string,
  way: string,
  entry: { readonly type: TarType; readonly link: string } | undefined,
  at: Position,
): YoeError {
  const what = entry?.type === 'symlink' ? `a link to ${shown(entry.link)}` : 'no folder'
  return new YoeError('BAD_FIELD', `${from}: /${way} is ${what} in the image`, {
    at,
    hint: entry?.type === 'symlink' ? 'put the file where the link leads, such as usr/bin for bin' : undefined,
  })
}

const clash = ({ from, path }: Addition, at: Position): YoeError =>
  new YoeError('BAD_FIELD', `${from}: a package brings /${path} already`, { at })
