import { open, readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { type Position, YoeError } from '../errors.ts'
import { shown } from '../shown.ts'
import { largestKernel, unpackZboot, zbootOf } from './zboot.ts'

/** What of a file says where the rest is. */
const headSize = 1 << 17
const banner = 'Linux version '

/**
 * What a kernel calls itself, as `uname -r` shows it: from the header of an x86 kernel, or from the text that a kernel greets
 * with, also where it is packed in gzip or unpacks itself under UEFI.
 *
 * @param path of its file
 * @returns undefined where it does not say
 * @see the kernel's Documentation/arch/x86/boot.rst, "kernel_version"
 */
export async function kernelRelease(path: string): Promise<string | undefined> {
  const head = await headOf(path)
  if (head.toString('latin1', 0x202, 0x206) === 'HdrS') {
    const at = head.readUInt16LE(0x20e)
    return at === 0 ? undefined : releaseIn(head.toString('latin1', at + 0x200, at + 0x300))
  }
  const kernel = await unpacked(await readFile(path))
  const at = kernel?.indexOf(banner, 0, 'latin1') ?? -1
  const from = at + banner.length
  return at < 0 ? undefined : releaseIn(kernel?.toString('latin1', from, from + 0x100) ?? '')
}

async function headOf(path: string): Promise<Buffer> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headSize), 0, headSize, 0)
    return buffer.subarray(0, Math.max(bytesRead, 0x210))
  } finally {
    await file.close()
  }
}

const releaseIn = (text: string): string | undefined => /^\d[!-~]*(?= )/.exec(text)?.[0]

async function unpacked(file: Buffer): Promise<Buffer | undefined> {
  try {
    if (file.readUInt16BE(0) === 0x1f8b) return await promisify(gunzip)(file, { maxOutputLength: largestKernel })
    return zbootOf(file) === undefined ? file : await unpackZboot(file)
  } catch {
    // Whatever it is, it says no release.
    return undefined
  }
}

/** A module's file; the folder is called by the release that the modules are for. */
const moduleFile = /^(?:usr\/)?lib\/modules\/([^/]+)\/.+\.ko(?:\.[a-z0-9]+)?$/

/** The release that a file of a root file system is a module for. */
export const moduleRelease = (path: string): string | undefined => moduleFile.exec(path)?.[1]

/**
 * Refuses a kernel that can load none of the modules beside it: they lie in the folder of another release. One without any
 * modules is content.
 *
 * @param kernel path in the root file system, and the file here
 * @throws {YoeError} INSTALL_FAILED
 */
export async function requireModules(
  kernel: { readonly path: string; readonly file: string },
  modules: ReadonlySet<string>,
  image: { readonly name: string; readonly at: Position },
): Promise<void> {
  if (modules.size === 0) return
  const release = await kernelRelease(kernel.file)
  if (release === undefined || modules.has(release)) return
  const others = [...modules].sort().map((each) => shown(Buffer.from(each, 'latin1')))
  throw new YoeError(
    'INSTALL_FAILED',
    `${image.name}: the kernel /${kernel.path} is ${release}, and the modules are for ${others.join(' and ')}: it can load none of them`,
    {
      at: image.at,
      hint: 'let one unit, or one release of a feed, bring kernel and modules; leave the other one out of the image and of the machine',
    },
  )
}
