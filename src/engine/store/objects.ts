import { createHash, randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, copyFile, type FileHandle, link, lstat, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { YoeError } from '../errors.ts'
import type { Reporter } from '../events.ts'
import { errorCode, makeFolder, writeFailure } from './disk.ts'
import { objectPath } from './object-path.ts'
import { sync, syncFolder } from './sync-folder.ts'
import { tempName } from './temp.ts'

export interface ObjectInfo {
  readonly sha256: string
  /** Bytes. */
  readonly size: number
}

/** What is known of bytes before they come. */
export interface Expected {
  readonly sha256?: string
  readonly size?: number
}

const blockBytes = 2 ** 20

/** Blobs by their SHA-256, below one folder; an object is absent or whole, and what is read is hashed first. */
export class Objects {
  readonly #root: string
  readonly #report: Reporter
  readonly #verified = new Set<string>()
  /** Folders with new names in them that a power cut could still lose, each with the number of the newest. */
  readonly #unsynced = new Map<string, number>()
  #added = 0

  constructor(root: string, report: Reporter) {
    this.#root = root
    this.#report = report
  }

  #place(sha256: string): string {
    return objectPath(this.#root, sha256)
  }

  /** Whether something lies there, unread: planning may rely on it, using may not. */
  async has(sha256: string): Promise<boolean> {
    return (await stat(this.#place(sha256)).catch(() => undefined))?.isFile() === true
  }

  /**
   * Stores bytes as they come; each chunk is used up before the next is asked for.
   *
   * @throws {YoeError} DIGEST_MISMATCH when they are not what was expected, DISK_FULL, PERMISSION; what `chunks` throws
   */
  async put(chunks: AsyncIterable<Uint8Array>, expected: Expected = {}): Promise<ObjectInfo> {
    const temp = join(this.#root, 'tmp', tempName())
    try {
      let written = 0
      const seen = (size: number): void => {
        written = size
      }
      const info = await this.#writing(
        () => expected.size ?? written,
        () => writeHashed(temp, chunks, expected.size, seen),
      )
      if (expected.sha256 !== undefined && info.sha256 !== expected.sha256) {
        throw new YoeError(
          'DIGEST_MISMATCH',
          `an object arrived damaged\n  expected sha256 ${expected.sha256}\n  got      sha256 ${info.sha256}`,
        )
      }
      await this.#writing(
        () => info.size,
        () => this.#commit(temp, info.sha256),
      )
      return info
    } finally {
      await rm(temp, { force: true })
    }
  }

  /** Stores a copy of a file. */
  putFile(path: string, expected: Expected = {}): Promise<ObjectInfo> {
    return this.put(readBlocks(path), expected)
  }

  /**
   * Moves a finished file in, which is gone afterwards. One that somebody else may still write to (another owner, another
   * name) or that lies on another file system is copied.
   */
  async adopt(path: string, expected: Expected = {}): Promise<ObjectInfo> {
    const temp = join(this.#root, 'tmp', tempName())
    const { uid, nlink } = await lstat(path)
    if (uid !== process.geteuid?.() || nlink > 1 || !(await this.#moved(path, temp))) {
      const info = await this.putFile(path, expected)
      await rm(path)
      return info
    }
    try {
      const file = await open(temp, constants.O_RDONLY | constants.O_NOFOLLOW)
      const info = await hashFile(file).finally(() => file.close())
      if (expected.sha256 !== undefined && info.sha256 !== expected.sha256) {
        throw new YoeError('DIGEST_MISMATCH', `${path} has sha256 ${info.sha256}, expected was ${expected.sha256}`)
      }
      await this.#writing(
        () => info.size,
        async () => {
          await sync(temp)
          await this.#commit(temp, info.sha256)
        },
      )
      return info
    } finally {
      await rm(temp, { force: true })
    }
  }

  async #moved(path: string, temp: string): Promise<boolean> {
    try {
      await rename(path, temp)
      return true
    } catch (failure) {
      if (errorCode(failure) === 'EXDEV') return false
      throw await writeFailure(failure, temp)
    }
  }

  async #commit(temp: string, sha256: string): Promise<void> {
    const place = this.#place(sha256)
    await makeFolder(dirname(place))
    await chmod(temp, 0o444)
    await rename(temp, place)
    this.#unsynced.set(dirname(place), ++this.#added)
    this.#verified.add(sha256)
  }

  async #writing<T>(needed: () => number | undefined, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (failure) {
      throw await writeFailure(failure, this.#root, needed())
    }
  }

  /** Makes all that this process has put survive a power cut. */
  async flush(): Promise<void> {
    await this.#writing(
      () => undefined,
      async () => {
        await Promise.all(
          [...this.#unsynced].map(async ([folder, added]) => {
            await syncFolder(folder)
            if (this.#unsynced.get(folder) === added) this.#unsynced.delete(folder)
          }),
        )
      },
    )
  }

  /**
   * The object's file, read-only, hashed when this process first asks for it; undefined when it is not there or damaged
   * (then it is set aside). Not to be written to, nor linked to where somebody else may.
   */
  async path(sha256: string): Promise<string | undefined> {
    const place = this.#place(sha256)
    if (this.#verified.has(sha256) && (await this.has(sha256))) return place
    const info = await this.#read(place)
    if (info === undefined) return undefined
    if (info.sha256 !== sha256) {
      await this.#setAside(sha256)
      return undefined
    }
    this.#verified.add(sha256)
    return place
  }

  async #read(place: string): Promise<ObjectInfo | undefined> {
    let file: FileHandle
    try {
      file = await open(place, constants.O_RDONLY | constants.O_NOFOLLOW)
    } catch (failure) {
      if (['ENOENT', 'ELOOP'].includes(errorCode(failure))) return undefined
      throw await writeFailure(failure, place)
    }
    try {
      return await hashFile(file)
    } catch (failure) {
      // A block that can't be read is damage like any other.
      if (['EIO', 'EISDIR'].includes(errorCode(failure))) return { sha256: '', size: 0 }
      throw failure
    } finally {
      await file.close()
    }
  }

  async #setAside(sha256: string): Promise<void> {
    const aside = join(this.#root, 'damaged', `${sha256}-${randomBytes(4).toString('hex')}`)
    this.#report({
      type: 'warning',
      message: `object ${sha256} in ${this.#root} is damaged; it is made or fetched again`,
      hint: 'if this happens again, the disk needs a look',
    })
    await makeFolder(dirname(aside)).catch(() => {})
    await rename(this.#place(sha256), aside).catch(() => {})
  }

  /**
   * Puts an object's bytes at `dest`, replacing what is there. `link`: shares the store's file where it can, read-only,
   * for readers only. `copy`: a file of its own (sharing blocks where the file system can).
   *
   * @returns false when the object is not there or damaged
   */
  async materialize(sha256: string, dest: string, how: 'link' | 'copy'): Promise<boolean> {
    const place = await this.path(sha256)
    if (place === undefined) return false
    if (how === 'link' && (await linked(place, dest))) return true
    const near = `${dest}.${tempName()}`
    try {
      await copyFile(place, near, constants.COPYFILE_FICLONE)
      await chmod(near, how === 'link' ? 0o444 : 0o644)
      await rename(near, dest)
    } catch (failure) {
      throw await writeFailure(failure, dest)
    } finally {
      await rm(near, { force: true })
    }
    return true
  }

  /** Every object's digest, in no order. */
  async *list(): AsyncGenerator<string> {
    const folder = join(this.#root, 'objects')
    for (const start of await readdir(folder)) {
      for (const rest of await readdir(join(folder, start))) yield start + rest
    }
  }

  /** Removes an object; returns the bytes that this freed. */
  async remove(sha256: string): Promise<number> {
    const place = this.#place(sha256)
    const info = await stat(place).catch(() => undefined)
    await rm(place, { force: true })
    this.#verified.delete(sha256)
    return info === undefined || info.nlink > 1 ? 0 : info.size
  }
}

async function linked(place: string, dest: string): Promise<boolean> {
  try {
    await link(place, dest)
    return true
  } catch (failure) {
    if (errorCode(failure) !== 'EEXIST') return false
  }
  const [there, mine] = await Promise.all([stat(dest), stat(place)])
  if (there.ino === mine.ino && there.dev === mine.dev) return true
  const near = `${dest}.${tempName()}`
  try {
    await link(place, near)
    await rename(near, dest)
    return true
  } catch {
    return false
  } finally {
    await rm(near, { force: true })
  }
}

/** A file's bytes in large blocks: {@link blocksOf} a file that is opened for it, and no link. */
export async function* readBlocks(path: string): AsyncGenerator<Uint8Array> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    yield* blocksOf(file)
  } finally {
    await file.close()
  }
}

/**
 * Reads ahead by one block, so that hashing one and reading the next happen at the same time; each is overwritten once
 * two more have been asked for.
 *
 * @param length bytes at most
 */
export async function* blocksOf(
  file: FileHandle,
  start = 0,
  length = Number.MAX_SAFE_INTEGER,
): AsyncGenerator<Uint8Array> {
  // Most files are small, and memory that is asked for in vain is cleared away in vain.
  const size = Math.min(blockBytes, length, Math.max(1, (await file.stat()).size - start))
  const buffers = [Buffer.allocUnsafe(size), Buffer.allocUnsafe(size)]
  let at = start
  const end = start + length
  const read = (turn: number) => file.read(buffers[turn % 2] ?? Buffer.alloc(0), 0, Math.min(size, end - at), at)
  let next = read(0)
  try {
    for (let turn = 1; ; turn++) {
      const { bytesRead, buffer } = await next
      if (bytesRead === 0) return
      at += bytesRead
      next = read(turn)
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await next.catch(() => {})
  }
}

async function hashFile(file: FileHandle): Promise<ObjectInfo> {
  const sum = createHash('sha256')
  let size = 0
  for await (const block of blocksOf(file)) {
    sum.update(block)
    size += block.length
  }
  return { sha256: sum.digest('hex'), size }
}

/** Writes a new file, durably, and says what went into it; `seen` is told how much came, before it is written. */
async function writeHashed(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  exactly: number | undefined,
  seen: (size: number) => void,
): Promise<ObjectInfo> {
  const file = await open(path, 'wx', 0o600)
  try {
    const sum = createHash('sha256')
    let size = 0
    for await (const chunk of chunks) {
      if (exactly !== undefined && size + chunk.length > exactly) break
      seen(size + chunk.length)
      const write = writeData(file, chunk, size)
      sum.update(chunk)
      await write
      size += chunk.length
    }
    if (exactly !== undefined && size !== exactly) {
      throw new YoeError('DIGEST_MISMATCH', `an object does not have the ${exactly} bytes that were expected`)
    }
    // Gives a file that ends in zeros its length.
    await file.truncate(size)
    await file.datasync()
    return { sha256: sum.digest('hex'), size }
  } finally {
    await file.close()
  }
}

const zeros = Buffer.alloc(64 * 1024)

/** Writes a chunk of a new file at its place, leaving a hole for every 64 KiB of zeros: disk images are sparse. */
async function writeData(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  const isHole = (at: number): boolean => zeros.equals(chunk.subarray(at, at + zeros.length))
  for (let start = 0; start < chunk.length; ) {
    if (isHole(start)) {
      start += zeros.length
      continue
    }
    let end = start + zeros.length
    while (end < chunk.length && !isHole(end)) end += zeros.length
    end = Math.min(end, chunk.length)
    while (start < end) start += (await file.write(chunk, start, end - start, position + start)).bytesWritten
  }
}
