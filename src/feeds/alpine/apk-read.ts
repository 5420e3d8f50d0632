import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { YoeError } from '#engine/errors.ts'
import { firstMember, type GzipMember } from './gzip-members.ts'
import { type PkgInfo, PkgInfoError, parsePkgInfo } from './pkginfo.ts'
import { SegmentError, type SegmentFile, segmentFiles } from './segment.ts'
import { isSignature } from './signature.ts'

/** What stands before the data in a package: a signature perhaps, and the control member. */
export interface ApkHead {
  /** Entries of the signature member; empty when there is none. */
  readonly signatures: readonly SegmentFile[]
  /** Where the control member begins: bytes. */
  readonly controlStart: number
  /** The control member's bytes, as they are signed. */
  readonly control: Buffer
  /** `.PKGINFO` and scripts. */
  readonly files: readonly SegmentFile[]
  readonly info: PkgInfo
  /** Where the data member begins: bytes. */
  readonly dataStart: number
  /** Bytes of the whole file. */
  readonly size: number
}

/** Bytes of a control member or a signature, unpacked and packed. */
const largest = 10 << 20
/** Most are in the first of them. */
const reads = [1 << 14, 1 << 18, 2 * largest]

/**
 * Reads what a package says about itself. Nothing of its data is looked at.
 *
 * @throws {YoeError} ARCHIVE_UNSAFE when it is no package of apk 2, or is made to be read in two ways
 */
export async function readApkHead(path: string): Promise<ApkHead> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    for (const length of reads) {
      const bytes = await firstBytes(file, Math.min(length, size))
      const head = headIn(bytes, size)
      if (typeof head !== 'string') return head
      if (bytes.length === size || length === reads.at(-1)) throw damaged(path, head)
    }
    throw damaged(path, 'it is empty')
  } catch (failure) {
    if (failure instanceof SegmentError || failure instanceof PkgInfoError)
      throw damaged(path, failure.message, failure)
    throw failure
  } finally {
    await file.close()
  }
}

async function firstBytes(file: FileHandle, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length)
  const { bytesRead } = await file.read(bytes, 0, length, 0)
  return bytes.subarray(0, bytesRead)
}

/** @returns what is wrong; with more bytes of the file, it may not be */
function headIn(bytes: Buffer, size: number): ApkHead | string {
  const first = firstMember(bytes, largest)
  if (typeof first === 'string') return first
  const firstFiles = segmentFiles(first.content)
  const isSigned = isSignature(firstFiles)
  const controlStart = isSigned ? first.length : 0
  const member: GzipMember | string = isSigned ? firstMember(bytes.subarray(controlStart), largest) : first
  if (typeof member === 'string') return member
  const files = isSigned ? segmentFiles(member.content) : firstFiles
  const other = files.find(({ name }) => name.startsWith('.SIGN.') || !name.startsWith('.'))
  if (other !== undefined) return `${other.name} is no control file`
  const text = files.find(({ name }) => name === '.PKGINFO')?.content
  if (text === undefined) return 'it has no .PKGINFO'
  const dataStart = controlStart + member.length
  if (dataStart >= size) return 'its data are missing'
  return {
    signatures: isSigned ? firstFiles : [],
    controlStart,
    control: bytes.subarray(controlStart, dataStart),
    files,
    info: parsePkgInfo(text.toString('utf8')),
    dataStart,
    size,
  }
}

/**
 * What an index calls a package by: `Q1` and the SHA-1 of its control member, in base64. Since that holds the digest of the
 * data, it stands for all but the signature.
 */
export function identityOf(control: Buffer): string {
  return `Q1${createHash('sha1').update(control).digest('base64')}`
}

/**
 * Reads a package and checks every byte of it: the control member against what a verified index calls it, and the data
 * against the control. Nothing has been unpacked by then.
 *
 * @param identity as {@link identityOf} has it; undefined: whoever calls knows the file by its own digest
 * @throws {YoeError} DIGEST_MISMATCH, ARCHIVE_UNSAFE
 */
export async function verifyApk(path: string, identity: string | undefined): Promise<ApkHead> {
  const head = await readApkHead(path)
  const found = identityOf(head.control)
  if (identity !== undefined && found !== identity)
    throw mismatch(path, `is another package than the index names (${found} instead of ${identity})`)
  const sum = createHash('sha256')
  for await (const chunk of createReadStream(path, { start: head.dataStart, highWaterMark: 1 << 20 })) sum.update(chunk)
  if (sum.digest('hex') !== head.info.datahash) throw mismatch(path, 'has other data than its own control file says')
  return head
}

function damaged(path: string, why: string, cause?: unknown): YoeError {
  return new YoeError('ARCHIVE_UNSAFE', `${path} is not a usable Alpine package: ${why}`, {
    hint: 'remove the file; it is made or fetched again',
    cause,
  })
}

const mismatch = (path: string, why: string): YoeError =>
  new YoeError('DIGEST_MISMATCH', `${path} ${why}`, { hint: 'remove the file; it is made or fetched again' })
