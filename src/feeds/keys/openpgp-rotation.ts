import type { Key, PrivateKey } from 'openpgp'
import { YoeError } from '#engine/errors.ts'
import { generateOpenPgpKey, privateKeysOf } from './openpgp.ts'

/** One key of a text that holds several. */
export interface KeyFacts {
  /** Upper case. */
  readonly fingerprint: string
  readonly standing: 'signs' | 'retired' | 'revoked'
  /** Milliseconds since 1970: when it ends; undefined: never. */
  readonly ends: number | undefined
}

/** The keys of a text, in its order. @throws {YoeError} KEY_INVALID */
export async function openPgpKeys(armored: string, where: string): Promise<readonly KeyFacts[]> {
  return Promise.all((await privateKeysOf(armored, where)).map(factsOf))
}

async function factsOf(key: PrivateKey): Promise<KeyFacts> {
  const fingerprint = key.getFingerprint().toUpperCase()
  if (await key.isRevoked()) return { fingerprint, standing: 'revoked', ends: undefined }
  const end = await key.getExpirationTime()
  const ends = end instanceof Date ? end.getTime() : undefined
  return { fingerprint, standing: ends !== undefined && ends <= Date.now() ? 'retired' : 'signs', ends }
}

/** When the keys became what they are: the newest one made, or the last one revoked. */
export function changedAt(keys: readonly Key[]): Date {
  const times = keys.flatMap((key) => [
    key.getCreationTime().getTime(),
    ...key.revocationSignatures.map(({ created }) => created?.getTime() ?? 0),
  ])
  return new Date(Math.max(...times))
}

/**
 * The text with a new key before the others. Those that sign now do so until their last day: it is the key's own end, which
 * every reader of signatures keeps to. Those that ended are left out.
 *
 * @param until milliseconds since 1970: the end of the last day
 * @returns armored, one block
 * @throws {YoeError} KEY_INVALID
 */
export async function rotatedOpenPgpKey(
  armored: string,
  where: string,
  project: string,
  until: number,
): Promise<{ readonly armored: string; readonly fresh: string; readonly old: readonly KeyFacts[] }> {
  const present = await privateKeysOf(armored, where)
  const generated = await generateOpenPgpKey(project)
  const kept: PrivateKey[] = []
  for (const key of present) {
    const { standing, ends } = await factsOf(key)
    if (standing === 'retired') continue
    kept.push(standing === 'revoked' || (ends !== undefined && ends <= until) ? key : await ending(key, until))
  }
  const [fresh] = await privateKeysOf(generated.privateKey, where)
  if (fresh === undefined) throw new TypeError('a key was generated and is not there')
  return {
    armored: await armoredBlock([fresh, ...kept]),
    fresh: generated.fingerprint,
    old: await Promise.all(kept.map(factsOf)),
  }
}

/** The key with an end. What it signed before was signed under the same certificate, so that is as old as the key. */
async function ending(key: PrivateKey, until: number): Promise<PrivateKey> {
  const { reformatKey } = await import('openpgp')
  const created = key.getCreationTime()
  const { privateKey } = await reformatKey({
    privateKey: key,
    userIDs: key.users.flatMap(({ userID }) => (userID === null ? [] : [userID])),
    date: created,
    keyExpirationTime: Math.max(1, Math.floor((until - created.getTime()) / 1000)),
    format: 'object',
  })
  return privateKey
}

/**
 * The text with one of its keys revoked: it signs no more, and devices that get the new keyring refuse what it signed.
 *
 * @param wanted a fingerprint, or its end (a key's id)
 * @throws {YoeError} KEY_INVALID when it is not there, or no other key could sign then
 */
export async function revokedOpenPgpKey(
  armored: string,
  where: string,
  wanted: string,
): Promise<{ readonly armored: string; readonly fingerprint: string }> {
  const { enums, revokeKey } = await import('openpgp')
  const keys = await privateKeysOf(armored, where)
  const facts = await Promise.all(keys.map(factsOf))
  const end = wanted.replaceAll(' ', '').toUpperCase()
  const index = facts.findIndex(({ fingerprint }) => end.length >= 8 && fingerprint.endsWith(end))
  const [key, { fingerprint } = { fingerprint: '' }] = [keys[index], facts[index]]
  if (key === undefined)
    throw new YoeError('KEY_INVALID', `no feed key of this project ends in "${wanted}"`, {
      hint: `its keys are: ${facts.map((each) => each.fingerprint).join(', ')}`,
    })
  if (!facts.some((other, at) => at !== index && other.standing === 'signs'))
    throw new YoeError('KEY_INVALID', `${fingerprint} is the only key that signs this project's feed`, {
      hint: 'make another one first: yoe key rotate feed',
    })
  const { privateKey } = await revokeKey({
    key,
    reasonForRevocation: { flag: enums.reasonForRevocation.keyCompromised, string: '' },
    format: 'object',
  })
  return { armored: await armoredBlock(keys.with(index, privateKey)), fingerprint }
}

async function armoredBlock(keys: readonly PrivateKey[]): Promise<string> {
  const { armor, enums } = await import('openpgp')
  return armor(enums.armor.privateKey, Buffer.concat(keys.map((key) => key.write()))).replaceAll('\r\n', '\n')
}
