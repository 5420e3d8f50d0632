import { spawn } from 'node:child_process'
import { statfs } from 'node:fs/promises'

/**
 * Bytes that files and trees take on the disk, holes not counted, each file once however many names it has. By `du`, whose
 * calls for a hundred thousand files don't hold up this process; what it can't read counts for nothing.
 *
 * @param paths absolute
 */
export async function diskUsage(paths: readonly string[]): Promise<ReadonlyMap<string, number>> {
  if (paths.length === 0) return new Map()
  const child = spawn('du', ['--summarize', '--block-size=1', '--null', '--files0-from=-'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const texts: Buffer[] = []
  child.stdout.on('data', (text: Buffer) => texts.push(text))
  const ended = new Promise<void>((done, failed) => {
    child.once('error', failed)
    child.once('close', () => done())
  })
  child.stdin.on('error', () => {})
  child.stdin.end(paths.map((path) => `${path}\0`).join(''))
  await ended
  const lines = Buffer.concat(texts).toString().split('\0')
  return new Map(
    lines.flatMap((line): [string, number][] => {
      const [, size, path] = /^(\d+)\t(.+)$/s.exec(line) ?? []
      return path === undefined ? [] : [[path, Number(size)]]
    }),
  )
}

/** Bytes that this user may still write where `path` is. */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path)
  return bavail * bsize
}
