import type { KeyFacts } from './openpgp-rotation.ts'
import { freshRsaKey, headOf, invalid, type RsaKey, rsaKeyName, rsaKeysOf, signingKeyOf, signsAt } from './rsa.ts'

/** The keys of a text, in its order. @throws {YoeError} KEY_INVALID */
export async function rsaKeyFacts(text: string, where: string, project: string): Promise<readonly KeyFacts[]> {
  return (await rsaKeysOf(text, where, rsaKeyName(project))).keys.map(factsOf)
}

function factsOf(key: RsaKey): KeyFacts {
  const { fingerprint, until } = key
  const ends = until === undefined ? undefined : Date.parse(`${until}T00:00:00Z`) + 86_400_000
  return { fingerprint, standing: signsAt(key, Date.now()) ? 'signs' : 'retired', ends }
}

/**
 * The text with a new key before the others. Those that sign now do so until their last day; those that had it are left out.
 * The new one has a file name of its own, so that devices can have both.
 *
 * @param until the last day, UTC
 * @throws {YoeError} KEY_INVALID
 */
export async function rotatedRsaKey(
  text: string,
  where: string,
  project: string,
  until: string,
  passphrase?: string,
): Promise<{ readonly text: string; readonly fresh: string; readonly old: readonly KeyFacts[] }> {
  const { keys, revoked } = await rsaKeysOf(text, where, rsaKeyName(project), passphrase)
  const made = await freshRsaKey(undefined, new Date())
  const fresh = { ...made, name: `${project}-${made.name}`, sha1: keys[0]?.sha1 ?? false }
  const kept = keys
    .filter((key) => signsAt(key, Date.now()))
    .map((key) => (key.until !== undefined && key.until <= until ? key : { ...key, until }))
  const { privateKey } = signingKeyOf({ keys: [fresh, ...kept], revoked })
  return {
    text: protectedAgain(privateKey, [fresh, ...kept], revoked, passphrase),
    fresh: fresh.fingerprint,
    old: kept.map(factsOf),
  }
}

/**
 * The text without one of its keys: it signs no more, and devices that get the new keyring lose it.
 *
 * @param wanted a fingerprint, or its beginning or end
 * @throws {YoeError} KEY_INVALID when it is not there, or no other key could sign then
 */
export async function revokedRsaKey(
  text: string,
  where: string,
  project: string,
  wanted: string,
  passphrase?: string,
): Promise<{ readonly text: string; readonly fingerprint: string }> {
  const { keys } = await rsaKeysOf(text, where, rsaKeyName(project), passphrase)
  const part = wanted.replaceAll(/[ :]/g, '').toLowerCase()
  const found = keys.filter(
    ({ fingerprint }) => part.length >= 8 && (fingerprint.startsWith(part) || fingerprint.endsWith(part)),
  )
  const [key] = found
  if (key === undefined || found.length > 1)
    throw invalid(
      where,
      `has no key "${wanted}"`,
      `its keys are: ${keys.map(({ fingerprint }) => fingerprint).join(', ')}`,
    )
  const left = keys.filter((each) => each !== key)
  if (!left.some((each) => signsAt(each, Date.now())))
    throw invalid(where, `has no other key than ${key.fingerprint}`, 'make another one first: yoe key rotate apk')
  const revoked = Date.now()
  const { privateKey } = signingKeyOf({ keys: left, revoked })
  return { text: protectedAgain(privateKey, left, revoked, passphrase), fingerprint: key.fingerprint }
}

/** What a passphrase protected stays so. */
function protectedAgain(
  plain: string,
  keys: readonly RsaKey[],
  revoked: number,
  passphrase: string | undefined,
): string {
  if ((passphrase ?? '') === '') return plain
  const protection = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase } as const
  const blocks = keys.map((key) => `${headOf(key)}${key.key.export(protection)}`)
  return blocks.join('') + (revoked === 0 ? '' : `# revoked ${new Date(revoked).toISOString()}\n`)
}
