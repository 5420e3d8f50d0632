import { readFileSync } from 'node:fs'
import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'

/** A program of the host that yoe starts. */
export interface HostTool {
  readonly name: string
  /** The Debian package that brings it. */
  readonly package: string
  /** What can't be done without it. */
  readonly purpose: string
  /** Where it was found. */
  readonly path: string | undefined
}

const qemuPackages: Readonly<Partial<Record<NodeJS.Architecture, readonly [string, string]>>> = {
  x64: ['qemu-system-x86_64', 'qemu-system-x86'],
  arm64: ['qemu-system-aarch64', 'qemu-system-arm'],
  riscv64: ['qemu-system-riscv64', 'qemu-system-misc'],
}

const wanted = (): readonly (readonly [name: string, debianPackage: string, purpose: string])[] => [
  ['bwrap', 'bubblewrap', 'building'],
  ['unshare', 'util-linux', 'building'],
  ['setpriv', 'util-linux', 'building'],
  ['mount', 'mount', 'building'],
  ['bash', 'bash', 'building'],
  ['find', 'findutils', 'building'],
  ['newuidmap', 'uidmap', 'installing packages into an image, unless root'],
  ['mmdebstrap', 'mmdebstrap', 'making the first tools root'],
  ['git', 'git', 'fetching sources'],
  ['ssh', 'openssh-client', 'reaching devices'],
  ['xz', 'xz-utils', 'reading feeds'],
  [...(qemuPackages[process.arch] ?? (['qemu-system-x86_64', 'qemu-system-x86'] as const)), 'running images'],
]

/** The host's programs that yoe uses, found or not; in the order of their need. */
export async function hostTools(
  path = `${process.env['PATH'] ?? ''}${delimiter}/usr/sbin${delimiter}/sbin`,
): Promise<HostTool[]> {
  const find = async (name: string): Promise<string | undefined> => {
    for (const folder of path.split(delimiter)) {
      if (folder === '') continue
      const candidate = join(folder, name)
      const usable = await access(candidate, constants.X_OK).then(
        () => true,
        () => false,
      )
      if (usable) return candidate
    }
    return undefined
  }
  return Promise.all(
    wanted().map(async ([name, debianPackage, purpose]) => ({
      name,
      package: debianPackage,
      purpose,
      path: await find(name),
    })),
  )
}

/** A file of /proc/sys, trimmed; undefined when this kernel has none such. */
export type ReadSetting = (path: string) => string | undefined

const readSetting: ReadSetting = (path) => {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}

const settings: readonly (readonly [path: string, forbids: string, reason: string, mend: string])[] = [
  [
    '/proc/sys/user/max_user_namespaces',
    '0',
    'this machine allows no user namespaces',
    'sudo sysctl -w user.max_user_namespaces=28633',
  ],
  [
    '/proc/sys/kernel/unprivileged_userns_clone',
    '0',
    'this machine allows user namespaces to root alone',
    'sudo sysctl -w kernel.unprivileged_userns_clone=1',
  ],
  [
    '/proc/sys/kernel/apparmor_restrict_unprivileged_userns',
    '1',
    'AppArmor takes all capabilities from user namespaces (the default of Ubuntu since 23.10)',
    'sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
  ],
]

export interface Obstacle {
  readonly reason: string
  /** The line to type. */
  readonly hint: string
}

/** A setting of this machine that forbids sandboxes to anybody but root; yoe's runs are never root's. */
export function namespaceObstacle(read: ReadSetting = readSetting): Obstacle | undefined {
  for (const [path, forbids, reason, hint] of settings) if (read(path) === forbids) return { reason, hint }
  return undefined
}

/**
 * What stands in the way of a sandbox, judging by what was said when making one failed and by how the machine is set.
 *
 * @param said the messages of the programs that make a sandbox
 */
export function diagnose(said: string, read: ReadSetting = readSetting): Obstacle {
  const missing =
    /(?:spawn |: )(bwrap|unshare|setpriv|bash|mount|newuidmap|mkfifo)(?: ENOENT|: command not found|: not found)|failed to execute (bwrap|bash|unshare|setpriv): No such file/.exec(
      said,
    )
  const name = missing?.[1] ?? missing?.[2]
  if (name !== undefined) {
    const debianPackage = wanted().find(([tool]) => tool === name)?.[1] ?? 'coreutils'
    return { reason: `${name} is not installed`, hint: `sudo apt-get install ${debianPackage}` }
  }
  const obstacle = namespaceObstacle(read)
  if (obstacle !== undefined) return obstacle
  // mount(8) ends with a line about dmesg(1); what failed is told before it.
  const lines = said.split('\n').filter((line) => line.trim() !== '' && !line.includes('dmesg(1)'))
  const last = lines.at(-1)?.trim() ?? ''
  if (/mount proc|\/proc: Operation not permitted/i.test(said))
    return {
      reason: `${last} (a container that hides parts of /proc)`,
      hint: 'start the container with --security-opt systempaths=unconfined --security-opt seccomp=unconfined',
    }
  if (/unshare failed: Operation not permitted|Creating new namespace failed/i.test(said))
    return {
      reason: `${last} (a container that forbids namespaces)`,
      hint: 'start the container with --security-opt seccomp=unconfined --security-opt apparmor=unconfined --cap-add SYS_ADMIN',
    }
  return { reason: last, hint: 'yoe doctor' }
}

/** Why a Docker daemon can't be used, judging by how asking it failed. */
export function dockerObstacle(failure: Error): Obstacle {
  const code = 'code' in failure ? failure.code : undefined
  if (code === 'ENOENT' || code === 'ECONNREFUSED')
    return { reason: 'no Docker daemon answers', hint: 'sudo systemctl start docker' }
  if (code === 'EACCES')
    return {
      reason: 'the Docker daemon is not open to this user',
      hint: 'sudo usermod -aG docker "$USER", then log in again',
    }
  const text =
    'json' in failure && typeof failure.json === 'object' && failure.json !== null && 'message' in failure.json
      ? String(failure.json.message)
      : failure.message
  const { reason, hint } = diagnose(text)
  return { reason: `Docker could not make a container: ${reason}`, hint }
}
