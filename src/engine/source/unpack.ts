import { lstat, open, readdir, rename, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Worker } from '../build/worker.ts'
import { YoeError } from '../errors.ts'
import { isTarHeader, readTar } from '../image/tar-read.ts'
import { writeFailure } from '../store/disk.ts'
import { tempName } from '../store/temp.ts'
import { debData } from './deb.ts'
import { headOf, type Packing, type Part, packingOf, unpacked, wholeFile } from './decompress.ts'
import { defaultTreeLimits, type TreeLimits, TreeWriter } from './write-tree.ts'
import { readZip } from './zip.ts'

export interface UnpackInput {
  readonly worker: Worker
  /** Root whose xz, bzip2 and lzip do the work where they are needed: the unit's toolchain. */
  readonly root: string | 'host'
  /** Absolute path of the archive, whose content says what it is. */
  readonly archive: string
  /** Names it in errors, and is the name of a file that is no archive: `tool-1.0`. */
  readonly title: string
  /** Empty folder. */
  readonly dest: string
  /** Whether a single folder at the top gives way to its content. */
  readonly strip: boolean
  readonly limits?: TreeLimits
  readonly signal?: AbortSignal | undefined
}

/** Names of what must be an archive: anything else in it is damage, or a page for people. */
const archiveName = /\.(tar|tgz|tbz2?|txz|tzst|tlz|tar\.\w+|zip|whl|crate|deb|apk)$/i
/** Programs that happen to be zips. */
const wholeZip = /\.[jw]ar$/i
const packedName = /\.(gz|zst|xz|bz2|lz)$/i

/** The time of files whose own nobody knows: the oldest that every archive can say (1980-01-01). */
const noTime = 315_532_800

/**
 * Unpacks a source: a tar (also in gzip, bzip2, xz, zstd or lzip), a zip, or what an installation of a Debian or Alpine
 * package would bring (its data, without its control files). What is no archive becomes a program of its own name,
 * uncompressed. As in a folder of the project, of modes only the executable bit counts; times are kept.
 *
 * It is read once, by strict readers, and written without following a link; programs that unpack run in the sandbox.
 *
 * @throws {YoeError} ARCHIVE_UNSAFE for names that leave the folder, devices, what comes twice, and what is over the
 *   limits; TOOL_MISSING when the root lacks a tool; DISK_FULL; CANCELLED
 */
export async function unpackArchive(input: UnpackInput): Promise<void> {
  const { worker, title, dest, signal } = input
  const limits = input.limits ?? defaultTreeLimits
  let strip = input.strip
  try {
    using writer = new TreeWriter(dest, title, limits)
    const whole = await wholeFile(input.archive)
    const head = await headOf(whole, 512)
    const start = head.toString('latin1', 0, 4)
    if ((start === 'PK\x03\x04' || start === 'PK\x05\x06') && !wholeZip.test(title)) {
      await using file = await open(input.archive, 'r')
      for await (const { entry, body } of readZip(input.archive, file, title)) {
        if (signal?.aborted) throw new YoeError('CANCELLED', `unpacking ${title} was cancelled`)
        await writer.add(entry, body)
      }
    } else {
      const data = await debData(whole, head, title)
      if (data !== undefined) strip = false
      const part = data ?? whole
      const packing = packingOf(data === undefined ? head : await headOf(part, 8))
      const found = await writeStream(input, part, packing, writer, limits)
      if (found === 'file' && data !== undefined) throw unsafe(title, 'the data of a package is no tar')
      if (found === 'apk') strip = false
    }
    writer.finish()
  } catch (failure) {
    throw await writeFailure(failure, dest)
  }
  await worker.prepareWritable(dest)
  if (strip) await liftOnlyFolder(dest)
}

/** Writes what a stream of a tar, or else the stream itself, holds. */
async function writeStream(
  { worker, root, title, signal }: UnpackInput,
  part: Part,
  packing: Packing | undefined,
  writer: TreeWriter,
  limits: TreeLimits,
): Promise<'tar' | 'apk' | 'file'> {
  // Headers and the ends of blocks take room, too.
  const limit = limits.bytes + 2048 * limits.entries
  const { head, all } = await peek(unpacked(part, packing, { worker, root, title, limit, signal }), 512)
  if (!isTarHeader(head) && !(archiveName.test(title) && isEmptyTar(head))) {
    if (archiveName.test(title)) throw unsafe(title, 'it is no archive of a known kind')
    const name = (packing === undefined ? title : title.replace(packedName, '')) || 'source'
    const path = Buffer.from(name).toString('latin1')
    await writer.add({ path, type: 'file', mode: 0o755, mtime: noTime, size: 0, link: '' }, () => all)
    return 'file'
  }
  let found: 'tar' | 'apk' | undefined
  let inControl = false
  for await (const { entry, body } of readTar(all, title, 'any')) {
    const isControl = alpineControl.test(entry.path)
    if (found === undefined) inControl = isControl && packing === 'gzip'
    found ??= inControl ? 'apk' : 'tar'
    if (found === 'apk' && isControl) {
      if (!inControl) throw unsafe(title, `${entry.path} comes after the files that it is about`)
      continue
    }
    inControl = false
    await writer.add(entry, body)
  }
  return found ?? 'tar'
}

/** What comes before the data of an Alpine package. @see apk-package(5) */
const alpineControl = /^\.(SIGN\.[^/]+|PKGINFO|(pre|post)-(install|upgrade|deinstall)|trigger)$/

/** Nothing but an end. */
const isEmptyTar = (head: Buffer): boolean => head.length === 512 && head.every((byte) => byte === 0)

/** The first bytes of a stream, and all of it. */
async function peek(
  chunks: AsyncGenerator<Uint8Array>,
  length: number,
): Promise<{ readonly head: Buffer; readonly all: AsyncGenerator<Uint8Array> }> {
  const first: Uint8Array[] = []
  for (let size = 0; size < length; ) {
    const next = await chunks.next()
    if (next.done === true) break
    first.push(next.value)
    size += next.value.length
  }
  const all = async function* (): AsyncGenerator<Uint8Array> {
    yield* first
    yield* chunks
  }
  return { head: Buffer.concat(first).subarray(0, length), all: all() }
}

function unsafe(title: string, reason: string): YoeError {
  return new YoeError('ARCHIVE_UNSAFE', `${title} can't be unpacked: ${reason}`)
}

/** `zlib-1.3/…` becomes `…`, as every build system does. */
async function liftOnlyFolder(dest: string): Promise<void> {
  const [only, ...others] = await readdir(dest, { encoding: 'buffer' })
  if (only === undefined || others.length > 0) return
  const at = (folder: string, name: Buffer): Buffer => Buffer.concat([Buffer.from(`${folder}/`), name])
  if (!(await lstat(at(dest, only))).isDirectory()) return
  // The folder may hold something of its own name.
  const aside = join(dest, tempName())
  await rename(at(dest, only), aside)
  for (const name of await readdir(aside, { encoding: 'buffer' })) await rename(at(aside, name), at(dest, name))
  await rmdir(aside)
}
