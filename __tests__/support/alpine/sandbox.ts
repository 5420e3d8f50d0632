import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ending } from '../processes.ts'
import type { Ran } from '../project.ts'

export interface SandboxedRun {
  readonly argv: readonly string[]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Bytes for standard input; it is empty otherwise. */
  readonly stdin?: Uint8Array
  /** What bubblewrap makes of the file system. */
  readonly view: readonly string[]
}

/** What chown, chroot and scripts of packages need, and no more. */
const capabilities = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'SETUID', 'SETGID', 'SYS_CHROOT', 'SETFCAP']

/**
 * Runs a command under bubblewrap: as root with its own ids, else as root of a user namespace with the user's
 * subordinate ids. It sees what `view` shows and reaches this machine's network.
 */
export async function sandboxed({ argv, view, cwd = '/', env = {}, stdin }: SandboxedRun): Promise<Ran> {
  const root = process.getuid?.() === 0
  const become = root ? [] : ['unshare', '--user', '--map-root-user', '--map-auto']
  const set = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', HOME: '/root', ...env }
  const [program = '', ...rest] = [
    ...become,
    ...['bwrap', '--unshare-ipc', '--unshare-pid', '--unshare-uts', '--unshare-cgroup-try', '--die-with-parent'],
    ...['--new-session', '--cap-drop', 'ALL', ...capabilities.flatMap((name) => ['--cap-add', `CAP_${name}`])],
    ...view,
    ...['--chdir', cwd, '--clearenv'],
    ...Object.entries(set).flatMap(([name, value]) => ['--setenv', name, value]),
    ...['--', ...argv],
  ]
  const child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.on('error', () => undefined) // a program need not read
  child.stdin.end(stdin)
  return ending(child)
}

/** The programs of an unpacked system at their places, read-only, and folders for all else. */
export function programsOf(system: string): readonly string[] {
  const there = ['bin', 'sbin', 'lib', 'lib64', 'usr', 'etc'].filter((name) => existsSync(join(system, name)))
  return ['--tmpfs', '/', ...there.flatMap((name) => ['--ro-bind', join(system, name), `/${name}`]), ...kernelFolders]
}

export const kernelFolders: readonly string[] = [
  '--proc',
  '/proc',
  '--dev',
  '/dev',
  '--perms',
  '1777',
  '--tmpfs',
  '/tmp',
]
