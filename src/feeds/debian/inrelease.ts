import type { PublicKey } from 'openpgp'
import { YoeError } from '#engine/errors.ts'

/** A Release text whose signature held, and who signed it. */
export interface VerifiedRelease {
  /** Exactly what was signed: the only text that may be parsed. */
  readonly text: string
  /** Upper-case hexadecimal, 16 digits: the key, not its subkey. */
  readonly keyId: string
}

export interface Verification {
  /** The whole file. */
  readonly bytes: Uint8Array
  /** OpenPGP public keys, binary or armored. */
  readonly keyring: Uint8Array
  /** As messages name it: `keys/debian-archive-keyring`. */
  readonly keyringName: string
  /** `debian.main` */
  readonly feed: string
  /** Milliseconds since 1970: keys must be good at this time. */
  readonly now: number
}

const BEGIN = '-----BEGIN PGP SIGNED MESSAGE-----'
const SIGNATURE = '-----BEGIN PGP SIGNATURE-----'
const END = '-----END PGP SIGNATURE-----'
const strongHashes = ['SHA256', 'SHA384', 'SHA512']

/**
 * Verifies an InRelease file: exactly one clear-signed block and nothing else, at least one good signature by a key of
 * the keyring that is valid now, and none by such a key that is bad.
 *
 * @throws {YoeError} FEED_UNTRUSTED naming key and feed; KEY_INVALID when the keyring itself is of no use
 * @see RFC 9580, 7; apt methods/gpgv.cc
 */
export async function verifyInRelease(input: Verification): Promise<VerifiedRelease> {
  const block = oneBlock(input)
  // Heavy, and needed only when an index is fetched.
  const openpgp = await import('openpgp')
  const keys = await readKeyring(openpgp, input)
  let message: Awaited<ReturnType<typeof openpgp.readCleartextMessage>>
  try {
    message = await openpgp.readCleartextMessage({ cleartextMessage: block })
  } catch (failure) {
    throw untrusted(input, `its signature can't be read (${reasonOf(failure)})`, failure)
  }
  const { signatures } = await openpgp.verify({
    message,
    verificationKeys: [...keys],
    date: new Date(input.now),
    config: { minRSABits: 2048 },
  })
  if (signatures.length === 0) throw untrusted(input, 'it holds no signature')
  const refusals: string[] = []
  let good: string | undefined
  for (const signature of signatures) {
    const signer = signature.keyID.toHex().toUpperCase()
    const key = keys.find((candidate) => candidate.getKeys(signature.keyID).length > 0)
    if (key === undefined) {
      // Signatures beside ours by keys that we don't know are usual: releases overlap.
      signature.verified.catch(() => {})
      refusals.push(`key ${signer} is not in ${input.keyringName}`)
      continue
    }
    const keyId = key.getKeyID().toHex().toUpperCase()
    const stale = await staleness(key, signature.keyID, input.now)
    try {
      await signature.verified
    } catch (failure) {
      if (stale === undefined)
        throw untrusted(input, `the signature by key ${keyId} is bad (${reasonOf(failure)})`, failure)
      refusals.push(`key ${keyId} ${stale}`)
      continue
    }
    if (stale === undefined) good ??= keyId
    else refusals.push(`key ${keyId} ${stale}`)
  }
  if (good === undefined) throw untrusted(input, refusals.join(', and '))
  return { text: message.getText(), keyId: good }
}

function untrusted(input: Verification, reason: string, cause?: unknown): YoeError {
  return new YoeError('FEED_UNTRUSTED', `feed ${input.feed}: its InRelease is not trusted: ${reason}`, {
    hint: `if the archive has new keys, put them into ${input.keyringName} of the module that declares the feed; if not, the mirror lies: try another`,
    cause,
  })
}

const reasonOf = (failure: unknown): string =>
  failure instanceof Error ? (failure.message.split('\n')[0]?.slice(0, 160) ?? '') : 'unreadable'

/** The file as text, when it is one clear-signed block by the letter; nothing is left for a parser to make sense of. */
function oneBlock(input: Verification): string {
  const refuse = (reason: string): never => {
    throw untrusted(input, reason)
  }
  const text = Buffer.from(input.bytes).toString('utf8')
  if (Buffer.byteLength(text) !== input.bytes.length || text.includes('\ufffd')) refuse('it is not UTF-8 text')
  if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(text)) refuse('it holds control characters')
  const lines = text.split('\n')
  if (lines.pop() !== '') refuse('it is cut off')
  if (lines[0] !== BEGIN) refuse('it does not begin with a clear-signed block')
  let at = 1
  for (; lines[at] !== undefined && lines[at] !== ''; at++) {
    const hashes = /^Hash: ([A-Z0-9]+(?:, ?[A-Z0-9]+)*)$/.exec(lines[at] ?? '')?.[1]?.split(/, ?/)
    if (hashes === undefined)
      refuse(`its armor has a header other than Hash: ${JSON.stringify(lines[at]?.slice(0, 60))}`)
    for (const hash of hashes ?? []) if (!strongHashes.includes(hash)) refuse(`it is signed with the weak hash ${hash}`)
  }
  const signature = lines.indexOf(SIGNATURE)
  if (signature === -1) refuse('it is cut off, or not signed')
  for (let line = at + 1; line < signature; line++) {
    // No line of a Release file begins with a dash, so none needs escaping either.
    if (lines[line]?.startsWith('-') === true) refuse(`line ${line + 1} begins with a dash`)
  }
  let end = signature + 1
  for (; /^(?:Version|Comment): /.test(lines[end] ?? ''); end++);
  if (lines[end] !== '') refuse('its signature armor has an unknown header')
  for (end++; /^(?:[A-Za-z0-9+/]+={0,2}|=[A-Za-z0-9+/]{4})$/.test(lines[end] ?? ''); end++);
  if (lines[end] !== END) refuse('its signature is cut off or damaged')
  if (end !== lines.length - 1) refuse('there is text behind the signed block')
  return text
}

async function readKeyring(openpgp: typeof import('openpgp'), input: Verification): Promise<readonly PublicKey[]> {
  const armored = Buffer.from(input.keyring.subarray(0, 64)).toString('latin1').trimStart().startsWith('-----BEGIN')
  try {
    const keys = armored
      ? await openpgp.readKeys({ armoredKeys: Buffer.from(input.keyring).toString('latin1') })
      : await openpgp.readKeys({ binaryKeys: Uint8Array.from(input.keyring) })
    const usable = keys.map((key) => (key.isPrivate() ? key.toPublic() : key))
    if (usable.length > 0) return usable
  } catch (failure) {
    throw keyringInvalid(input, reasonOf(failure), failure)
  }
  throw keyringInvalid(input, 'it holds no key')
}

function keyringInvalid(input: Verification, reason: string, cause?: unknown): YoeError {
  return new YoeError('KEY_INVALID', `feed ${input.feed}: ${input.keyringName} is no OpenPGP keyring: ${reason}`, {
    hint: 'write it with: gpg --export --armor KEYID > FILE',
    cause,
  })
}

/**
 * Why a key may not sign now, if it may not; the library itself only asks whether it could when the signature says it
 * was made, and a signature can say anything.
 */
async function staleness(
  key: PublicKey,
  signer: ReturnType<PublicKey['getKeyID']>,
  now: number,
): Promise<string | undefined> {
  try {
    await key.getSigningKey(signer, new Date(now))
    return undefined
  } catch (failure) {
    const end = await key.getExpirationTime().catch(() => null)
    if (end instanceof Date && end.getTime() <= now) return `expired on ${end.toISOString().slice(0, 10)}`
    const created = key.getCreationTime()
    if (created.getTime() > now) return `is not valid before ${created.toISOString().slice(0, 10)}`
    return `may not sign (${reasonOf(failure).replace(/^.*: /, '')})`
  }
}
