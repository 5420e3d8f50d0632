import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { Readable, Writable } from 'node:stream'
import { YoeError } from '../errors.ts'
import { runProgram } from './host-program.ts'
import { plainInstallMaps, rootRange, self, writePlainMaps } from './identity.ts'

/**
 * Makes a tree on the host writable for runs, and readable and removable for this process, whatever modes a hostile task
 * gave it. Links are not followed. Nothing may run in the tree meanwhile.
 */
export async function openTree(path: string): Promise<void> {
  if ((await self()).root) {
    const id = rootRange.first
    await runProgram('chown', ['--recursive', '--no-dereference', '-P', `${id}:${id}`, '--', path])
    return
  }
  // A folder is opened before find looks into it. What belongs to a subordinate id stays as it is.
  const mine = ['-user', String(process.getuid?.())]
  const foreign = ['-type', 'd', '!', ...mine, '-prune']
  const folders = ['-type', 'd', '!', '-perm', '-u=rwx', '-exec', 'chmod', 'u+rwx', '--', '{}', ';']
  const files = ['-type', 'f', ...mine, '!', '-perm', '-u=rw', '-exec', 'chmod', 'u+rw', '--', '{}', '+']
  await runProgram('find', ['-P', path, ...foreign, '-o', '(', ...folders, ',', ...files, ')'])
}

/**
 * Removes a tree that runs wrote to: also folders without permissions, names longer than a path may be, and files of a
 * plain user's subordinate ids. No error when there is none.
 *
 * @throws {YoeError} PERMISSION
 */
export async function removeTree(path: string): Promise<void> {
  const remove = ['rm', '-rf', '--one-file-system', '--', path]
  const attempts = [
    () => runProgram('rm', remove.slice(1)),
    // As root of a namespace in which everything of ours is root's.
    () => runProgram('unshare', ['--user', '--map-root-user', ...remove]),
    () => withInstallIds(remove),
  ]
  let cause: unknown
  for (const attempt of attempts) {
    try {
      await attempt()
      return
    } catch (failure) {
      cause = failure
      if (!existsSync(path)) return
    }
  }
  throw new YoeError('PERMISSION', `${path} can't be removed`, { hint: `sudo rm -rf ${path}`, cause })
}

/** Runs a command of the host on the host, as root of a plain user's own and subordinate ids. */
async function withInstallIds(argv: readonly string[]): Promise<void> {
  const who = await self()
  await plainInstallMaps(who)
  const child = spawn('unshare', ['--user', 'bash', '-c', 'echo >&3; read -r _ <&4; exec "$@"', 'yoe', ...argv], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
  })
  const [ready, go] = child.stdio.slice(3)
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${argv[0]} failed (${code})`))))
    if (!(ready instanceof Readable && go instanceof Writable)) return
    ready.once('data', () => {
      writePlainMaps(child.pid ?? 0, who).then(
        () => go.end('go\n'),
        (failure: unknown) => {
          child.kill()
          reject(failure)
        },
      )
    })
  })
}
