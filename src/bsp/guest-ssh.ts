import { createConnection } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { cleaner, cleanLine } from '#engine/build/log.ts'
import { requireProgram } from './qemu/host.ts'
import { loopback } from './qemu/ports.ts'
import { type Child, startChild } from './qemu/process.ts'

/** A key pair for one boot, in files of the run's own folder. */
export interface ThrowawayKey {
  readonly path: string
  /** `ssh-ed25519 AAAA… comment`. */
  readonly publicKey: string
}

/** @throws {YoeError} TOOL_MISSING */
export async function makeKey(folder: string): Promise<ThrowawayKey> {
  const { readFile } = await import('node:fs/promises')
  const path = join(folder, 'key')
  const keygen = await requireProgram('ssh-keygen', 'openssh-client')
  const args = ['-q', '-t', 'ed25519', '-N', '', '-C', 'yoe-boot-test', '-f', path]
  const child = await startChild(keygen, args, 'ignore')
  const ended = await child.ended
  if (ended.kind !== 'exited' || ended.code !== 0) throw new Error(`ssh-keygen: ${JSON.stringify(ended)}`)
  return { path, publicKey: (await readFile(`${path}.pub`, 'utf8')).trim() }
}

/**
 * The systemd credential that lets a key log in as root for one boot, beside the keys that the image has: systemd-tmpfiles
 * appends it (systemd 252 and later). The image itself stays as it is.
 *
 * @see tmpfiles.d(5), systemd.system-credentials(7) `tmpfiles.extra`
 */
export function keyCredential(publicKey: string): Readonly<Record<string, string>> {
  const line = Buffer.from(`\n${publicKey}\n`).toString('base64')
  const keys = '/root/.ssh/authorized_keys'
  return {
    'tmpfiles.extra': `d /root/.ssh 0700 root root -\nf ${keys} 0600 root root -\nw+~ ${keys} - - - - ${line}\n`,
  }
}

/**
 * Waits until an SSH server says hello on a forwarded port. QEMU itself accepts every connection at once, so only the
 * banner counts.
 *
 * @returns false when `signal` aborted first
 */
export async function waitForBanner(port: number, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    if (await banner(port, signal)) return true
    await sleep(200, undefined, { signal }).catch(() => {})
  }
  return false
}

function banner(port: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: loopback, signal })
    const settle = (found: boolean): void => {
      socket.destroy()
      resolve(found)
    }
    // A connection that was made before the guest had a network may hang for good.
    socket.setTimeout(3000, () => settle(false))
    socket.once('data', (chunk) => settle(chunk.toString('latin1').startsWith('SSH-2.0')))
    socket.once('error', () => settle(false))
    socket.once('close', () => settle(false))
  })
}

export interface CommandResult {
  /** Undefined: it did not end in time, or the connection broke. */
  readonly code: number | undefined
  /** The last lines of its output and errors, clean. */
  readonly output: readonly string[]
}

/** A shell of the guest's root, over one SSH connection. */
export interface GuestShell {
  run(command: string, signal: AbortSignal): Promise<CommandResult>
  close(): Promise<void>
}

/** Output kept of one command, in lines; each is bounded by the cleaner. */
const keptLines = 200

/**
 * Logs in as root. The host key is taken at first contact and pinned for this run; nothing of the user's own SSH
 * configuration, keys or agent has a say.
 *
 * @returns ssh's last words when it does not succeed
 * @throws {YoeError} TOOL_MISSING
 */
export async function openShell(
  port: number,
  key: ThrowawayKey,
  folder: string,
  signal: AbortSignal,
): Promise<GuestShell | string> {
  const ssh = await requireProgram('ssh', 'openssh-client')
  const control = join(folder, 'ssh')
  const common = sshOptions(port, key, folder)
  const start = (options: readonly string[], command: string): Promise<Child> =>
    startChild(ssh, [...common, ...options, `root@${loopback}`, '--', command], ['pipe', 'pipe', 'pipe'])
  // The first session carries all others, so that each command costs no handshake: seconds under TCG.
  const master = await start(['-o', 'ControlMaster=yes', '-o', `ControlPath=${control}`], 'echo ready; exec cat')
  const ready = await new Promise<true | string>((resolve) => {
    let said = ''
    master.process.stderr?.on('data', (chunk) => {
      said = (said + String(chunk)).slice(-4096)
    })
    master.process.stdout?.on('data', (chunk) => {
      if (String(chunk).includes('ready')) resolve(true)
    })
    master.process.stdin?.on('error', () => {})
    signal.addEventListener('abort', () => void master.stop(500))
    void master.ended.then(() => resolve(cleanLine(said.trim().split('\n').at(-1) ?? '') || 'ssh ended'))
  })
  if (ready !== true) return ready
  return {
    run: async (command, until) => runCommand(await start(['-o', `ControlPath=${control}`], command), until),
    close: async () => {
      master.process.stdin?.end()
      await master.stop(500)
    },
  }
}

async function runCommand(child: Child, signal: AbortSignal): Promise<CommandResult> {
  const lines: string[] = []
  const log = cleaner((text) => {
    lines.push(...text.split('\n').slice(0, -1))
    if (lines.length > keptLines) lines.splice(0, lines.length - keptLines)
  })
  child.process.stdout?.on('data', (chunk: Buffer) => log.push(chunk))
  child.process.stderr?.on('data', (chunk: Buffer) => log.push(chunk))
  child.process.stdin?.on('error', () => {})
  child.process.stdin?.end()
  const stop = (): void => void child.stop(500)
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop)
  const ended = await child.ended
  signal.removeEventListener('abort', stop)
  log.end()
  // 255 is ssh's own: no connection. A command that exits with it looks the same, and has failed either way.
  return { code: ended.kind === 'exited' ? ended.code : undefined, output: lines }
}

function sshOptions(port: number, key: ThrowawayKey, folder: string): readonly string[] {
  const settings = [
    'BatchMode=yes',
    'StrictHostKeyChecking=accept-new',
    `UserKnownHostsFile=${join(folder, 'known_hosts')}`,
    'GlobalKnownHostsFile=/dev/null',
    `IdentityFile=${key.path}`,
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    'PreferredAuthentications=none,publickey',
    // Emulated, the default (with its post-quantum half) takes a third longer; nobody listens on a loopback.
    'KexAlgorithms=^curve25519-sha256',
    'ForwardAgent=no',
    'ConnectTimeout=20',
    'ServerAliveInterval=15',
    'ServerAliveCountMax=8',
    'LogLevel=ERROR',
  ]
  return ['-F', '/dev/null', '-T', '-p', String(port), ...settings.flatMap((setting) => ['-o', setting])]
}
