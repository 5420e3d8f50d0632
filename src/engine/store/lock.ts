import { spawn } from 'node:child_process'
import { type FileHandle, open, readFile, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { YoeError } from '../errors.ts'
import { errorCode } from './disk.ts'

/** Held until released, or until this process dies, however it dies: the kernel keeps it. */
export interface Lock extends AsyncDisposable {
  release(): Promise<void>
}

export interface LockOptions {
  /** Several may hold it for reading at a time. Default: false, one alone. */
  readonly shared?: boolean
  /** Told once when somebody else holds it: who, as they said, and since when. */
  readonly waiting?: (holder: string) => void
  readonly signal?: AbortSignal | undefined
}

/**
 * Locks a file, which is made where it is missing and removed with the last exclusive release. The lock is flock(2)'s,
 * put on a descriptor of this process by util-linux's `flock`, since Node can't: it works between containers that share
 * a folder, too, and no lock outlives its holder.
 *
 * @throws {YoeError} CANCELLED; TOOL_MISSING without `flock`
 */
export async function lockFile(path: string, options: LockOptions = {}): Promise<Lock> {
  for (;;) {
    const file = await open(path, 'a+', 0o644)
    try {
      if (!(await flock(file, ['--nonblock'], options))) {
        options.waiting?.(await holderOf(path))
        await flock(file, [], options)
      }
      // Whoever held it may have removed the file: then this is a lock on nothing.
      if (await isStill(file, path)) return held(file, path, options.shared === true)
      await file.close()
    } catch (failure) {
      await file.close()
      throw failure
    }
  }
}

async function held(file: FileHandle, path: string, shared: boolean): Promise<Lock> {
  if (!shared) {
    const who = `process ${process.pid} on ${hostname()}, since ${new Date().toISOString()}`
    await file.truncate(0)
    await file.write(who)
  }
  let open = true
  const release = async (): Promise<void> => {
    if (!open) return
    open = false
    if (!shared) await rm(path, { force: true })
    await file.close()
  }
  return { release, [Symbol.asyncDispose]: release }
}

async function isStill(file: FileHandle, path: string): Promise<boolean> {
  const [mine, there] = await Promise.all([file.stat(), stat(path).catch(() => undefined)])
  return there !== undefined && there.ino === mine.ino && there.dev === mine.dev
}

async function holderOf(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return /^[\x20-\x7e]{1,300}$/.test(text) ? text : 'another process'
}

/** @returns false when somebody else holds it and the arguments say not to wait */
function flock(file: FileHandle, args: readonly string[], { shared, signal }: LockOptions): Promise<boolean> {
  const argv = [shared === true ? '--shared' : '--exclusive', ...args, '3']
  return new Promise((resolve, reject) => {
    const child = spawn('flock', argv, {
      stdio: ['ignore', 'ignore', 'ignore', file.fd],
      ...(signal ? { signal } : {}),
    })
    child.on('error', (failure) => {
      if (signal?.aborted === true) reject(new YoeError('CANCELLED', 'waiting for a lock was cancelled'))
      else if (errorCode(failure) !== 'ENOENT') reject(failure)
      else reject(new YoeError('TOOL_MISSING', 'flock is not installed', { hint: 'apt-get install util-linux' }))
    })
    child.on('exit', (code, killed) => {
      if (code === 0) resolve(true)
      else if (code === 1 && args.length > 0) resolve(false)
      else if (signal?.aborted !== true) reject(new Error(`flock ended with ${code ?? killed}`))
    })
  })
}
