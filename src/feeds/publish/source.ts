import { join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { Reporter } from '#engine/events.ts'
import type { SigningKey } from '#engine/formats.ts'
import { keyringPath, sourceLines, sourcePath } from '../debian/device-feed.ts'
import { type Generation, readGeneration } from '../debian/generation.ts'
import { keyringName } from '../debian/keyring-package.ts'
import type { Addition } from '../debian/repository.ts'
import { day, type FeedPage } from './page.ts'

/** What every kind of place is published to with. */
export interface FeedPublish {
  /** Absolute: a project's own repository, `repo/<project>/debian`. Only read. */
  readonly source: string
  readonly project: string
  readonly suite: string
  readonly signingKey: SigningKey
  /** Seconds since 1970. */
  readonly date: number
  /** Address that the feed is served at, for the page. */
  readonly url?: string
  /** Versions of each package that stay on offer; 3 unless given. */
  readonly keep?: number
  /** Days until devices refuse the index if nothing newer was published; 30 unless given. */
  readonly validDays?: number
  readonly report: Reporter
}

/** What is there to publish, by Debian architecture. @throws {YoeError} PUBLISH_FAILED when nothing is */
export async function readSource(input: FeedPublish): Promise<ReadonlyMap<string, readonly Addition[]>> {
  const source = await readGeneration(input.source, input.suite, input.signingKey)
  if (source === undefined) {
    throw new YoeError('PUBLISH_FAILED', `${input.project} has no packages for ${input.suite} to publish`, {
      hint: 'build something first: yoe build',
    })
  }
  return new Map(
    [...source.indexes].map(([arch, entries]) => [
      arch,
      entries.map((entry) => ({ entry, file: { path: join(input.source, entry.filename), ...entry } })),
    ]),
  )
}

/** The page for people of a published generation. */
export function pageOf(
  input: FeedPublish,
  { indexes, date }: Pick<Generation, 'indexes' | 'date'>,
): Omit<FeedPage, 'feeds'> {
  const { project, suite } = input
  // A package for every architecture stands in each index.
  const entries = new Map([...indexes.values()].flat().map((entry) => [entry.filename, entry]))
  const base = input.url?.replace(/\/+$/, '') ?? 'https://ADDRESS-OF-THIS-PAGE'
  const architectures = [...indexes.keys()].sort()
  const hasKeyring = [...entries.values()].some(({ name }) => name === keyringName(project))
  const validUntil = date + (input.validDays ?? 30) * 86_400
  return {
    project,
    folder: 'debian',
    what: `Debian packages for ${suite} (${architectures.join(', ')}), published ${day(date)}, valid until ${day(validUntil)}.`,
    use: [
      `curl -fsSL -o /${keyringPath(project)} ${base}/${project}.gpg`,
      `cat >/${sourcePath(project)} <<'END'`,
      ...sourceLines({ project, suite, url: base }, architectures),
      'END',
      'apt-get update',
      ...(hasKeyring ? [`apt-get install ${keyringName(project)}`] : []),
    ],
    fingerprint: input.signingKey.fingerprint,
    keys: [
      { file: `${project}.asc`, title: 'armored' },
      { file: `${project}.gpg`, title: 'for apt' },
    ],
    compare: `gpg --show-keys ${project}.gpg`,
    packages: [...entries.values()]
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
      .map(({ name, version, arch, size, fields, filename }) => ({
        name,
        version,
        arch,
        size,
        summary: /^Description:[ \t]*(.*)$/m.exec(fields)?.[1] ?? '',
        href: `debian/${filename.split('/').map(encodeURIComponent).join('/')}`,
      })),
  }
}
