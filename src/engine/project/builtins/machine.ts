import { architectures } from '../../arch.ts'
import { defaulting, optional, required } from '../arguments.ts'
import type { Bootloader, Kernel, Machine, Partition, QemuConfig } from '../model.ts'
import { gitRef, gitUrl, packageName, partitionLabel, plainName, title, unitName } from '../names.ts'
import type { Reader } from '../readers.ts'
import { dict, either, flag, handleKind, list, Mismatch, made, named, oneOf, set, size, text } from '../readers.ts'
import type { Forward } from '../scalars.ts'
import { portForward } from '../scalars.ts'
import type { Builtin } from './builtin.ts'
import { declaring, defined, making } from './builtin.ts'
import { publicConfig } from './public-config.ts'

const kernelKind = handleKind<Kernel>('kernel')
const bootloaderKind = handleKind<Bootloader>('uboot')
const qemuKind = handleKind<QemuConfig>('qemu_config')
export const partitionKind = handleKind<Partition>('partition')

/** A glob of files under /boot, such as `*.dtb`. */
const bootFile = named({
  pattern: /^(?!.*\.\.)[A-Za-z0-9*?._/+-]{1,100}$/,
  says: 'a file name or pattern such as "*.dtb"',
})

/** Where the unit that builds a kernel or a boot loader finds it, and how it configures it. */
const buildFields = {
  repo: optional(named(gitUrl)),
  branch: optional(named(gitRef)),
  tag: optional(named(gitRef)),
  defconfig: optional(named(plainName)),
}

/** `kernel(unit, provides, cmdline, repo, branch, tag, defconfig, device_trees)`. */
export const kernel: Builtin = making(
  kernelKind,
  {
    fields: {
      unit: defaulting(named(packageName), 'linux'),
      provides: optional(named(unitName)),
      cmdline: defaulting(named(title), ''),
      ...buildFields,
      device_trees: defaulting(list(bootFile), []),
    },
  },
  ({ device_trees: deviceTrees, ...fields }) => defined<Kernel>({ ...fields, deviceTrees }),
  (made) => ({ label: JSON.stringify(made.unit) }),
)

/** `uboot(unit, repo, branch, tag, defconfig)`. */
export const uboot: Builtin = making(
  bootloaderKind,
  { fields: { unit: optional(named(packageName)), ...buildFields } },
  (fields) => defined<Bootloader>({ kind: 'uboot', ...fields }),
  (made) => ({ label: JSON.stringify(made.unit ?? '') }),
)

/** `partition(label, type, size, root, contents)`. */
export const partition: Builtin = making(
  partitionKind,
  {
    fields: {
      label: required(named(partitionLabel)),
      type: required(oneOf('ext4', 'vfat')),
      size: required(either(oneOf('fill'), size)),
      root: defaulting(flag, false),
      contents: defaulting(list(bootFile), []),
    },
  },
  (fields, { at }) => ({ ...fields, at }),
  (made) => ({ label: JSON.stringify(made.label) }),
)

/** `2222:22`: host port, guest port. */
const forward: Reader<Forward> = (value) => {
  const found = portForward(text(value))
  if (found === undefined) throw new Mismatch('must be "HOST:GUEST" with ports from 1 to 65535, such as "2222:22"')
  return found
}

/** `qemu_config(machine, cpu, memory, firmware, display, ports)`. */
export const qemuConfig: Builtin = making(
  qemuKind,
  {
    fields: {
      machine: required(named(plainName)),
      cpu: defaulting(named(plainName), 'host'),
      memory: defaulting(size, 2 ** 30),
      firmware: optional(oneOf('seabios', 'ovmf', 'aavmf')),
      display: defaulting(oneOf('none', 'gtk'), 'none'),
      ports: defaulting(list(forward), []),
    },
  },
  (fields) => defined<QemuConfig>(fields),
  (made) => ({ label: JSON.stringify(made.machine) }),
)

/** What makes sense of a list of partitions as a whole; undefined when all is well. */
export function partitionFault(partitions: readonly Partition[]): string | undefined {
  const labels = partitions.map((part) => part.label)
  const twice = labels.find((label, index) => labels.indexOf(label) !== index)
  if (twice !== undefined) return `two partitions are called "${twice}"`
  const roots = partitions.filter((part) => part.root)
  if (roots.length !== 1) return `${roots.length === 0 ? 'no partition has' : 'several partitions have'} root = True`
  if (roots[0]?.type !== 'ext4') return 'the partition with root = True must be of type "ext4"'
  if (partitions.filter((part) => part.size === 'fill').length > 1) return 'several partitions have size = "fill"'
  return undefined
}

/** `machine(name, arch, …)`: a board. */
export const machine: Builtin = declaring(
  'machines',
  {
    fields: {
      name: required(named(plainName)),
      arch: required(oneOf(...architectures)),
      description: defaulting(named(title), ''),
      kernel: optional(made(kernelKind)),
      distro_kernels: defaulting(dict(named(plainName), made(kernelKind)), {}),
      bootloader: optional(made(bootloaderKind)),
      public_config: optional(publicConfig),
      packages: defaulting(set(named(packageName)), []),
      distro_packages: defaulting(dict(named(plainName), set(named(packageName))), {}),
      partitions: defaulting(list(made(partitionKind)), []),
      qemu: optional(made(qemuKind)),
    },
  },
  (fields, { at, file }, { declarations }) => {
    const { distro_packages: distroPackages, distro_kernels: distroKernels, public_config, ...rest } = fields
    const fault = fields.partitions.length === 0 ? undefined : partitionFault(fields.partitions)
    if (fault !== undefined) {
      declarations.fail('BAD_FIELD', `machine(): partitions: ${fault}`, { at })
      return
    }
    declarations.addMachine(
      defined<Machine>({
        ...rest,
        distroPackages,
        distroKernels,
        publicConfig: public_config,
        module: file.module,
        at,
      }),
    )
  },
)
