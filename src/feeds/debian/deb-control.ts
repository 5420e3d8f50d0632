import { spawn } from 'node:child_process'
import { open } from 'node:fs/promises'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { YoeError } from '#engine/errors.ts'
import { errorCode } from '#engine/store/disk.ts'
import { debMembers } from './ar.ts'

/** Bytes of a control member, decompressed. */
const largestControl = 10 * 2 ** 20

/**
 * One file of a .deb's control archive, such as `control` or `shlibs`.
 *
 * @returns undefined when the package has no such control file
 * @throws {YoeError} ARCHIVE_UNSAFE when the package is damaged or its control archive too large, TOOL_MISSING when
 *   the archive is xz-compressed and the host has no xz
 */
export async function readControlFile(debPath: string, name: string): Promise<string | undefined> {
  const tar = await controlTar(debPath)
  const content = tarMember(tar, name, debPath)
  return content?.toString('utf8')
}

async function controlTar(debPath: string): Promise<Buffer> {
  const file = await open(debPath)
  try {
    const members = await debMembers(file, debPath)
    const member = members.find((each) => each.name.startsWith('control.tar'))
    if (members[0]?.name !== 'debian-binary' || member === undefined) throw damaged(debPath, 'no control archive')
    if (member.size > largestControl) throw damaged(debPath, 'its control archive is too large')
    const bytes = Buffer.alloc(member.size)
    await file.read(bytes, 0, bytes.length, member.offset)
    return await decompress(bytes, member.name, debPath)
  } finally {
    await file.close()
  }
}

async function decompress(bytes: Buffer, name: string, debPath: string): Promise<Buffer> {
  const bounded = { maxOutputLength: largestControl }
  try {
    switch (name) {
      case 'control.tar':
        return bytes
      case 'control.tar.gz':
        return gunzipSync(bytes, bounded)
      case 'control.tar.zst':
        return zstdDecompressSync(bytes, bounded)
      case 'control.tar.xz':
        return await unxz(bytes, debPath)
      default:
        throw damaged(debPath, `its control archive is compressed in a way nobody knows (${name})`)
    }
  } catch (failure) {
    if (failure instanceof YoeError) throw failure
    throw damaged(debPath, 'its control archive does not decompress', failure)
  }
}

/** Node has no xz. */
function unxz(bytes: Buffer, debPath: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const xz = spawn('xz', ['--decompress', '--stdout', '--memlimit=256MiB'], { stdio: ['pipe', 'pipe', 'ignore'] })
    const chunks: Buffer[] = []
    let size = 0
    xz.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > largestControl) xz.kill()
      else chunks.push(chunk)
    })
    xz.stdin.on('error', () => {})
    xz.on('error', (failure) => {
      const missing = new YoeError('TOOL_MISSING', 'xz is needed to read Debian packages', {
        hint: 'sudo apt-get install xz-utils',
      })
      reject(errorCode(failure) === 'ENOENT' ? missing : failure)
    })
    xz.on('close', (code) => {
      if (code === 0 && size <= largestControl) resolve(Buffer.concat(chunks))
      else reject(damaged(debPath, 'its control archive does not decompress'))
    })
    xz.stdin.end(bytes)
  })
}

/** Control archives are small and flat: a plain walk over the headers, checksums verified. */
function tarMember(tar: Buffer, wanted: string, debPath: string): Buffer | undefined {
  for (let at = 0; at + 512 <= tar.length; ) {
    const head = tar.subarray(at, at + 512)
    if (head.every((byte) => byte === 0)) return undefined
    const field = (from: number, length: number): string =>
      head
        .toString('latin1', from, from + length)
        .replace(/\0.*$/s, '')
        .trim()
    const sum = head.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0)
    const size = Number.parseInt(field(124, 12) || '0', 8)
    if (Number.parseInt(field(148, 8), 8) !== sum || !/^[0-7]*$/.test(field(124, 12)) || at + 512 + size > tar.length) {
      throw damaged(debPath, 'its control archive has a damaged header')
    }
    const type = field(156, 1)
    if ((type === '' || type === '0') && field(0, 100).replace(/^\.\//, '') === wanted) {
      return tar.subarray(at + 512, at + 512 + size)
    }
    at += 512 + Math.ceil(size / 512) * 512
  }
  return undefined
}

function damaged(debPath: string, why: string, cause?: unknown): YoeError {
  return new YoeError('ARCHIVE_UNSAFE', `${debPath} is not a usable Debian package: ${why}`, {
    hint: 'remove the file; it is made or fetched again',
    cause,
  })
}
