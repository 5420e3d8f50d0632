import { spawn } from 'node:child_process'
import { existsSync, lstatSync } from 'node:fs'
import { Readable, Writable } from 'node:stream'
import { YoeError } from '../errors.ts'
import { runProgram } from './host-program.ts'
import { plainInstallMaps, rootRange, self, writePlainMaps } from './identity.ts'

/**
 * Makes a tree on the host readable and removable for this process, whatever modes a hostile task gave it, and its files
 * readable or also writable for runs. All other modes stay, and are the same whoever asks. Links are not followed. Nothing
 * may run in the tree meanwhile.
 */
export async function openTree(path: string, access: 'r' | 'rw'): Promise<void> {
  const { root } = await self()
  const owner = String(root ? rootRange.first : process.getuid?.())
  // What has its owner is left alone: chown would take set-id bits.
  const chown = ['!', '-user', owner, '-exec', 'chown', '--no-dereference', `${owner}:${owner}`, '--', '{}', '+']
  // A folder is opened before find looks into it. What belongs to a plain user's subordinate id stays as it is.
  const foreign = ['-type', 'd', '!', '-user', owner, '-prune']
  const mine = root ? [] : ['-user', owner]
  const folders = ['-type', 'd', '!', '-perm', '-u=rwx', '-exec', 'chmod', 'u+rwx', '--', '{}', ';']
  const files = ['-type', 'f', ...mine, '!', '-perm', `-u=${access}`, '-exec', 'chmod', `u+${access}`, '--', '{}', '+']
  await runProgram('find', [
    ...['-P', path],
    ...(root ? ['(', ...chown, ','] : [...foreign, '-o', '(']),
    ...[...folders, ',', ...files, ')'],
  ])
}

/**
 * Removes trees that runs wrote to: also folders without permissions, names longer than a path may be, and files of a
 * plain user's subordinate ids. No error where there is none.
 *
 * @throws {YoeError} PERMISSION
 */
export async function removeTree(...trees: readonly string[]): Promise<void> {
  const paths = trees.filter((path) => lstatSync(path, { throwIfNoEntry: false }) !== undefined)
  if (paths.length === 0) return
  const remove = ['rm', '-rf', '--one-file-system', '--', ...paths]
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
      if (!paths.some((path) => existsSync(path))) return
    }
  }
  const left = paths.filter((path) => existsSync(path)).join(' ')
  throw new YoeError('PERMISSION', `${left} can't be removed`, { hint: `sudo rm -rf ${left}`, cause })
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
