import { spawn } from 'node:child_process'
import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs'
import { hostname } from 'node:os'
import { YoeError } from '../errors.ts'
import { errorCode, writeFailure } from './disk.ts'

/** Held until released, or until this process dies, however it dies: the kernel keeps it. */
export interface Lock extends AsyncDisposable {
  release(): Promise<void>
}

export interface LockOptions {
  /** Several may hold it for reading at a time. Default: false, one alone. */
  readonly shared?: boolean
  /** Told once when somebody else holds it: who, as they said, and since when. */
  readonly waiting?: (holder: string) => void
  /** Around the time that is spent waiting for somebody else. */
  readonly wait?: <T>(until: () => Promise<T>) => Promise<T>
  readonly signal?: AbortSignal | undefined
}

/**
 * Locks a file, which is made where it is missing and removed with the last exclusive release. The lock is flock(2)'s,
 * put on a descriptor of this process by util-linux's `flock`, since Node can't: it works between containers that share
 * a folder, too, and no lock outlives its holder.
 *
 * @throws {YoeError} CANCELLED; TOOL_MISSING without `flock`; DISK_FULL, PERMISSION
 */
export async function lockFile(path: string, options: LockOptions = {}): Promise<Lock> {
  for (;;) {
    // A number and not a FileHandle: that is closed, and the lock with it, when nobody refers to it any more.
    const fd = await opened(path)
    try {
      if (!(await flock(fd, ['--nonblock'], options))) {
        options.waiting?.(holderOf(path))
        const { wait = (until) => until() } = options
        await wait(() => flock(fd, [], options))
      }
      // Whoever held it may have removed the file: then this is a lock on nothing.
      if (isStill(fd, path)) return held(fd, path, options.shared === true)
      closeSync(fd)
    } catch (failure) {
      closeSync(fd)
      throw failure
    }
  }
}

async function opened(path: string): Promise<number> {
  try {
    return openSync(path, 'a+', 0o644)
  } catch (failure) {
    throw await writeFailure(failure, path)
  }
}

function held(fd: number, path: string, shared: boolean): Lock {
  if (!shared) {
    try {
      ftruncateSync(fd)
      writeSync(fd, `process ${process.pid} on ${hostname()}, since ${new Date().toISOString()}`)
    } catch {
      // It is held all the same; whoever waits is not told by whom.
    }
  }
  let open = true
  const release = async (): Promise<void> => {
    if (!open) return
    open = false
    if (!shared) rmSync(path, { force: true })
    closeSync(fd)
  }
  return { release, [Symbol.asyncDispose]: release }
}

function isStill(fd: number, path: string): boolean {
  const [mine, there] = [fstatSync(fd), statSync(path, { throwIfNoEntry: false })]
  return there !== undefined && there.ino === mine.ino && there.dev === mine.dev
}

function holderOf(path: string): string {
  let text = ''
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    // It has just been released.
  }
  return /^[\x20-\x7e]{1,300}$/.test(text) ? text : 'another process'
}

/** @returns false when somebody else holds it and the arguments say not to wait */
function flock(fd: number, args: readonly string[], { shared, signal }: LockOptions): Promise<boolean> {
  const argv = [shared === true ? '--shared' : '--exclusive', ...args, '3']
  return new Promise((resolve, reject) => {
    const child = spawn('flock', argv, {
      stdio: ['ignore', 'ignore', 'ignore', fd],
      ...(signal ? { signal } : {}),
    })
    child.on('error', (failure) => {
      if (signal?.aborted === true) reject(new YoeError('CANCELLED', 'waiting for a lock was cancelled'))
      else if (errorCode(failure) !== 'ENOENT') reject(failure)
      else reject(new YoeError('TOOL_MISSING', 'flock is not installed', { hint: 'sudo apt-get install util-linux' }))
    })
    child.on('exit', (code, killed) => {
      if (code === 0) resolve(true)
      else if (code === 1 && args.length > 0) resolve(false)
      else if (signal?.aborted !== true) reject(new Error(`flock ended with ${code ?? killed}`))
    })
  })
}
