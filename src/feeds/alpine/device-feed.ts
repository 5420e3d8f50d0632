import type { DeviceFeed, DeviceFile } from '#engine/formats.ts'
import type { PublicKeyFile } from '#engine/project/settings.ts'

const path = 'etc/apk/repositories'

const template = `# Where apk finds packages, one address on each line: the folder that has x86_64/APKINDEX.tar.gz and its like.
# The key that signs them belongs in /etc/apk/keys. Images have both from the start where PROJECT.star says feed(…).
#https://feed.example.com/alpine
`

/** See {@link PackageFormat.deviceFiles}. apk 2 reads one file alone. @see seed, On-Device Package Management */
export function deviceFiles(feed: DeviceFeed | undefined): readonly DeviceFile[] {
  return feed === undefined
    ? [{ path, text: template, isDefault: true }]
    : [{ path, text: `${repositoryUrl(feed.url)}\n`, isDefault: false }]
}

/** What apk is told. @param url where the feed is published, without a slash at its end */
export function repositoryUrl(url: string): string {
  return `${url}/alpine`
}

/** See {@link PackageFormat.knowsKeys}: RSA in PEM. */
export function knowsKeys({ content }: PublicKeyFile): boolean {
  return /^-----BEGIN (?:RSA )?PUBLIC KEY-----\r?$/m.test(Buffer.from(content, 'base64').toString('latin1'))
}
