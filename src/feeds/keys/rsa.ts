import { createHash, createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { YoeError } from '#engine/errors.ts'
import type { SigningKey } from '#engine/formats.ts'

/** One key that signs packages and indexes of apk. */
export interface RsaKey {
  /** The file that it has on devices, in `/etc/apk/keys`; signatures name it: `gateway.rsa.pub`. */
  readonly name: string
  readonly key: KeyObject
  /** SHA-256 of the public key (SubjectPublicKeyInfo), lowercase hex. */
  readonly fingerprint: string
  /** Milliseconds since 1970; 0 where nobody wrote it down. */
  readonly made: number
  /** Its last day, UTC: after it, it signs nothing, and devices lose it. */
  readonly until: string | undefined
  /** Signs with SHA-1 as well, for clients that know nothing else. */
  readonly sha1: boolean
}

/** What one text says: the keys, the newest first, and when the last one was taken out. */
export interface RsaKeys {
  readonly keys: readonly RsaKey[]
  /** Milliseconds since 1970; 0: never. */
  readonly revoked: number
}

const bits = 2048
const smallest = 2048
const largest = 8192
/** Lower ones let signatures be forged where a reader is careless about padding. */
const leastExponent = 65_537n

const block = /^-----BEGIN ([A-Z ]*)KEY-----$[\s\S]*?^-----END \1KEY-----$/gm
const keyName = /^[A-Za-z0-9@][A-Za-z0-9@._+-]{0,200}\.pub$/
const said = /^# key (\S+) made (\S+)(?: until (\d{4}-\d\d-\d\d))?( sha1)?$/gm
const revokedAt = /^# revoked (\S+)$/gm

/** The file of a project's first key on devices. */
export function rsaKeyName(project: string): string {
  return `${project}.rsa.pub`
}

/** @param sha1 whether it shall sign for clients that know only SHA-1, too */
export async function generateRsaKey(project: string, now: Date = new Date(), sha1 = false): Promise<SigningKey> {
  const key = { ...(await freshRsaKey(rsaKeyName(project), now)), sha1 }
  return signingKeyOf({ keys: [key], revoked: 0 })
}

export async function freshRsaKey(name: string | undefined, now: Date): Promise<RsaKey> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: bits })
  const fingerprint = fingerprintOf(privateKey)
  return {
    name: name ?? `${fingerprint.slice(0, 8)}.rsa.pub`,
    key: privateKey,
    fingerprint,
    made: now.getTime(),
    until: undefined,
    sha1: false,
  }
}

/**
 * The keys of a text: PEM as openssl, abuild-keygen and yoe write it (PKCS#1, PKCS#8, both also with a passphrase), each
 * perhaps after a line of yoe's that tells its name and its last day. What Node can't decrypt, since its openssl has
 * forgotten the cipher, is read by node-forge.
 *
 * @param name of a key that says none
 * @param where names its origin in errors: a path or a variable
 * @throws {YoeError} KEY_INVALID: no such text, a passphrase that is missing or wrong, no RSA, too weak
 */
export async function rsaKeysOf(text: string, where: string, name: string, passphrase?: string): Promise<RsaKeys> {
  return keysIn(text, where, name, 'private', (pem) => privateKeyOf(pem, where, passphrase))
}

/** The public keys of a text, as `signingKeyOf` or openssl writes it. @throws {YoeError} KEY_INVALID as {@link rsaKeysOf} */
export async function rsaPublicKeysOf(text: string, where: string, name: string): Promise<RsaKeys> {
  return keysIn(text, where, name, 'public', async (pem) => {
    if (pem.includes('PRIVATE')) throw invalid(where, 'is a private key', 'yoe key export apk prints the public one')
    try {
      return strongRsa(createPublicKey(pem), where)
    } catch (failure) {
      if (failure instanceof YoeError) throw failure
      throw invalid(where, 'is no RSA public key in PEM', 'yoe key export apk prints it', failure)
    }
  })
}

async function keysIn(
  text: string,
  where: string,
  name: string,
  half: 'private' | 'public',
  read: (pem: string) => Promise<KeyObject>,
): Promise<RsaKeys> {
  const keys: RsaKey[] = []
  let from = 0
  for (const found of text.replaceAll('\r\n', '\n').matchAll(block)) {
    const before = found.input.slice(from, found.index)
    from = found.index + found[0].length
    const [, given = name, made = '', until, sha1] = [...before.matchAll(said)].at(-1) ?? []
    if (!keyName.test(given)) throw invalid(where, `names a key "${given}"`, 'such names are NAME.rsa.pub')
    const key = await read(found[0])
    keys.push({
      name: given,
      key,
      fingerprint: fingerprintOf(key),
      made: Date.parse(made) || 0,
      until,
      sha1: sha1 !== undefined,
    })
  }
  if (keys.length === 0) throw invalid(where, `is no RSA ${half} key in PEM`, 'make one: yoe key generate apk')
  if (new Set(keys.map((key) => key.name)).size < keys.length)
    throw invalid(where, 'names two keys alike', 'each has a name of its own: # key NAME.rsa.pub made DATE')
  const revoked = Math.max(0, ...[...text.matchAll(revokedAt)].map(([, date = '']) => Date.parse(date) || 0))
  return { keys, revoked }
}

async function privateKeyOf(pem: string, where: string, passphrase: string | undefined): Promise<KeyObject> {
  return strongRsa(await decrypted(pem, where, passphrase), where)
}

function strongRsa(key: KeyObject, where: string): KeyObject {
  if (key.asymmetricKeyType !== 'rsa')
    throw invalid(where, `is a key of type ${key.asymmetricKeyType}`, 'apk knows RSA: yoe key generate apk')
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
  if (modulusLength < smallest || modulusLength > largest)
    throw invalid(where, `has ${modulusLength} bits`, `use ${smallest} to ${largest}: yoe key rotate apk makes another`)
  if (publicExponent < leastExponent)
    throw invalid(where, `has the public exponent ${publicExponent}`, 'use 65537: yoe key rotate apk makes another')
  return key
}

async function decrypted(pem: string, where: string, passphrase: string | undefined): Promise<KeyObject> {
  const isEncrypted = pem.includes('ENCRYPTED')
  if (isEncrypted && (passphrase ?? '') === '')
    throw invalid(where, 'is protected by a passphrase', 'set YOE_APK_SIGNING_PASSPHRASE to it')
  try {
    return createPrivateKey(isEncrypted ? { key: pem, passphrase } : pem)
  } catch (failure) {
    const { legacyPrivateKey } = await import('./rsa-legacy.ts')
    const plain = isEncrypted ? legacyPrivateKey(pem, passphrase ?? '') : undefined
    if (plain !== undefined) return createPrivateKey(plain)
    const why = isEncrypted ? 'does not open with this passphrase' : 'is no RSA private key in PEM'
    throw invalid(where, why, isEncrypted ? 'check YOE_APK_SIGNING_PASSPHRASE' : 'openssl rsa -check -in FILE', failure)
  }
}

const fingerprintOf = (key: KeyObject): string =>
  createHash('sha256')
    .update(publicKeyOf(key).export({ type: 'spki', format: 'der' }))
    .digest('hex')

const publicKeyOf = (key: KeyObject): KeyObject => (key.type === 'public' ? key : createPublicKey(key))

/** Whether a key still signs. */
export const signsAt = (key: RsaKey, now: number): boolean => now < endOf(key)

/** When a key's last day is over: milliseconds since 1970. */
const endOf = ({ until }: RsaKey): number =>
  until === undefined ? Number.POSITIVE_INFINITY : Date.parse(`${until}T00:00:00Z`) + 86_400_000

/** @throws {YoeError} KEY_INVALID as {@link rsaKeysOf}, or when none of them signs any more */
export async function readRsaKey(
  text: string,
  where: string,
  project: string,
  passphrase?: string,
): Promise<SigningKey> {
  const all = await rsaKeysOf(text, where, rsaKeyName(project), passphrase)
  if (!all.keys.some((key) => signsAt(key, Date.now())))
    throw invalid(where, 'had its last day', 'make another: yoe key rotate apk')
  return signingKeyOf(all)
}

/**
 * The keys as one text, private and public; no passphrase protects them any more. The public one has those that sign now,
 * and says when the last one that is not there was taken out.
 */
export function signingKeyOf({ keys, revoked }: RsaKeys): SigningKey {
  const [newest] = keys
  if (newest === undefined) throw new TypeError('a text without keys was taken for one')
  const now = Date.now()
  const taken = Math.max(revoked, ...keys.filter((key) => !signsAt(key, now)).map(endOf))
  return {
    privateKey: textOf(keys, revoked, (key) => key.export({ type: 'pkcs8', format: 'pem' })),
    publicKey: textOf(
      keys.filter((key) => signsAt(key, now)),
      taken,
      publicPem,
    ),
    fingerprint: newest.fingerprint,
  }
}

const textOf = (keys: readonly RsaKey[], revoked: number, pem: (key: KeyObject) => string | Buffer): string =>
  keys.map((key) => `${headOf(key)}${pem(key.key)}`).join('') +
  (revoked === 0 ? '' : `# revoked ${new Date(revoked).toISOString()}\n`)

export const publicPem = (key: KeyObject): string => String(publicKeyOf(key).export({ type: 'spki', format: 'pem' }))

/** The line before a key that tells what no PEM can. */
export const headOf = ({ name, made, until, sha1 }: RsaKey): string =>
  `# key ${name} made ${new Date(made).toISOString()}${until === undefined ? '' : ` until ${until}`}${sha1 ? ' sha1' : ''}\n`

const parsed = new WeakMap<SigningKey, Promise<RsaKeys>>()

/** The keys that sign now, the newest first, as {@link signingKeyOf} wrote them. */
export async function rsaSigners(key: SigningKey): Promise<readonly RsaKey[]> {
  return (await everyKey(key)).keys.filter((each) => signsAt(each, Date.now()))
}

/** When the keys became what they are: the newest one made, the last one taken out. */
export function rsaChangedAt({ keys, revoked }: RsaKeys): Date {
  return new Date(Math.max(revoked, ...keys.map(({ made }) => made)))
}

function everyKey(key: SigningKey): Promise<RsaKeys> {
  const known = parsed.get(key)
  if (known !== undefined) return known
  const keys = rsaKeysOf(key.privateKey, 'use', 'key.rsa.pub')
  parsed.set(key, keys)
  return keys
}

export const invalid = (where: string, why: string, hint: string, cause?: unknown): YoeError =>
  new YoeError('KEY_INVALID', `the signing key in ${where} ${why}`, { hint, cause })
