import type { Arch } from '#engine/arch.ts'
import type { QemuConfig } from '#engine/project/model.ts'

/** What QEMU calls things, and what Debian calls the package that brings them, for one architecture. */
export interface QemuArch {
  /** `qemu-system-x86_64`. */
  readonly binary: string
  /** The Debian package of `binary`. */
  readonly package: string
  /** What a machine without `qemu_config` gets. */
  readonly machine: string
  /** The adapter for `--display`. */
  readonly display: string
  /** How systemd credentials reach a guest that boots a kernel directly. */
  readonly credentials: 'smbios' | 'fw_cfg'
}

export const qemuArchs: Readonly<Record<Arch, QemuArch>> = {
  x86_64: {
    binary: 'qemu-system-x86_64',
    package: 'qemu-system-x86',
    machine: 'q35',
    display: 'virtio-vga',
    credentials: 'smbios',
  },
  arm64: {
    binary: 'qemu-system-aarch64',
    package: 'qemu-system-arm',
    machine: 'virt',
    display: 'virtio-gpu-pci',
    // SMBIOS tables are handed over by UEFI only.
    credentials: 'fw_cfg',
  },
  riscv64: {
    binary: 'qemu-system-riscv64',
    package: 'qemu-system-misc',
    machine: 'virt',
    display: 'virtio-gpu-pci',
    credentials: 'fw_cfg',
  },
}

/** Memory of a machine that does not say, in bytes. */
export const defaultMemory = 2 ** 30

export type FirmwareName = NonNullable<QemuConfig['firmware']>

/** Where distributions put UEFI firmware that `-bios` takes whole, and the Debian package. SeaBIOS is QEMU's own default. */
export const firmwareFiles: Readonly<
  Record<Exclude<FirmwareName, 'seabios'>, { readonly package: string; readonly paths: readonly string[] }>
> = {
  ovmf: {
    package: 'ovmf',
    paths: ['/usr/share/ovmf/OVMF.fd', '/usr/share/qemu/OVMF.fd', '/usr/share/edk2/x64/OVMF.4m.fd'],
  },
  aavmf: {
    package: 'qemu-efi-aarch64',
    paths: ['/usr/share/qemu-efi-aarch64/QEMU_EFI.fd', '/usr/share/edk2/aarch64/QEMU_EFI.fd'],
  },
}
