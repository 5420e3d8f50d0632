import { YoeError } from '#engine/errors.ts'
import type { RsaKey } from '../keys/rsa.ts'
import { gzipMember } from './gzip.ts'
import { firstMember } from './gzip-members.ts'
import { SegmentError, type SegmentFile, segmentFiles } from './segment.ts'
import { isSignature, signatureMember, signerOf, type TrustedKeys } from './signature.ts'
import { smallFiles, tarEnd } from './tar.ts'

/** Bytes of an index, unpacked. */
const largest = 300 << 20
const largestSignature = 1 << 20

/**
 * `APKINDEX.tar.gz`: the signature member, then the tar of the text and of a line about the repository.
 *
 * @param date seconds since 1970: readers that keep an eye on it take no older index for a newer one
 */
export async function indexArchive(
  text: string,
  description: string,
  date: number,
  keys: readonly RsaKey[],
): Promise<Buffer> {
  const files = smallFiles(
    [
      ['DESCRIPTION', Buffer.from(description)],
      ['APKINDEX', Buffer.from(text)],
    ],
    date,
  )
  const member = await gzipMember(...files, tarEnd)
  return Buffer.concat([await signatureMember(member, keys), member])
}

export interface ReadIndex {
  readonly text: string
  /** The same, as its bytes are. */
  readonly bytes: Buffer
  readonly description: string
  /** Seconds since 1970. */
  readonly date: number
  /** The name of the key that is believed. */
  readonly key: string
  /** The names of all that signed it. */
  readonly signers: readonly string[]
}

/**
 * The text of an index that a trusted key signed: exactly one signature member, over exactly the one member that follows it,
 * and nothing behind that.
 *
 * @throws {YoeError} FEED_UNTRUSTED, FEED_INVALID
 */
export function readIndexArchive(archive: Buffer, place: string, trusted: TrustedKeys): ReadIndex {
  const invalid = (why: string, cause?: unknown): YoeError =>
    new YoeError('FEED_INVALID', `${place} is no index of apk: ${why}`, { hint: 'fetch or publish it again', cause })
  const files = (content: Buffer): readonly SegmentFile[] => {
    try {
      return segmentFiles(content)
    } catch (failure) {
      throw failure instanceof SegmentError ? invalid(failure.message, failure) : failure
    }
  }
  const first = firstMember(archive, largestSignature)
  if (typeof first === 'string') throw invalid(first)
  const signatures = files(first.content)
  const untrusted = (why: string): YoeError =>
    new YoeError('FEED_UNTRUSTED', `${place}: ${why}`, {
      hint: 'give the feed the key that signs it, or look who put it there',
    })
  if (!isSignature(signatures)) throw untrusted('it is not signed')
  const signed = archive.subarray(first.length)
  // Before anything of it is unpacked.
  const signer = signerOf(signatures, signed, trusted)
  if ('why' in signer) throw untrusted(signer.why)
  const second = firstMember(signed, largest)
  if (typeof second === 'string') throw invalid(second)
  if (second.length !== signed.length) throw invalid('something is behind its end')
  const content = files(second.content)
  const index = content.find(({ name }) => name === 'APKINDEX')
  if (index === undefined) throw invalid('it has no APKINDEX')
  return {
    bytes: index.content,
    get text() {
      return index.content.toString('utf8')
    },
    description: content.find(({ name }) => name === 'DESCRIPTION')?.content.toString('utf8') ?? '',
    date: index.mtime,
    key: signer.key,
    signers: signatures.map(({ name }) => name.replace(/^\.SIGN\.[A-Z0-9]+\./, '')),
  }
}
