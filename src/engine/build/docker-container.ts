import type Docker from 'dockerode'
import { containerCommand } from './docker-entry.ts'
import { hostFolders, label } from './docker-images.ts'
import { ownerLabel, thisOwner } from './docker-orphans.ts'
import { seccompProfile } from './seccomp.ts'
import type { Mount, Run } from './worker.ts'

/** Who a container's processes are on the host: never its root. */
export interface ContainerIds {
  readonly uid: number
  readonly gid: number
}

/** What of /proc a building run can't write; not all of /proc/sys, whose `user` the entry needs once. */
const readonlyPaths = [
  ...['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sysrq-trigger'],
  ...['abi', 'debug', 'dev', 'fs', 'kernel', 'net', 'vm'].map((name) => `/proc/sys/${name}`),
]

const maskedPaths = ['acpi', 'asound', 'interrupts', 'kcore', 'keys', 'latency_stats', 'sched_debug', 'scsi']
  .concat('timer_list', 'timer_stats')
  .map((name) => `/proc/${name}`)

/** @see https://docs.docker.com/reference/api/engine, ContainerCreate: a field that the types lack */
interface HostConfig extends Docker.HostConfig {
  readonly CgroupnsMode: 'private'
}

/** Everything about a container for a run: what it may do is what a sandbox of bubblewrap may. */
export async function containerOptions(
  run: Run,
  image: string,
  { uid, gid }: ContainerIds,
  token: string,
): Promise<Docker.ContainerCreateOptions> {
  const { limits, identity } = run
  const installing = identity === 'install'
  const owned = `uid=${uid},gid=${gid}`
  const memory = (size: number, mode: string): string =>
    `rw,exec,nosuid,nodev,size=${size},nr_inodes=${limits.scratchEntries},mode=${mode},${owned}`
  const scratch = memory(Math.floor(limits.memoryBytes / 2), '1777')
  const bound = (Name: string, value: number): Docker.Ulimit => ({ Name, Soft: value, Hard: value })
  const host: readonly Mount[] =
    run.root === 'host' ? (await hostFolders()).map((path) => ({ source: path, target: path, writable: false })) : []
  const hostConfig: HostConfig = {
    NetworkMode: 'none',
    IpcMode: 'none',
    CgroupnsMode: 'private',
    UsernsMode: 'host',
    ReadonlyRootfs: true,
    Privileged: false,
    CapDrop: ['ALL'],
    SecurityOpt: [
      'no-new-privileges',
      // Docker's own profile would forbid writing the setting that ends user namespaces, and mounts when installing.
      'apparmor=unconfined',
      'label=disable',
      `seccomp=${JSON.stringify(seccompProfile(identity))}`,
    ],
    // A namespace can mount a /proc of its own only where nothing of the one around it is covered.
    MaskedPaths: installing ? [] : maskedPaths,
    ReadonlyPaths: installing ? [] : readonlyPaths,
    Tmpfs: {
      '/tmp': scratch,
      '/dev/shm': scratch,
      '/sys': 'ro,nosuid,nodev,noexec,size=4096,mode=555',
      ...Object.fromEntries((run.tmpfs ?? []).map(({ target, size }) => [target, memory(size, '0755')])),
    },
    Mounts: [...host, ...run.mounts].map(({ source, target, writable }) => ({
      Type: 'bind' as const,
      Source: source,
      Target: target,
      ReadOnly: !writable,
      BindOptions: { Propagation: 'rprivate' as const },
    })),
    Memory: limits.memoryBytes,
    MemorySwap: limits.memoryBytes,
    PidsLimit: limits.processes,
    OomScoreAdj: 1000,
    Ulimits: [bound('core', 0), bound('data', limits.memoryBytes), bound('fsize', limits.fileBytes)],
    LogConfig: { Type: 'none', Config: {} },
  }
  return {
    Image: image,
    Labels: { [label]: 'run', [ownerLabel]: thisOwner() },
    Hostname: 'yoe',
    User: `${uid}:${gid}`,
    WorkingDir: run.cwd,
    Entrypoint: [],
    Cmd: containerCommand(run, token),
    // What finds the entry's own programs.
    Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL=C'],
    Tty: false,
    // The entry waits for a line of input.
    AttachStdin: true,
    OpenStdin: true,
    StdinOnce: true,
    NetworkDisabled: false,
    HostConfig: hostConfig,
  }
}
