import { closeSync, constants, openSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runProgram } from './host-program.ts'

/**
 * A pipe for what a run prints. Node's own are sockets, which a program can't open again as /dev/stdout or
 * /dev/stderr: builds do.
 */
export interface Output {
  readonly writeFd: number
  /** To be called when the child has the writing end. */
  release(): void
  /** Resolves when nobody is left who could write. */
  drain(chunk: (data: Buffer) => void): Promise<void>
}

/** A pipe for what a run prints, which it may open again by its name, whichever id it has. */
export async function openOutput(): Promise<Output> {
  const folder = await mkdtemp(join(tmpdir(), 'yoe-out-'))
  try {
    const path = join(folder, 'pipe')
    // Writable by whichever id the run has: it may open it again by its /proc name. Nobody else gets into the folder.
    await runProgram('mkfifo', ['--mode=0622', path])
    const readFd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const writeFd = openSync(path, constants.O_WRONLY)
    return {
      writeFd,
      release: () => closeSync(writeFd),
      drain: (chunk) =>
        new Promise((resolve, reject) => {
          const socket = new Socket({ fd: readFd, readable: true, writable: false })
          socket.on('data', chunk)
          socket.once('end', () => socket.destroy())
          socket.once('error', reject)
          socket.once('close', () => resolve())
        }),
    }
  } finally {
    await rm(folder, { recursive: true })
  }
}
