import { open, readFile, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { gunzip, zstdDecompress } from 'node:zlib'
import { type Position, YoeError } from '../errors.ts'
import { shown } from '../shown.ts'

/** Most bytes of a kernel, unpacked. */
export const largestKernel: number = 512 << 20

/** Where such a kernel holds the real one, and what packed it, by the name that the header has for it: `gzip`, `zstd22`, `xzkern`… */
export interface Zboot {
  readonly start: number
  readonly size: number
  readonly kind: string
}

/**
 * A kernel that is an EFI program which unpacks the real one (CONFIG_EFI_ZBOOT); undefined for any other file.
 *
 * @param head the first 64 bytes, or more
 * @see Linux, drivers/firmware/efi/libstub/zboot-header.S
 */
export function zbootOf(head: Buffer): Zboot | undefined {
  if (head.length < 64 || head.toString('latin1', 0, 2) !== 'MZ' || head.toString('latin1', 4, 8) !== 'zimg')
    return undefined
  const [kind = ''] = head.toString('latin1', 24, 56).split('\0')
  return { start: head.readUInt32LE(8), size: head.readUInt32LE(12), kind }
}

const limit = { maxOutputLength: largestKernel }
const unpackers: ReadonlyMap<string, (packed: Buffer) => Promise<Buffer>> = new Map([
  ['gzip', (packed) => promisify(gunzip)(packed, limit)],
  ['zstd', (packed) => promisify(zstdDecompress)(packed, limit)],
])

/**
 * The kernel in such a kernel, which boot loaders without UEFI start, too.
 *
 * @param file the whole of it
 * @returns undefined when it is none, or packed by what is not known here
 * @throws {RangeError} or what zlib throws, for one that is damaged, cut off or too large
 */
export async function unpackZboot(file: Buffer): Promise<Buffer | undefined> {
  const found = zbootOf(file)
  if (found === undefined) return undefined
  const unpack = unpackers.get(found.kind.replace(/\d+$/, ''))
  if (unpack === undefined) return undefined
  const end = found.start + found.size
  if (found.start < 64 || end > file.length)
    throw new RangeError(`its header tells of bytes ${found.start} to ${end}, and the file has ${file.length}`)
  return unpack(file.subarray(found.start, end))
}

/**
 * A file with the kernel as boot loaders without UEFI start it: that of `path`, or what is packed in it, written to `to`.
 * What packs in a way that is not known here stays as it is, for UEFI.
 *
 * @throws {YoeError} INSTALL_FAILED when it is damaged
 */
export async function bareKernel(
  path: string,
  to: string,
  image: { readonly name: string; readonly at: Position },
): Promise<string> {
  if (zbootOf(await firstBytes(path)) === undefined) return path
  try {
    const kernel = await unpackZboot(await readFile(path))
    if (kernel === undefined) return path
    await writeFile(to, kernel, { mode: 0o644 })
    return to
  } catch (failure) {
    if (!(failure instanceof Error) || 'syscall' in failure) throw failure
    throw new YoeError('INSTALL_FAILED', `the kernel of ${image.name} can't be unpacked: ${shown(failure.message)}`, {
      at: image.at,
      hint: 'it unpacks itself under UEFI, and is damaged: build it again, or take the package of another release',
    })
  }
}

/** The first bytes of a file, enough for {@link zbootOf}. */
export async function firstBytes(path: string): Promise<Buffer> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(64), 0, 64, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}
