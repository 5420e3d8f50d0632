import { spawn } from 'node:child_process'
import { basename, dirname } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { OnDevice } from '#engine/formats.ts'
import { errorCode } from '#engine/store/disk.ts'

/** A device that ssh reaches. */
export interface DeviceAddress {
  readonly host: string
  readonly user: string
  readonly port: number | undefined
}

/** `[user@]host[:port]`; the user is root where none is named. @throws {YoeError} USAGE */
export function parseDevice(text: string): DeviceAddress {
  const match =
    /^(?:([a-z_][a-z0-9_-]*)@)?([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9a-fA-F:.]+\])(?::(\d{1,5}))?$/.exec(
      text,
    )
  if (match === null) {
    throw new YoeError('USAGE', `${JSON.stringify(text)} is no device`, { hint: 'such as: root@dev-pi.local:2222' })
  }
  const [, user = 'root', host = '', port] = match
  return { host: host.replace(/^\[(.*)\]$/, '$1'), user, port: port === undefined ? undefined : Number(port) }
}

/** Installs what came in a tar. */
const install = ({ addFiles }: OnDevice): string =>
  `
set -eu
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT
tar -xf -
main=$1; shift
${addFiles}
`.trim()

/**
 * Copies packages to a device and installs them there, whatever versions it has. The system's own ssh finds the way, with
 * the user's keys and settings.
 *
 * @param packages absolute paths; the first is the one to install, others only where they are installed already
 * @param output what the device says
 * @throws {YoeError} PUBLISH_FAILED with the last lines; TOOL_MISSING; CANCELLED
 */
export async function deployPackages(
  { host, user, port }: DeviceAddress,
  format: OnDevice,
  packages: readonly string[],
  output: (text: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  const names = packages.map((path) => `./${basename(path)}`)
  const folder = dirname(packages[0] ?? '.')
  const remote = `sh -c ${quoted(install(format))} install ${names.map(quoted).join(' ')}`
  const where = port === undefined ? [] : ['-p', String(port)]
  const tar = spawn('tar', ['--create', '--dereference', '--file=-', '--', ...names], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const ssh = spawn('ssh', [...where, '-l', user, '--', host, remote], {
    stdio: [tar.stdout, 'pipe', 'pipe'],
    ...(signal === undefined ? {} : { signal }),
  })
  tar.stdout.destroy() // ssh has it
  let said = ''
  for (const stream of [ssh.stdout, ssh.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-4000)
      output(chunk.toString())
    })
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    ssh.on('error', (failure) => {
      if (signal?.aborted === true) reject(new YoeError('CANCELLED', `installing on ${host} was cancelled`))
      else if (errorCode(failure) !== 'ENOENT') reject(failure)
      else reject(new YoeError('TOOL_MISSING', 'ssh is not installed', { hint: 'sudo apt-get install openssh-client' }))
    })
    ssh.on('close', resolve)
  }).finally(() => tar.kill())
  if (code === 0) return
  const tail = said.trim().split('\n').slice(-5).join('\n  ')
  throw new YoeError('PUBLISH_FAILED', `${basename(packages[0] ?? '')} can't be installed on ${host}\n  ${tail}`, {
    hint: `ssh ${where.join(' ')}${where.length > 0 ? ' ' : ''}${user}@${host} has to work, as a user who may install packages`,
  })
}

/** For the shell at the other end. */
export const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
