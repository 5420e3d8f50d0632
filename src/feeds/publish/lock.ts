import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { YoeError } from '#engine/errors.ts'
import type { Reporter } from '#engine/events.ts'
import { errorCode } from '#engine/store/disk.ts'

/**
 * Runs `work` while holding the kernel's lock on a file. The lock belongs to a flock(1) child that waits for the end
 * of its input: whatever becomes of this process, the kernel closes the pipe, the child ends, and the lock is free.
 *
 * @param path absolute; created when missing; its folder exists. It names its holder's pid while held.
 * @param report told once when somebody else holds the lock
 * @throws {YoeError} TOOL_MISSING when the host has no flock
 */
export async function withLock<T>(path: string, report: Reporter, work: () => Promise<T>): Promise<T> {
  const holder = spawn('flock', ['--exclusive', '--', path, 'sh', '-c', 'echo locked; exec cat >/dev/null'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    // A terminal's Ctrl-C must end the work, not the lock under it.
    detached: true,
  })
  holder.stdin.on('error', () => {})
  const waiting = setTimeout(async () => {
    const pid = (await readFile(path, 'utf8').catch(() => '')).trim()
    report({
      type: 'notice',
      message: `waiting for another publisher${/^\d+$/.test(pid) ? ` (pid ${pid})` : ''}: ${path}`,
    })
  }, 1000)
  const ended = new Promise<void>((resolve) => holder.once('close', () => resolve()))
  try {
    await new Promise<void>((resolve, reject) => {
      holder.once('error', (failure) => {
        const missing = new YoeError('TOOL_MISSING', 'flock is needed to publish', {
          hint: 'sudo apt-get install util-linux',
        })
        reject(errorCode(failure) === 'ENOENT' ? missing : failure)
      })
      holder.stdout.once('data', () => resolve())
      holder.once('close', (code) => reject(new YoeError('PERMISSION', `${path} can't be locked (flock exit ${code})`)))
    })
    clearTimeout(waiting)
    await writeFile(path, `${process.pid}\n`)
    return await work()
  } finally {
    clearTimeout(waiting)
    holder.stdin.end()
    if (holder.pid !== undefined) await ended
  }
}
