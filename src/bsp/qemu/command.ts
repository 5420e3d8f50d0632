import { YoeError } from '#engine/errors.ts'
import type { Machine } from '#engine/project/model.ts'
import type { PortForward } from './ports.ts'
import { defaultMemory, qemuArchs } from './tables.ts'

/** The files of a built image that QEMU needs; absolute paths. */
export interface ImageFiles {
  readonly disk: string
  readonly format?: 'raw' | 'qcow2'
  /** For machines that boot a kernel directly: the one that the image itself carries. */
  readonly kernel?: string
  /** Only when the image has one. */
  readonly initrd?: string
}

/** How the guest's console and QEMU's own monitor are reached. */
export type Console =
  /** Serial line and monitor share this terminal: ctrl-a x ends QEMU, ctrl-a c changes between them. */
  | { readonly kind: 'terminal' }
  /** The serial line is QEMU's standard output, and nothing is read. */
  | { readonly kind: 'output' }
  /** The serial line goes to a file, and QEMU to the background once it runs and its ports are bound. */
  | { readonly kind: 'daemon'; readonly log: string; readonly pidFile: string }

export interface QemuOptions {
  readonly machine: Machine
  readonly files: ImageFiles
  /** `keep`: the guest writes to the disk's file. `discard`: what it writes is gone when QEMU ends. */
  readonly disk: 'keep' | 'discard'
  readonly acceleration: 'kvm' | 'tcg'
  readonly console: Console
  /** The machine's and the user's, merged already. */
  readonly ports: readonly PortForward[]
  /** Bytes, over the machine's. */
  readonly memory?: number
  readonly cpus: number
  readonly display: boolean
  /** `restricted`: forwards work, but the guest reaches neither this host nor anything beyond. */
  readonly network: 'open' | 'restricted'
  /** A UEFI firmware file; undefined: SeaBIOS, or none where the architecture has none. */
  readonly firmware?: string
  /** A Unix socket for QMP. */
  readonly control?: string
  /** systemd credentials for this boot (system.credential(7)); they are in argv, so no secrets. */
  readonly credentials?: Readonly<Record<string, string>>
  /** A guest that reboots ends QEMU. */
  readonly once?: boolean
}

export interface QemuCommand {
  readonly binary: string
  readonly args: readonly string[]
}

/**
 * The QEMU command line for a machine. Pure: nothing is looked up, and the same options give the same words.
 *
 * @throws {YoeError} PROJECT_INVALID when the machine boots a kernel directly and the image brings none
 */
export function qemuCommand(options: QemuOptions): QemuCommand {
  const { machine, files } = options
  const arch = qemuArchs[machine.arch]
  const memory = options.memory ?? machine.qemu?.memory ?? defaultMemory
  const args = [
    // No floppy, no VGA, no CD: each costs the firmware and the kernel time to probe.
    ['-nodefaults'],
    ['-name', machine.name],
    ['-machine', machine.qemu?.machine ?? arch.machine],
    ['-accel', options.acceleration],
    ...clockArgs(options),
    ['-cpu', cpuModel(machine, options.acceleration)],
    ['-smp', String(options.cpus)],
    ['-m', `${Math.ceil(memory / 2 ** 20)}M`],
    ...(options.once === true ? [['-no-reboot']] : []),
    ...bootArgs(options),
    ...diskArgs(options),
    ['-netdev', netdev(options)],
    // Without its ROM, nothing tries to boot from the network.
    ['-device', 'virtio-net-pci,netdev=net0,romfile='],
    ['-device', 'virtio-rng-pci'],
    ...credentialArgs(options, arch.credentials),
    ...consoleArgs(options.console),
    ...(options.display
      ? [
          ['-device', arch.display],
          ['-device', 'virtio-keyboard-pci'],
          ['-device', 'virtio-tablet-pci'],
        ]
      : [['-display', 'none']]),
    ...(options.control === undefined ? [] : [['-qmp', `unix:${value(options.control)},server=on,wait=off`]]),
  ]
  if (options.firmware === undefined && machine.qemu?.firmware === undefined && files.kernel === undefined)
    throw new YoeError(
      'PROJECT_INVALID',
      `machine ${machine.name} boots a kernel directly, but the image brings none`,
      {
        at: machine.at,
        hint: "add the kernel's package to the image, or a firmware to qemu_config and a bootloader to the image",
      },
    )
  return { binary: arch.binary, args: args.flat() }
}

/** Commas divide QEMU's options; a doubled one stands for itself. */
const value = (text: string): string => text.replaceAll(',', ',,')

/**
 * `host` exists under KVM only. What TCG gets instead has no five-level page tables (`la57`: every guest memory access
 * would walk one more), and no `cmpxchg16b`: QEMU 7.2 now and then gets its flags wrong, and Linux 6.12, which
 * allocates memory with it, dies of a double fault in about every other boot. QEMU 10 does not; Debian programs need
 * neither.
 */
function cpuModel(machine: Machine, acceleration: 'kvm' | 'tcg'): string {
  const wanted = machine.qemu?.cpu ?? 'host'
  if (acceleration === 'kvm') return wanted
  const model = wanted === 'host' ? tcgModels[machine.arch] : wanted
  return machine.arch !== 'x86_64' || /[,+-]cx16/.test(model) ? model : `${model},cx16=off`
}

/**
 * Where one processor is emulated by one thread, time passes by the instructions it was given. Otherwise a kernel that
 * ticks a thousand times a second (linux-virt of Alpine) at times does little but tick, on a busy host more often than
 * not: the same boot takes 67 s of processor time or 760. `auto` keeps the guest's clock at the host's pace.
 */
function clockArgs({ machine, acceleration, cpus }: QemuOptions): string[][] {
  return machine.arch === 'arm64' && acceleration === 'tcg' && cpus === 1 ? [['-icount', 'shift=auto']] : []
}

/** Pointer authentication by QEMU's own hash, not the architecture's costly cipher. */
const tcgModels = { x86_64: 'max,la57=off', arm64: 'max,pauth-impdef=on', riscv64: 'rv64' } as const

function bootArgs({ machine, files, firmware }: QemuOptions): string[][] {
  const bios = firmware === undefined ? [] : [['-bios', firmware]]
  if (machine.qemu?.firmware !== undefined || files.kernel === undefined) return bios
  const initrd = files.initrd === undefined ? [] : [['-initrd', files.initrd]]
  return [...bios, ['-kernel', files.kernel], ...initrd, ['-append', machine.kernel?.cmdline ?? '']]
}

function diskArgs({ files, disk }: QemuOptions): string[][] {
  const parts = ['if=none', 'id=disk0', `file=${value(files.disk)}`, `format=${files.format ?? 'raw'}`]
  // What is thrown away need not reach the platter first.
  parts.push(...(disk === 'discard' ? ['snapshot=on', 'cache=unsafe'] : ['discard=unmap']))
  return [
    ['-drive', parts.join(',')],
    ['-device', 'virtio-blk-pci,drive=disk0'],
  ]
}

function netdev({ ports, network }: QemuOptions): string {
  const forwards = ports.map(({ host, guest }) => `,hostfwd=tcp:127.0.0.1:${host}-:${guest}`)
  return `user,id=net0${network === 'restricted' ? ',restrict=on' : ''}${forwards.join('')}`
}

function credentialArgs({ credentials = {}, firmware }: QemuOptions, way: 'smbios' | 'fw_cfg'): string[][] {
  return Object.entries(credentials).map(([name, text]) =>
    way === 'smbios' || firmware !== undefined
      ? ['-smbios', `type=11,value=io.systemd.credential.binary:${name}=${Buffer.from(text).toString('base64')}`]
      : ['-fw_cfg', `name=opt/io.systemd.credentials/${name},string=${value(text)}`],
  )
}

function consoleArgs(console: Console): string[][] {
  switch (console.kind) {
    case 'terminal':
      return [['-serial', 'mon:stdio']]
    case 'output':
      return [
        ['-chardev', 'stdio,id=serial0,signal=off'],
        ['-serial', 'chardev:serial0'],
      ]
    case 'daemon':
      return [['-serial', `file:${value(console.log)}`], ['-daemonize'], ['-pidfile', console.pidFile]]
    default:
      return console satisfies never
  }
}
