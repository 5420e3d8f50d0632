import { basename } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { PackedPackage, SigningKey } from '#engine/formats.ts'
import type { PublicKeyFile } from '#engine/project/settings.ts'
import { publicPem, type RsaKey, type RsaKeys, rsaChangedAt, rsaPublicKeysOf, rsaSigners } from '../keys/rsa.ts'
import { type KeyringInput, packKeyring } from '../shared/keyring-package.ts'
import { knowsKeys } from './device-feed.ts'
import { packApk } from './pack.ts'

/** See {@link packKeyring}. A key that is no longer among them is not in it: devices lose it. @throws {YoeError} BAD_NAME, KEY_INVALID, DISK_FULL */
export async function keyringPackage(input: KeyringInput): Promise<PackedPackage> {
  const read = await readKeys(input.keys)
  return packKeyring(input, {
    name: keyringName(input.project),
    files: new Map(read.keys.map(({ name, key }) => [`etc/apk/keys/${name}`, Buffer.from(publicPem(key))])),
    changed: rsaChangedAt(read),
    pack: packApk,
  })
}

/** The keys of those files that have some of apk. @throws {YoeError} KEY_INVALID */
async function readKeys(files: readonly PublicKeyFile[]): Promise<RsaKeys> {
  const read = await Promise.all(
    files
      .filter(knowsKeys)
      .map(({ file, content }) =>
        rsaPublicKeysOf(Buffer.from(content, 'base64').toString('utf8'), file, basename(file)),
      ),
  )
  const keys = read.flatMap((each) => each.keys)
  const twice = keys.find(({ name }, index) => keys.findIndex((other) => other.name === name) !== index)
  if (twice !== undefined)
    throw new YoeError('KEY_INVALID', `two public keys are called ${twice.name}`, {
      hint: `signatures name keys by that; name each once (${files.map(({ file }) => file).join(', ')})`,
    })
  return { keys, revoked: Math.max(0, ...read.map(({ revoked }) => revoked)) }
}

/** What stands for a key that devices believe: signatures name its file. */
export async function trustedKeys(files: readonly PublicKeyFile[]): Promise<readonly string[]> {
  return (await readKeys(files)).keys.map(identity)
}

/** What stands for each key that signs now. */
export async function signingKeys(key: SigningKey): Promise<readonly string[]> {
  return (await rsaSigners(key)).map(identity)
}

const identity = ({ name, fingerprint }: RsaKey): string => `${name} (${fingerprint})`

/** Public keys as apk wants them in `/etc/apk/keys`, by their file names there. */
export async function publicKeyFiles(key: SigningKey): Promise<ReadonlyMap<string, string>> {
  return new Map((await rsaSigners(key)).map((each) => [each.name, publicPem(each.key)]))
}

/** As Alpine calls such packages. */
export function keyringName(project: string): string {
  return `${project}-keys`
}
