import type { Key } from 'openpgp'
import type { PackedPackage, SigningKey } from '#engine/formats.ts'
import type { PublicKeyFile } from '#engine/project/settings.ts'
import { publicKeysOf, usableFingerprints } from '../keys/openpgp.ts'
import { changedAt } from '../keys/openpgp-rotation.ts'
import { type KeyringInput, packKeyring } from '../shared/keyring-package.ts'
import { keyringPath, knowsKeys } from './device-feed.ts'
import { packDeb } from './pack.ts'

/** See {@link packKeyring}. @throws {YoeError} BAD_NAME, KEY_INVALID, DISK_FULL */
export async function keyringPackage(input: KeyringInput): Promise<PackedPackage> {
  const { project } = input
  const keys = await readKeys(input.keys)
  return packKeyring(input, {
    name: keyringName(project),
    files: new Map([[keyringPath(project), Buffer.concat(keys.map((key) => key.write()))]]),
    changed: changedAt(keys),
    pack: packDeb,
  })
}

/** The keys of those files that have some of apt. @throws {YoeError} KEY_INVALID */
async function readKeys(files: readonly PublicKeyFile[]): Promise<readonly Key[]> {
  const read = await Promise.all(
    files.filter(knowsKeys).map(({ file, content }) => publicKeysOf(Buffer.from(content, 'base64'), file)),
  )
  return read.flat()
}

/** What stands for a key that devices believe. */
export async function trustedKeys(files: readonly PublicKeyFile[]): Promise<readonly string[]> {
  return (await readKeys(files)).map((key) => key.getFingerprint().toUpperCase())
}

/** What stands for each key that signs now. */
export async function signingKeys(key: SigningKey): Promise<readonly string[]> {
  return usableFingerprints(key)
}

/** As Debian calls such packages. */
export function keyringName(project: string): string {
  return `${project}-archive-keyring`
}
