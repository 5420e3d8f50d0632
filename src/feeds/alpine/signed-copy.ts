import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { YoeError } from '#engine/errors.ts'
import type { RsaKey } from '../keys/rsa.ts'
import { type ApkHead, identityOf, readApkHead } from './apk-read.ts'
import { noArch } from './names.ts'
import { signatureMember } from './signature.ts'

/** A package file that is to be published. */
export interface Incoming {
  /** Absolute. */
  readonly path: string
  /** What it has to be. */
  readonly name: string
  readonly version: string
  readonly arch: string
  /** Of the file as it is; undefined: `identity` stands for it. */
  readonly sha256?: string | undefined
  /** As a verified index has it. */
  readonly identity?: string | undefined
}

/**
 * Reads what a package says about itself, and refuses one that is not what it is said to be.
 *
 * @throws {YoeError} FEED_INVALID, DIGEST_MISMATCH, ARCHIVE_UNSAFE
 */
export async function incomingHead(incoming: Incoming): Promise<ApkHead> {
  const { path, name, version, arch, identity } = incoming
  const head = await readApkHead(path)
  const { info } = head
  // Alpine's indexes give packages for every architecture the one of the index.
  const isFor = info.arch === arch || info.arch === noArch
  if (info.name !== name || info.version !== version || !isFor) {
    const message = `${path} is ${info.name} ${info.version} for ${info.arch}, not ${name} ${version} for ${arch}`
    throw new YoeError('FEED_INVALID', message, { hint: 'remove the file; it is made or fetched again' })
  }
  if (identity !== undefined && identityOf(head.control) !== identity) throw changed(path)
  return head
}

/**
 * Writes a package with our signature in the place of whatever it had: its control and data stay the bytes that they
 * are, and each of them is checked on the way.
 *
 * @param dest must not exist
 * @returns bytes of the file
 * @throws {YoeError} DIGEST_MISMATCH
 */
export async function signedCopy(
  { path, sha256 }: Incoming,
  head: ApkHead,
  keys: readonly RsaKey[],
  dest: string,
): Promise<number> {
  const signature = await signatureMember(head.control, keys)
  const [whole, control, data] = ['sha256', 'sha1', 'sha256'].map((name) => createHash(name))
  const out = await open(dest, 'wx', 0o644)
  try {
    await out.writeFile(signature)
    let at = 0
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
      const bytes: Buffer = chunk
      const from = (start: number): Buffer => bytes.subarray(Math.min(bytes.length, Math.max(0, start - at)))
      const kept = from(head.controlStart)
      const rest = from(head.dataStart)
      if (sha256 !== undefined) whole?.update(bytes)
      control?.update(kept.subarray(0, kept.length - rest.length))
      data?.update(rest)
      if (kept.length > 0) await out.writeFile(kept)
      at += bytes.length
    }
    const isSame =
      (sha256 === undefined || whole?.digest('hex') === sha256) &&
      `Q1${control?.digest('base64')}` === identityOf(head.control) &&
      data?.digest('hex') === head.info.datahash
    if (!isSame) throw changed(path)
    await out.chmod(0o644)
    await out.sync()
    return signature.length + at - head.controlStart
  } finally {
    await out.close()
  }
}

const changed = (path: string): YoeError =>
  new YoeError('DIGEST_MISMATCH', `${path} was changed since it was made or fetched`, {
    hint: 'remove the file; it is made or fetched again',
  })
