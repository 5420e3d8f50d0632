import type { PrivateKey } from 'openpgp'
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
 * @param armored one unencrypted OpenPGP private key
 * @param where names its origin in errors: a path or a variable
 * @throws {YoeError} KEY_INVALID: not armored, public only, protected by a passphrase, expired, revoked, too weak
 */
export async function readOpenPgpKey(armored: string, where: string): Promise<SigningKey> {
  const key = await privateKeyOf(armored, where)
  return {
    privateKey: armored,
    publicKey: key.toPublic().armor(),
    fingerprint: key.getFingerprint().toUpperCase(),
  }
}

async function privateKeyOf(armored: string, where: string): Promise<PrivateKey> {
  const { readPrivateKey } = await import('openpgp')
  const invalid = (why: string, hint: string, cause?: unknown): YoeError =>
    new YoeError('KEY_INVALID', `the signing key in ${where} ${why}`, { hint, cause })
  const exported = 'export it again: gpg --armor --export-secret-keys KEY'
  let key: PrivateKey
  try {
    key = await readPrivateKey({ armoredKey: armored })
  } catch (failure) {
    throw invalid('is no armored OpenPGP private key', exported, failure)
  }
  if (!key.isDecrypted()) {
    throw invalid('is protected by a passphrase', 'export it without one, and protect the file or the secret instead')
  }
  try {
    await key.getSigningKey()
  } catch (failure) {
    throw invalid('can no longer sign (expired, revoked or too weak)', 'make another: yoe key generate', failure)
  }
  return key
}

/** The public key as apt wants it in /etc/apt/keyrings/<project>.gpg: binary, so that every apt reads it. */
export async function binaryKeyring(key: SigningKey): Promise<Uint8Array> {
  const { readKey } = await import('openpgp')
  return (await readKey({ armoredKey: key.publicKey })).toPublic().write()
}

export interface SignedText {
  /** Cleartext-signed: text and signature in one. */
  readonly inline: string
  /** The signature alone, armored. */
  readonly detached: string
}

/**
 * Signs `text` twice, as InRelease and Release.gpg need it. The same text, key and date give the same bytes.
 *
 * @param text lines ended by LF, without trailing blanks
 * @param date seconds since 1970; a signature is never dated before its key, which verifiers refuse
 * @throws {YoeError} KEY_INVALID
 */
export async function signText(text: string, signingKey: SigningKey, date: number): Promise<SignedText> {
  const { createCleartextMessage, createMessage, enums, sign } = await import('openpgp')
  const key = await privateKeyOf(signingKey.privateKey, 'use')
  const options = {
    signingKeys: key,
    date: new Date(Math.max(date * 1000, key.getCreationTime().getTime())),
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
 * The text of a cleartext-signed message, LF-ended, when this key signed it and nothing stands beside it.
 *
 * @returns undefined when the signature is missing, bad or someone else's
 */
export async function verifiedText(inline: string, signingKey: SigningKey): Promise<string | undefined> {
  const { readCleartextMessage, readKey, verify } = await import('openpgp')
  const marks = inline.match(/^-----(BEGIN|END) PGP [A-Z ]+-----$/gm) ?? []
  const alone =
    inline.startsWith('-----BEGIN PGP SIGNED MESSAGE-----\n') && inline.endsWith('-----END PGP SIGNATURE-----\n')
  if (!alone || marks.length !== 3) return undefined
  try {
    const message = await readCleartextMessage({ cleartextMessage: inline })
    const verificationKeys = await readKey({ armoredKey: signingKey.publicKey })
    // A repository kept with a fixed date may have been signed "later" than now.
    const { data } = await verify({ message, verificationKeys, expectSigned: true, date: farFuture })
    return `${String(data).replaceAll('\r\n', '\n').replace(/\n*$/, '')}\n`
  } catch {
    return undefined
  }
}

const farFuture = new Date(Date.UTC(2100, 0, 1))
