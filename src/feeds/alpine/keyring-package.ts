import type { PackedPackage, SigningKey } from '#engine/formats.ts'
import { publicPem, rsaChangedAt, rsaSigners } from '../keys/rsa.ts'
import { type KeyringInput, packKeyring } from '../shared/keyring-package.ts'
import { packApk } from './pack.ts'

/** See {@link packKeyring}. A key that was revoked or had its last day is not in it: devices lose it. @throws {YoeError} BAD_NAME, DISK_FULL */
export async function keyringPackage(input: KeyringInput): Promise<PackedPackage> {
  const files = await publicKeyFiles(input.key)
  return packKeyring(input, {
    name: keyringName(input.project),
    files: new Map([...files].map(([name, pem]) => [`etc/apk/keys/${name}`, Buffer.from(pem)])),
    changed: await rsaChangedAt(input.key),
    pack: packApk,
  })
}

/** Public keys as apk wants them in `/etc/apk/keys`, by their file names there. */
export async function publicKeyFiles(key: SigningKey): Promise<ReadonlyMap<string, string>> {
  return new Map((await rsaSigners(key)).map((each) => [each.name, publicPem(each.key)]))
}

/** As Alpine calls such packages. */
export function keyringName(project: string): string {
  return `${project}-keys`
}
