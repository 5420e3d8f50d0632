import { linkSync, lutimesSync, mkdirSync, symlinkSync } from 'node:fs'
import { access, mkdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { YoeError } from '../errors.ts'
import { requireSpace, writeFailure } from '../store/disk.ts'
import { collectLitter, tempName } from '../store/temp.ts'
import { shown } from './archive-path.ts'
import { readTar, type TarItem, type TarType } from './tar-read.ts'
import { unpackFile } from './unpack-file.ts'
import { readZstd } from './zstd.ts'

export interface UnpackRoot {
  /** A root file system as a zstd tar. */
  readonly tar: string
  /** Absolute folder to make, `$YOE_CACHE/roots/<hash>`; what is there already is trusted and left as it is. */
  readonly dest: string
  /** Told the folder that it was unpacked into, before it appears as `dest`. */
  readonly unpacked?: (temp: string) => Promise<void>
  readonly signal?: AbortSignal
}

/**
 * Unpacks a root file system to be the read-only `/` of sandboxed runs: everything readable by everybody and owned by
 * us, executable where anybody could execute it, without device nodes and special bits. It appears whole or not at all.
 *
 * @throws {YoeError} ARCHIVE_UNSAFE, DISK_FULL, PERMISSION, CANCELLED
 */
export async function unpackRoot({ tar, dest, unpacked, signal }: UnpackRoot): Promise<void> {
  if (await exists(dest)) return
  const parent = dirname(dest)
  await mkdir(parent, { recursive: true })
  await collectLitter(parent)
  // Measured: a zstd root grows by a factor of 2.5 to 3.
  await requireSpace(parent, 3 * (await stat(tar)).size)
  const temp = join(parent, tempName())
  try {
    mkdirSync(temp, { mode: 0o755 })
    const kinds = new Map<string, TarType>([['', 'directory']])
    for await (const item of readTar(readZstd(tar), tar)) {
      if (signal?.aborted) throw new YoeError('CANCELLED', `unpacking ${tar} was cancelled`)
      await unpackItem(temp, item, kinds, tar)
    }
    await unpacked?.(temp)
    await rename(temp, dest)
  } catch (failure) {
    // Somebody else was faster: theirs is as good.
    if (await exists(dest)) return
    throw await writeFailure(failure, dest)
  } finally {
    await rm(temp, { recursive: true, force: true })
  }
}

async function unpackItem(
  root: string,
  { entry, body }: TarItem,
  kinds: Map<string, TarType>,
  tar: string,
): Promise<void> {
  const { path, type } = entry
  if (path === '') return
  const parent = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
  if (kinds.get(parent) !== 'directory') throw unsafe(tar, `${shown(path)} lies in something that is no folder`)
  kinds.set(path, type)
  const place = Buffer.from(`${root}/`, 'utf8')
  const at = (name: string): Buffer => Buffer.concat([place, Buffer.from(name, 'latin1')])
  switch (entry.type) {
    case 'directory':
      mkdirSync(at(path), { mode: 0o755 })
      return
    case 'symlink':
      symlinkSync(Buffer.from(entry.link, 'latin1'), at(path))
      lutimesSync(at(path), entry.mtime, entry.mtime)
      return
    case 'hardlink':
      if (kinds.get(entry.link) !== 'file') throw unsafe(tar, `${shown(path)} is a link to what is no file before it`)
      kinds.set(path, 'file')
      linkSync(at(entry.link), at(path))
      return
    case 'file':
      return unpackFile(at(path), entry, body())
    case 'character':
    case 'block':
    case 'fifo':
      return
    default: {
      entry.type satisfies never
    }
  }
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

const unsafe = (tar: string, what: string): YoeError =>
  new YoeError('ARCHIVE_UNSAFE', `${tar}: ${what}`, { hint: 'it is damaged, or made to harm; it was not used' })
