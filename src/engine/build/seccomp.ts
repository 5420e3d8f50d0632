import type { Run } from './worker.ts'

/** Kernel names of what a filter can be made for: x86_64's own table, and the generic one of every later architecture. */
interface Machine {
  /** AUDIT_ARCH_*, `linux/audit.h`. */
  readonly audit: number
  readonly table: 'x86_64' | 'generic'
}

const machines: Readonly<Partial<Record<NodeJS.Architecture, Machine>>> = {
  x64: { audit: 0xc000003e, table: 'x86_64' },
  arm64: { audit: 0xc00000b7, table: 'generic' },
  riscv64: { audit: 0xc00000f3, table: 'generic' },
}

const EPERM = 1
const ENOSYS = 38
const EAFNOSUPPORT = 97

/** Numbers in x86_64's table (`arch/x86/entry/syscalls/syscall_64.tbl`) and the generic one (`asm-generic/unistd.h`). */
type Numbers = readonly [x86_64: number | undefined, generic: number | undefined]

/** Refused to everybody: what reaches the kernel itself, other processes, or the host's clock, keys and devices. */
const refused: readonly (readonly [name: string, errno: number, numbers: Numbers])[] = [
  ['ptrace', EPERM, [101, 117]],
  ['process_vm_readv', EPERM, [310, 270]],
  ['process_vm_writev', EPERM, [311, 271]],
  ['pidfd_getfd', EPERM, [438, 438]],
  ['add_key', EPERM, [248, 217]],
  ['request_key', EPERM, [249, 218]],
  ['keyctl', EPERM, [250, 219]],
  ['bpf', EPERM, [321, 280]],
  ['perf_event_open', EPERM, [298, 241]],
  ['io_uring_setup', ENOSYS, [425, 425]],
  ['io_uring_enter', ENOSYS, [426, 426]],
  ['io_uring_register', ENOSYS, [427, 427]],
  ['userfaultfd', EPERM, [323, 282]],
  ['setns', EPERM, [308, 268]],
  // Its flags lie in memory where a filter can't look; C libraries fall back to clone.
  ['clone3', ENOSYS, [435, 435]],
  ['kexec_load', EPERM, [246, 104]],
  ['kexec_file_load', EPERM, [320, 294]],
  ['init_module', EPERM, [175, 105]],
  ['finit_module', EPERM, [313, 273]],
  ['delete_module', EPERM, [176, 106]],
  ['clock_settime', EPERM, [227, 112]],
  ['settimeofday', EPERM, [164, 170]],
  ['swapon', EPERM, [167, 224]],
  ['swapoff', EPERM, [168, 225]],
  ['reboot', EPERM, [169, 142]],
  ['acct', EPERM, [163, 89]],
  ['syslog', EPERM, [103, 116]],
  ['quotactl', EPERM, [179, 60]],
  ['quotactl_fd', EPERM, [443, 443]],
  ['open_by_handle_at', EPERM, [304, 265]],
  ['fanotify_init', EPERM, [300, 262]],
  ['lookup_dcookie', ENOSYS, [212, 18]],
  ['iopl', EPERM, [172, undefined]],
  ['ioperm', EPERM, [173, undefined]],
  ['modify_ldt', EPERM, [154, undefined]],
  ['uselib', ENOSYS, [134, undefined]],
]

/** Refused when building; installing mounts /proc into the tree that it configures. */
const refusedToBuild: typeof refused = [
  ['mount', EPERM, [165, 40]],
  ['umount2', EPERM, [166, 39]],
  ['pivot_root', EPERM, [155, 41]],
  ['open_tree', EPERM, [428, 428]],
  ['move_mount', EPERM, [429, 429]],
  ['fsopen', EPERM, [430, 430]],
  ['fsconfig', EPERM, [431, 431]],
  ['fsmount', EPERM, [432, 432]],
  ['fspick', EPERM, [433, 433]],
  ['mount_setattr', EPERM, [442, 442]],
]

const CLONE: Numbers = [56, 220]
const UNSHARE: Numbers = [272, 97]
const IOCTL: Numbers = [16, 29]
const SOCKET: Numbers = [41, 198]

const CLONE_NEWUSER = 0x1000_0000
const TIOCSTI = 0x5412
const TIOCLINUX = 0x541c
/** AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: AF_VSOCK, for one, is not confined by network namespaces. */
const families = [1, 2, 10, 16]

// linux/bpf_common.h, linux/seccomp.h
const LOAD = 0x20
const JEQ = 0x15
const JGE = 0x35
const JSET = 0x45
const RET = 0x06
const ALLOW = 0x7fff_0000
const ERRNO = 0x0005_0000
// Offsets in struct seccomp_data.
const NR = 0
const ARCH = 4
/** The low half of an argument: both tables' machines are little-endian here, and every filtered argument is an int. */
const argument = (index: number): number => 16 + 8 * index

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, k: number]

/**
 * A seccomp filter as `bwrap --seccomp` reads it: an array of little-endian `struct sock_filter`. Model: flatpak's list
 * (`common/flatpak-run.c`, setup_seccomp), EPERM where a program might ask, ENOSYS where it has a fallback. System calls
 * of another table of the same machine (32-bit, x32) are ENOSYS.
 *
 * @returns undefined on a machine that no filter is known for
 */
export function seccompFilter(
  identity: Run['identity'],
  arch: NodeJS.Architecture = process.arch,
): Uint8Array | undefined {
  const machine = machines[arch]
  if (machine === undefined) return undefined
  const number = ([x86, generic]: Numbers): number | undefined => (machine.table === 'x86_64' ? x86 : generic)
  const program: Instruction[] = []
  const deny = (errno: number): Instruction => [RET, 0, 0, ERRNO | errno]

  program.push([LOAD, 0, 0, ARCH], [JEQ, 1, 0, machine.audit], deny(ENOSYS), [LOAD, 0, 0, NR])
  if (machine.table === 'x86_64') program.push([JGE, 0, 1, 0x4000_0000], deny(ENOSYS))

  for (const [, errno, numbers] of [...refused, ...(identity === 'user' ? refusedToBuild : [])]) {
    const nr = number(numbers)
    if (nr !== undefined) program.push([JEQ, 0, 1, nr], deny(errno))
  }
  /** `checks` runs with the argument loaded, and only for this system call; falling off its end allows. */
  const guard = (numbers: Numbers, index: number, checks: readonly Instruction[]): void => {
    const nr = number(numbers)
    if (nr === undefined) return
    program.push([JEQ, 0, checks.length + 2, nr], [LOAD, 0, 0, argument(index)], ...checks, [RET, 0, 0, ALLOW])
  }
  guard(CLONE, 0, [[JSET, 0, 1, CLONE_NEWUSER], deny(EPERM)])
  guard(UNSHARE, 0, [[JSET, 0, 1, CLONE_NEWUSER], deny(EPERM)])
  guard(IOCTL, 1, [[JEQ, 0, 1, TIOCSTI], deny(EPERM), [JEQ, 0, 1, TIOCLINUX], deny(EPERM)])
  guard(SOCKET, 0, [
    ...families.map((family, index): Instruction => [JEQ, families.length - index, 0, family]),
    deny(EAFNOSUPPORT),
  ])
  program.push([RET, 0, 0, ALLOW])

  const bytes = new DataView(new ArrayBuffer(program.length * 8))
  for (const [index, [code, ifTrue, ifFalse, k]] of program.entries()) {
    bytes.setUint16(index * 8, code, true)
    bytes.setUint8(index * 8 + 2, ifTrue)
    bytes.setUint8(index * 8 + 3, ifFalse)
    bytes.setUint32(index * 8 + 4, k, true)
  }
  return new Uint8Array(bytes.buffer)
}

/** What Docker reads: https://github.com/opencontainers/runtime-spec, config-linux.md, Seccomp. */
export interface SeccompProfile {
  readonly defaultAction: 'SCMP_ACT_ALLOW'
  readonly architectures?: readonly string[]
  readonly syscalls: readonly {
    readonly names: readonly string[]
    readonly action: 'SCMP_ACT_ERRNO'
    readonly errnoRet: number
    readonly args?: readonly { index: number; op: string; value: number; valueTwo?: number }[]
  }[]
}

const containerArchitectures: Readonly<Partial<Record<NodeJS.Architecture, string>>> = {
  x64: 'SCMP_ARCH_X86_64',
  arm64: 'SCMP_ARCH_AARCH64',
  riscv64: 'SCMP_ARCH_RISCV64',
}

/**
 * The same refusals for Docker, but for one: making a user namespace by `unshare`, since a container is under its filter
 * before it makes its own. That namespace allows no further ones (docker-entry.ts). System calls of another table end
 * the program, as libseccomp does.
 */
export function seccompProfile(identity: Run['identity'], arch: NodeJS.Architecture = process.arch): SeccompProfile {
  const architecture = containerArchitectures[arch]
  const deny = (
    name: string,
    errnoRet: number,
    ...args: { index: number; op: string; value: number; valueTwo?: number }[]
  ): SeccompProfile['syscalls'][number] => ({
    names: [name],
    action: 'SCMP_ACT_ERRNO',
    errnoRet,
    ...(args.length === 0 ? {} : { args }),
  })
  const low = 0xffff_ffff
  const highest = Math.max(...families)
  const between = Array.from({ length: highest }, (_, family) => family).filter((family) => !families.includes(family))
  return {
    defaultAction: 'SCMP_ACT_ALLOW',
    ...(architecture === undefined ? {} : { architectures: [architecture] }),
    syscalls: [
      ...[...refused, ...(identity === 'user' ? refusedToBuild : [])].map(([name, errno]) => deny(name, errno)),
      deny('clone', EPERM, { index: 0, op: 'SCMP_CMP_MASKED_EQ', value: CLONE_NEWUSER, valueTwo: CLONE_NEWUSER }),
      ...[TIOCSTI, TIOCLINUX].map((request) =>
        deny('ioctl', EPERM, { index: 1, op: 'SCMP_CMP_MASKED_EQ', value: low, valueTwo: request }),
      ),
      ...between.map((value) => deny('socket', EAFNOSUPPORT, { index: 0, op: 'SCMP_CMP_EQ', value })),
      deny('socket', EAFNOSUPPORT, { index: 0, op: 'SCMP_CMP_GT', value: highest }),
    ],
  }
}
