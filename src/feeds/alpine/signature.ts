import { type KeyObject, sign, verify } from 'node:crypto'
import type { RsaKey } from '../keys/rsa.ts'
import { gzipMember } from './gzip.ts'
import type { SegmentFile } from './segment.ts'
import { smallFiles } from './tar.ts'

/** What a signature's name says of its making; apk tries the first one whose key it has. @see apk-tools, extract_v2 */
const algorithms = { RSA512: 'sha512', RSA256: 'sha256', RSA: 'sha1' } as const
type SignatureAlgorithm = keyof typeof algorithms

/** Public keys by the names that signatures call them. */
export type TrustedKeys = ReadonlyMap<string, KeyObject>

/**
 * The signature member that stands before what it signs: an entry for each key, so that whoever has one of them is
 * satisfied. The same bytes and keys give the same member.
 *
 * @param signed the gzip member that follows, as its bytes are: the control of a package, the tar of an index
 */
export async function signatureMember(signed: Buffer, keys: readonly RsaKey[]): Promise<Buffer> {
  const files = keys.flatMap(({ name, key, sha1 }) =>
    (sha1 ? (['RSA256', 'RSA'] as const) : (['RSA256'] as const)).map((algorithm): [string, Buffer] => [
      `.SIGN.${algorithm}.${name}`,
      sign(algorithms[algorithm], signed, key),
    ]),
  )
  return gzipMember(...smallFiles(files, 0))
}

/** Whether a tar is that of signatures. */
export const isSignature = (files: readonly SegmentFile[]): boolean => files[0]?.name.startsWith('.SIGN.') === true

/**
 * Whose signature of `signed` is among the files: the first by a key that is trusted, which is the one that apk looks at. Every
 * other one by a trusted key must be right as well; those by unknown keys, or of unknown kinds, say nothing.
 *
 * @returns the name of the key, or what is wrong, for people
 */
export function signerOf(
  files: readonly SegmentFile[],
  signed: Buffer,
  trusted: TrustedKeys,
): { readonly key: string } | { readonly why: string } {
  const names: string[] = []
  let first: string | undefined
  for (const { name, content } of files) {
    const [, word = '', keyName = ''] = /^\.SIGN\.([A-Z0-9]+)\.(.+)$/.exec(name) ?? []
    if (word === '') return { why: `${name} is among its signatures` }
    names.push(keyName)
    const key = trusted.get(keyName)
    if (key === undefined || !isAlgorithm(word)) continue
    if (!verify(algorithms[word], signed, key, content))
      return { why: `the signature by ${keyName} is not of these bytes` }
    first ??= keyName
  }
  if (first !== undefined) return { key: first }
  const known = [...trusted.keys()].join(', ') || 'none'
  return {
    why:
      names.length === 0
        ? 'it is not signed'
        : `it is signed by ${names.join(', ')}; the keys that count are: ${known}`,
  }
}

const isAlgorithm = (word: string): word is SignatureAlgorithm => Object.hasOwn(algorithms, word)
