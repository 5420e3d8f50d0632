import type { DeviceFeed, DeviceFile } from '#engine/formats.ts'
import type { PublicKeyFile } from '#engine/project/settings.ts'

/** See {@link PackageFormat.deviceFiles}: a source in deb822 form. @see sources.list(5) */
export function deviceFiles(feed: DeviceFeed | undefined): readonly DeviceFile[] {
  if (feed === undefined) return []
  return [{ path: sourcePath(feed.project), text: `${sourceLines(feed).join('\n')}\n`, isDefault: false }]
}

/** Where apt is told of a project's feed; of its root. */
export function sourcePath(project: string): string {
  return `etc/apt/sources.list.d/${project}.sources`
}

/** The project's public keys on a device; of its root. */
export function keyringPath(project: string): string {
  return `etc/apt/keyrings/${project}.gpg`
}

/** What apt is told. @param architectures all that the feed has; undefined: those of the device */
export function sourceLines({ project, suite, url }: DeviceFeed, architectures?: readonly string[]): readonly string[] {
  return [
    'Types: deb',
    `URIs: ${url}/debian`,
    `Suites: ${suite}`,
    'Components: main',
    ...(architectures === undefined ? [] : [`Architectures: ${architectures.join(' ')}`]),
    `Signed-By: /${keyringPath(project)}`,
  ]
}

/** See {@link PackageFormat.knowsKeys}: OpenPGP, armored, or binary, which begins with a public key's packet. */
export function knowsKeys({ content }: PublicKeyFile): boolean {
  const bytes = Buffer.from(content, 'base64')
  const [first = 0] = bytes
  return first === 0xc6 || (first & 0xfc) === 0x98 || bytes.includes('-----BEGIN PGP PUBLIC KEY BLOCK-----')
}
