import { sectorSize } from './gpt.ts'

/** Where the core image lies: the sectors between the partition table and the first partition. */
export const coreSector = 34
export const mostCoreSectors = 2048 - coreSector

/** Where the tools root has GRUB for a BIOS, when it has one. */
export const grubFolder = 'usr/lib/grub/i386-pc'

const modules = [
  'biosdisk',
  'part_gpt',
  'ext2',
  'search',
  'search_fs_uuid',
  'linux',
  'serial',
  'terminal',
  'echo',
  'boot',
]

/** The command that makes the core image in `out` with the commands of `config` in it. */
export const coreCommand = (config: string, out: string): readonly string[] => [
  ...['grub-mkimage', '--format=i386-pc', `--directory=/${grubFolder}`, '--prefix=/boot/grub', '--compression=xz'],
  ...[`--config=${config}`, `--output=${out}`, ...modules],
]

/**
 * What the boot loader does: no menu, the kernel that the image boots.
 *
 * @param kernel path in the root file system, with leading `/`; a link serves as well
 */
export function grubCommands(rootUuid: string, kernel: string, initrd: string | undefined, cmdline: string): string {
  const lines = [
    'serial --unit=0 --speed=115200',
    'terminal_output console serial',
    `search --no-floppy --fs-uuid --set=root ${rootUuid}`,
    `linux ${kernel} ${quoted(cmdline)}`,
    ...(initrd === undefined ? [] : [`initrd ${initrd}`]),
    'boot',
  ]
  return `${lines.join('\n')}\n`
}

/** Words of a kernel command line may hold characters that mean something to GRUB's shell. */
const quoted = (cmdline: string): string =>
  cmdline
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word) => (/^[A-Za-z0-9_=,.:/-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`))
    .join(' ')

/**
 * Joins GRUB's two halves for sectors that are known: what grub-bios-setup does by looking at disks.
 *
 * @param bootImage `boot.img`, 512 bytes
 * @param core the core image, changed in place
 * @returns the code for the MBR, 440 bytes
 * @see grub util/setup.c, include/grub/i386/pc/boot.h, include/grub/offsets.h
 */
export function joinGrub(bootImage: Buffer, core: Buffer): Buffer {
  const code = Buffer.from(bootImage.subarray(0, 440))
  code.writeBigUInt64LE(BigInt(coreSector), 0x5c) // GRUB_BOOT_MACHINE_KERNEL_SECTOR
  code.fill(0x90, 0x66, 0x68) // GRUB_BOOT_MACHINE_DRIVE_CHECK: a hard disk, whatever the BIOS says
  // The last entry of the first sector's block list: the rest of the core image, right behind it.
  core.writeBigUInt64LE(BigInt(coreSector + 1), 500)
  core.writeUInt16LE(Math.ceil(core.length / sectorSize) - 1, 508)
  return code
}
