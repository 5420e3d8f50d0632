import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import { firstBytes, zbootOf } from '#engine/image/zboot.ts'
import type { Machine } from '#engine/project/model.ts'
import { shown } from '#engine/shown.ts'
import type { ImageFiles } from './command.ts'
import { firmwareFiles, qemuArchs } from './tables.ts'

/** A program in PATH; undefined when there is none. */
export async function findProgram(name: string, path = process.env['PATH'] ?? ''): Promise<string | undefined> {
  for (const folder of path.split(delimiter)) {
    if (folder === '') continue
    const candidate = join(folder, name)
    if (await may(candidate, constants.X_OK)) return candidate
  }
  return undefined
}

/** @throws {YoeError} TOOL_MISSING, with the Debian package that brings it */
export async function requireProgram(name: string, debianPackage: string): Promise<string> {
  const found = await findProgram(name)
  if (found !== undefined) return found
  throw new YoeError('TOOL_MISSING', `${name} is not installed`, { hint: `sudo apt-get install ${debianPackage}` })
}

/** @throws {YoeError} TOOL_MISSING */
export function requireQemu(arch: Machine['arch']): Promise<string> {
  return requireProgram(qemuArchs[arch].binary, qemuArchs[arch].package)
}

/**
 * The firmware file that a boot of these files needs; undefined when QEMU's own will do. A kernel that is nothing but
 * an EFI program needs firmware even though it is handed over directly: arm64's that unpack themselves, where the image's
 * build did not know how.
 *
 * @throws {YoeError} TOOL_MISSING
 */
export async function findFirmware(machine: Machine, files: ImageFiles): Promise<string | undefined> {
  const declared = machine.qemu?.firmware
  const { kernel } = files
  const head =
    declared === undefined && machine.arch === 'arm64' && kernel !== undefined ? await firstBytes(kernel) : undefined
  const wanted = declared ?? (head !== undefined && needsEfi(head) ? 'aavmf' : 'seabios')
  if (wanted === 'seabios') return undefined
  const { package: debianPackage, paths } = firmwareFiles[wanted]
  for (const path of paths) if (await may(path, constants.R_OK)) return path
  const kind = head === undefined ? undefined : zbootOf(head)?.kind
  const why =
    declared === undefined
      ? `${kernel} is started by UEFI firmware alone${kind === undefined ? '' : ` (packed by ${shown(kind)})`}`
      : `machine ${machine.name} boots through UEFI`
  throw new YoeError('TOOL_MISSING', `${why}, which is not installed`, {
    at: machine.at,
    hint: `sudo apt-get install ${debianPackage}`,
  })
}

/** @throws {YoeError} BOOT_FAILED naming the file that is not there or can't be read */
export async function requireFiles({ disk, kernel, initrd }: ImageFiles, write: boolean): Promise<void> {
  const mode = write ? constants.R_OK | constants.W_OK : constants.R_OK
  for (const [path, needed] of [
    [disk, mode],
    [kernel, constants.R_OK],
    [initrd, constants.R_OK],
  ] as const) {
    if (path === undefined || (await may(path, needed))) continue
    const there = await may(path, constants.F_OK)
    throw new YoeError(there ? 'PERMISSION' : 'BOOT_FAILED', `${path} ${there ? "can't be opened" : 'is not there'}`, {
      hint: there ? `sudo chown "$(id -u)" ${path}` : 'yoe build, then run this again',
    })
  }
}

/** A bare arm64 kernel has `ARMd` at byte 56 (Documentation/arch/arm64/booting.rst); an EFI program begins with `MZ`. */
const needsEfi = (head: Buffer): boolean =>
  head.toString('latin1', 0, 2) === 'MZ' && head.toString('latin1', 56, 60) !== 'ARMd'

function may(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  )
}
