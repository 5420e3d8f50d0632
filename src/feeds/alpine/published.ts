import { join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { SigningKey } from '#engine/formats.ts'
import { rsaKeyName, rsaSigners } from '../keys/rsa.ts'
import { day, type FeedPage } from '../publish/page.ts'
import type { FeedPublish } from '../publish/source.ts'
import { repositoryUrl } from './device-feed.ts'
import { fileOf, type IndexEntry } from './index-entry.ts'
import { keyringName } from './keyring-package.ts'
import { readIndexes } from './repository.ts'
import type { Incoming } from './signed-copy.ts'

/** What is there to publish, by architecture. @throws {YoeError} PUBLISH_FAILED when nothing is */
export async function readSource(input: FeedPublish): Promise<ReadonlyMap<string, readonly Incoming[]>> {
  const source = await readIndexes(input.source, input.signingKey)
  if (source.size === 0) {
    throw new YoeError('PUBLISH_FAILED', `${input.project} has no packages for Alpine to publish`, {
      hint: 'build something first: yoe build',
    })
  }
  return new Map(
    [...source].map(([arch, { entries }]) => [
      arch,
      entries.map((entry) => ({ ...entry, path: join(input.source, fileOf(entry)) })),
    ]),
  )
}

/** The file that a device gets first. One key is enough: the package of keys brings the others. */
export async function trustedFile(project: string, key: SigningKey | undefined): Promise<string> {
  const [newest] = key === undefined ? [] : await rsaSigners(key)
  return newest?.name ?? rsaKeyName(project)
}

/** What to type on a device. @param withKeyring the feed has the package by which devices follow when a key is replaced */
export async function useCommands(
  project: string,
  url: string,
  key: SigningKey | undefined,
  withKeyring: boolean,
): Promise<readonly string[]> {
  const name = await trustedFile(project, key)
  return [
    `wget -O /etc/apk/keys/${name} ${url}/${name}`,
    `echo ${repositoryUrl(url)} >>/etc/apk/repositories`,
    'apk update',
    ...(withKeyring ? [`apk add ${keyringName(project)}`] : []),
  ]
}

/** The page for people of published indexes, by architecture. */
export async function pageOf(
  input: FeedPublish,
  indexes: ReadonlyMap<string, readonly IndexEntry[]>,
): Promise<Omit<FeedPage, 'feeds'>> {
  const { project, suite, date, signingKey } = input
  const entries = new Map([...indexes.values()].flat().map((entry) => [fileOf(entry), entry]))
  const base = input.url?.replace(/\/+$/, '') ?? 'https://ADDRESS-OF-THIS-PAGE'
  const names = (await rsaSigners(signingKey)).map(({ name }) => name)
  const hasKeyring = [...entries.values()].some(({ name }) => name === keyringName(project))
  return {
    project,
    folder: 'alpine',
    what: `Alpine packages for ${suite} (${[...indexes.keys()].sort().join(', ')}), published ${day(date)}.`,
    use: await useCommands(project, base, signingKey, hasKeyring),
    fingerprint: signingKey.fingerprint,
    keys: names.map((name) => ({ file: name, title: name })),
    compare: `openssl pkey -pubin -in ${names[0]} -outform der | sha256sum`,
    packages: [...entries.values()]
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
      .map((entry) => ({
        ...entry,
        summary: /^T:(.*)$/m.exec(entry.text)?.[1] ?? '',
        href: `alpine/${fileOf(entry).split('/').map(encodeURIComponent).join('/')}`,
      })),
  }
}
