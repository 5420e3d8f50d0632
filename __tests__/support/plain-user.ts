import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { ending } from './processes.ts'
import { checkout, type Ran } from './project.ts'

/** Any that nobody has. */
const id = '54321'

/**
 * Runs a command of plain-user.sh's world as a plain user; only root can. Of this process's environment nothing stays:
 * a Node that runs tests tells it to its children, for one.
 *
 * @param world absolute folder that becomes the user's own, `/mnt/world`
 * @param host another name that the machine has meanwhile
 */
export function asPlainUser(world: string, command: readonly string[], host?: string): Promise<Ran> {
  const named = host === undefined ? [] : ['--uts', 'sh', '-c', 'hostname "$0" && exec "$@"', host]
  const become = [
    'sh',
    join(checkout, '__tests__/support/plain-user.sh'),
    dirname(process.execPath),
    checkout,
    world,
    id,
  ]
  return ending(
    spawn('unshare', ['--mount', '--propagation', 'private', ...named, ...become, ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] },
    }),
  )
}
