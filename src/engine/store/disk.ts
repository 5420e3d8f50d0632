import { execFile } from 'node:child_process'
import { mkdir, readFile, stat, statfs } from 'node:fs/promises'
import { constants } from 'node:os'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { YoeError } from '../errors.ts'

/** The system's short name of a failure, such as `ENOENT`; '' when it has none. */
export function errorCode(failure: unknown): string {
  // A quota that is used up is the one failure of writing that Node has no name for.
  if (failure instanceof Error && 'errno' in failure && failure.errno === -constants.errno.EDQUOT) return 'EDQUOT'
  return failure instanceof Error && 'code' in failure && typeof failure.code === 'string' ? failure.code : ''
}

/** Makes a folder and those above it. Node's own `recursive` answers ENOENT where the disk is read-only. */
export async function makeFolder(path: string): Promise<void> {
  if (await made(path)) return
  if (path !== dirname(path)) await makeFolder(dirname(path))
  await mkdir(path, { mode: 0o755 }).catch((failure: unknown) => {
    if (errorCode(failure) !== 'EEXIST') throw failure
  })
}

/** False when what would hold it is missing. */
async function made(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o755 })
    return true
  } catch (failure) {
    if (errorCode(failure) === 'ENOENT') return false
    if (errorCode(failure) !== 'EEXIST') throw failure
    return true
  }
}

/** What a failed write means to a user: a full, read-only or broken disk is their machine's; anything else passes as it is. */
export async function writeFailure(failure: unknown, path: string, needed?: number): Promise<unknown> {
  const cause = { cause: failure }
  switch (errorCode(failure)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return diskFull(path, needed, failure)
    case 'EROFS':
    case 'EACCES':
    case 'EPERM':
      return new YoeError('PERMISSION', `${path} can't be written (${errorCode(failure)})`, {
        hint: 'give yoe a writable cache: YOE_CACHE=/some/folder',
        ...cause,
      })
    case 'EIO':
      return new YoeError('STORE_DAMAGED', `the disk under ${path} reports errors (EIO)`, {
        hint: 'the file system needs a look (dmesg), or move the cache: YOE_CACHE=/some/folder',
        ...cause,
      })
    case 'EMFILE':
    case 'ENFILE':
      return new YoeError('PERMISSION', `no more files can be opened (${errorCode(failure)})`, {
        hint: 'raise the limit: ulimit -n 4096',
        ...cause,
      })
    default:
      return failure
  }
}

/** @param needed bytes that were to be written */
async function diskFull(path: string, needed: number | undefined, cause?: unknown): Promise<YoeError> {
  const space = await freeSpace(path)
  const where = space === undefined ? path : `the file system at ${space.mount}`
  const noInodes = space !== undefined && space.inodes === 0
  const left = space === undefined ? '' : noInodes ? ', it has no inodes left' : `, ${space.bytes} bytes are left`
  const wanted = needed === undefined ? '' : `: ${needed} bytes are needed for ${path}`
  return new YoeError('DISK_FULL', `${where} is full${wanted}${left}`, {
    hint: 'free some (yoe cache gc, yoe clean), or move the cache to a larger disk: YOE_CACHE=/some/folder',
    cause,
  })
}

/** Refuses a write of `needed` bytes that can't fit, before its first byte. @throws {YoeError} DISK_FULL */
export async function requireSpace(path: string, needed: number): Promise<void> {
  const space = await freeSpace(path)
  if (space !== undefined && space.bytes < needed) throw await diskFull(path, needed)
}

/** Makes everything in the file system of `path` survive a power cut: for trees of many files, where that is quicker. */
export async function syncFileSystem(path: string): Promise<void> {
  await promisify(execFile)('sync', ['--file-system', path])
}

/** What an unprivileged writer may still use where `path` is or will be; undefined when nobody can tell. */
async function freeSpace(path: string): Promise<{ mount: string; bytes: number; inodes: number } | undefined> {
  for (let at = path; ; at = dirname(at)) {
    try {
      const { bavail, bsize, ffree, files } = await statfs(at)
      // File systems without an inode table report 0 of 0.
      return { mount: await mountPoint(at), bytes: bavail * bsize, inodes: files === 0 ? 1 : ffree }
    } catch (failure) {
      if (errorCode(failure) !== 'ENOENT' || at === dirname(at)) return undefined
    }
  }
}

async function mountPoint(path: string): Promise<string> {
  const { dev } = await stat(path)
  const number = `${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`
  const table = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '')
  const fields = table.split('\n').map((line) => line.split(' '))
  const points = fields.flatMap(([, , device, , point]) => (device === number && point !== undefined ? [point] : []))
  const above = points.filter((point) => path === point || point === '/' || path.startsWith(`${point}/`))
  return above.sort((a, b) => b.length - a.length)[0] ?? path
}
