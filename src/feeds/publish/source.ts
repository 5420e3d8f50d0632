import { join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { Reporter } from '#engine/events.ts'
import type { SigningKey } from '#engine/formats.ts'
import { type Generation, readGeneration } from '../debian/generation.ts'
import { keyringName } from '../debian/keyring-package.ts'
import type { Addition } from '../debian/repository.ts'
import { type FeedPage, renderPage } from './page.ts'

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

/**
 * The page for people of a published generation.
 *
 * @param suites all that are published there, the generation's own among them
 */
export function pageOf(
  input: FeedPublish,
  { indexes, date }: Pick<Generation, 'indexes' | 'date'>,
  suites: FeedPage['suites'],
): string {
  // A package for every architecture stands in each index.
  const entries = new Map([...indexes.values()].flat().map((entry) => [entry.filename, entry]))
  return renderPage({
    project: input.project,
    suite: input.suite,
    suites,
    architectures: [...indexes.keys()].sort(),
    keyring: keyringName(input.project),
    fingerprint: input.signingKey.fingerprint,
    url: input.url,
    published: date,
    validUntil: date + (input.validDays ?? 30) * 86_400,
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
  })
}
