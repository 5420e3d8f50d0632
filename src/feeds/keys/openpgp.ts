import type { Key, PrivateKey } from 'openpgp'
import { YoeError } from '#engine/errors.ts'
import type { SigningKey } from '#engine/formats.ts'

/**
 * Ed25519 in the form that GnuPG 2.2 (gpgv of Debian 12 and Ubuntu 22.04) reads as well as Sequoia (apt of Debian 13):
 * the newer form of RFC 9580 would be refused by the former.
 *
 * @param date when the key becomes valid
 */
export async function generateOpenPgpKey(project: string, date: Date = new Date()): Promise<SigningKey> {
  const { generateKey } = await import('openpgp')
  const { privateKey } = await generateKey({
    type: 'ecc',
    curve: 'ed25519Legacy',
    userIDs: [{ name: `${project} package feed` }],
    subkeys: [],
    date,
    format: 'armored',
  })
  return readOpenPgpKey(privateKey, 'the generated key')
}

/**
 * @param armored unencrypted OpenPGP private keys, the one that stays first; usually one
 * @param where names its origin in errors: a path or a variable
 * @throws {YoeError} KEY_INVALID: not armored, public only, protected by a passphrase; none that can sign (expired,
 *   revoked, too weak)
 */
export async function readOpenPgpKey(armored: string, where: string): Promise<SigningKey> {
  const keys = await privateKeysOf(armored, where)
  const [first] = await usableKeys(keys, where)
  return {
    privateKey: armored,
    publicKey: await armoredPublic(keys),
    fingerprint: first.getFingerprint().toUpperCase(),
  }
}

/** All keys of a text, those that can no longer sign among them. @throws {YoeError} KEY_INVALID */
export async function privateKeysOf(armored: string, where: string): Promise<readonly PrivateKey[]> {
  const { readPrivateKeys } = await import('openpgp')
  const exported = 'export it again: gpg --armor --export-secret-keys KEY'
  const blocks =
    armored.match(/-----BEGIN PGP PRIVATE KEY BLOCK-----[\s\S]*?-----END PGP PRIVATE KEY BLOCK-----/g) ?? []
  const keys: PrivateKey[] = []
  try {
    for (const block of blocks) keys.push(...(await readPrivateKeys({ armoredKeys: block })))
  } catch (failure) {
    throw invalid(where, 'is no armored OpenPGP private key', exported, failure)
  }
  if (keys.length === 0) throw invalid(where, 'is no armored OpenPGP private key', exported)
  if (keys.some((key) => !key.isDecrypted()))
    throw invalid(
      where,
      'is protected by a passphrase',
      'export it without one, and protect the file or the secret instead',
    )
  return keys
}

const invalid = (where: string, why: string, hint: string, cause?: unknown): YoeError =>
  new YoeError('KEY_INVALID', `the signing key in ${where} ${why}`, { hint, cause })

/** Those that can sign now. @throws {YoeError} KEY_INVALID when there is none */
async function usableKeys(
  keys: readonly PrivateKey[],
  where: string,
): Promise<readonly [PrivateKey, ...(readonly PrivateKey[])]> {
  const usable: PrivateKey[] = []
  let reason: unknown
  for (const key of keys) {
    try {
      await key.getSigningKey()
      usable.push(key)
    } catch (failure) {
      reason = failure
    }
  }
  const [first, ...others] = usable
  if (first !== undefined) return [first, ...others]
  const hint = 'put another key there: yoe key rotate feed makes one where the key is a file'
  throw invalid(where, 'can no longer sign (expired, revoked or too weak)', hint, reason)
}

async function armoredPublic(keys: readonly PrivateKey[]): Promise<string> {
  const [only, ...others] = keys
  if (only !== undefined && others.length === 0) return only.toPublic().armor()
  const { armor, enums } = await import('openpgp')
  return armor(enums.armor.publicKey, Buffer.concat(keys.map((key) => key.toPublic().write())))
}

/**
 * The public keys of a file: binary, or armored blocks one after the other.
 *
 * @throws {YoeError} KEY_INVALID when it holds none, or a private one
 */
export async function publicKeysOf(bytes: Buffer, where: string): Promise<readonly Key[]> {
  const { readKeys } = await import('openpgp')
  const exported = 'yoe key export feed prints it'
  const blocks =
    bytes.toString('latin1').match(/-----BEGIN PGP PUBLIC KEY BLOCK-----[\s\S]*?-----END PGP PUBLIC KEY BLOCK-----/g) ??
    []
  const keys: Key[] = []
  try {
    if (blocks.length === 0) keys.push(...(await readKeys({ binaryKeys: bytes })))
    for (const block of blocks) keys.push(...(await readKeys({ armoredKeys: block })))
  } catch (failure) {
    throw invalid(where, 'is no OpenPGP public key', exported, failure)
  }
  if (keys.some((key) => key.isPrivate())) throw invalid(where, 'is a private key', exported)
  return keys
}

/** Of the keys that sign now. */
export async function usableFingerprints({ privateKey }: SigningKey): Promise<readonly string[]> {
  const keys = await usableKeys(await privateKeysOf(privateKey, 'use'), 'use')
  return keys.map((key) => key.getFingerprint().toUpperCase())
}

/** The public key as apt wants it in /etc/apt/keyrings/<project>.gpg: binary, so that every apt reads it. */
export async function binaryKeyring(key: SigningKey): Promise<Uint8Array> {
  const { readKeys } = await import('openpgp')
  const keys = await readKeys({ armoredKeys: key.publicKey })
  return Buffer.concat(keys.map((each) => each.toPublic().write()))
}

export interface SignedText {
  /** Cleartext-signed: text and signature in one. */
  readonly inline: string
  /** The signature alone, armored. */
  readonly detached: string
}

/**
 * Signs `text` twice, as InRelease and Release.gpg need it, each time with every key that can still sign. The same text, key and date give the same bytes.
 *
 * @param text lines ended by LF, without trailing blanks
 * @param date seconds since 1970; a signature is never dated before its key, which verifiers refuse
 * @throws {YoeError} KEY_INVALID
 */
export async function signText(text: string, signingKey: SigningKey, date: number): Promise<SignedText> {
  const { createCleartextMessage, createMessage, enums, sign } = await import('openpgp')
  const keys = await usableKeys(await privateKeysOf(signingKey.privateKey, 'use'), 'use')
  const options = {
    signingKeys: [...keys],
    date: new Date(Math.max(date * 1000, ...keys.map((key) => key.getCreationTime().getTime()))),
    config: { nonDeterministicSignaturesViaNotation: false, preferredHashAlgorithm: enums.hash.sha512 },
  }
  // The newline before the signature belongs to the armor.
  const inline = await sign({ message: await createCleartextMessage({ text: text.replace(/\n$/, '') }), ...options })
  const detached = await sign({
    message: await createMessage({ binary: new TextEncoder().encode(text) }),
    detached: true,
    ...options,
  })
  return { inline: lineFeeds(inline), detached: lineFeeds(detached) }
}

/** The library ends lines of its armor with CR LF; everything else in a repository ends them with LF. */
const lineFeeds = (armored: string): string => armored.replaceAll('\r\n', '\n')

/**
 * The text of a cleartext-signed message, LF-ended, when one of these keys signed it and nothing stands beside it.
 *
 * @returns undefined when the signature is missing, bad or someone else's
 */
export async function verifiedText(inline: string, signingKey: SigningKey): Promise<string | undefined> {
  const { readCleartextMessage, readKeys, verify } = await import('openpgp')
  const marks = inline.match(/^-----(BEGIN|END) PGP [A-Z ]+-----$/gm) ?? []
  const alone =
    inline.startsWith('-----BEGIN PGP SIGNED MESSAGE-----\n') && inline.endsWith('-----END PGP SIGNATURE-----\n')
  if (!alone || marks.length !== 3) return undefined
  try {
    const message = await readCleartextMessage({ cleartextMessage: inline })
    const known = await readKeys({ armoredKeys: signingKey.publicKey })
    const revoked = await Promise.all(known.map((key) => key.isRevoked()))
    const verificationKeys = known.filter((_, index) => revoked[index] === false)
    // A repository kept with a fixed date may have been signed "later" than now.
    const { data } = await verify({ message, verificationKeys, expectSigned: true, date: farFuture })
    return `${String(data).replaceAll('\r\n', '\n').replace(/\n*$/, '')}\n`
  } catch {
    return undefined
  }
}

const farFuture = new Date(Date.UTC(2100, 0, 1))
