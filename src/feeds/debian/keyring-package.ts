import type { PackedPackage } from '#engine/formats.ts'
import { binaryKeyring } from '../keys/openpgp.ts'
import { changedAt } from '../keys/openpgp-rotation.ts'
import { type KeyringInput, packKeyring } from '../shared/keyring-package.ts'
import { packDeb } from './pack.ts'

/** See {@link packKeyring}. @throws {YoeError} BAD_NAME, DISK_FULL */
export async function keyringPackage(input: KeyringInput): Promise<PackedPackage> {
  const { project, key } = input
  return packKeyring(input, {
    name: keyringName(project),
    files: new Map([[`etc/apt/keyrings/${project}.gpg`, await binaryKeyring(key)]]),
    changed: await changedAt(key.publicKey),
    pack: packDeb,
  })
}

/** As Debian calls such packages. */
export function keyringName(project: string): string {
  return `${project}-archive-keyring`
}
