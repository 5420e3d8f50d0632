import { join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { Reporter } from '#engine/events.ts'
import type { SigningKey } from '#engine/formats.ts'
import { type Generation, readGeneration } from '../debian/generation.ts'
import { keyringName } from '../debian/keyring-package.ts'
import { exclusively, publishGeneration } from '../debian/repository.ts'
import { binaryKeyring } from '../keys/openpgp.ts'
import { makeFolder, putFile } from './atomic.ts'
import { renderPage } from './page.ts'

export interface DirectoryPublish {
  /** Absolute: a project's own repository, `repo/<project>/debian`. Only read. */
  readonly source: string
  /** Absolute: gets `debian/`, `<project>.gpg`, `<project>.asc` and `index.html`; may hold an earlier publish. */
  readonly target: string
  readonly project: string
  readonly suite: string
  readonly signingKey: SigningKey
  /** Seconds since 1970. */
  readonly date: number
  /** Address that the target is served at, for the page. */
  readonly url?: string
  /** Versions of each package that stay on offer; 3 unless given. */
  readonly keep?: number
  /** Days until devices refuse the index if nothing newer was published; 30 unless given. */
  readonly validDays?: number
  readonly report: Reporter
}

/**
 * Brings a project's packages to a folder that some web server serves. What earlier publishes, also from other
 * machines, brought there stays on offer. Packages come first and the index last: a publish that is killed, or finds
 * the disk full, leaves the old feed whole.
 *
 * @returns how many packages the feed now offers
 * @throws {YoeError} PUBLISH_FAILED when the project has no repository yet or the target is signed by somebody else;
 *   DISK_FULL, PERMISSION, TOOL_MISSING
 */
export async function publishDirectory(input: DirectoryPublish): Promise<{ readonly packages: number }> {
  const source = await readGeneration(input.source, input.suite, input.signingKey)
  if (source === undefined) {
    throw new YoeError('PUBLISH_FAILED', `${input.project} has no packages for ${input.suite} to publish`, {
      hint: 'build something first: yoe build',
    })
  }
  const root = join(input.target, 'debian')
  await makeFolder(root)
  return exclusively(root, input, async () => {
    const temp = join(root, '.tmp')
    // Before the index: whoever reads it needs the key.
    await putFile(temp, join(input.target, `${input.project}.gpg`), await binaryKeyring(input.signingKey))
    await putFile(temp, join(input.target, `${input.project}.asc`), input.signingKey.publicKey.replaceAll('\r\n', '\n'))
    const additions = new Map(
      [...source.indexes].map(([arch, entries]) => [
        arch,
        entries.map((entry) => ({ entry, file: { path: join(input.source, entry.filename), ...entry } })),
      ]),
    )
    const old = await readGeneration(root, input.suite, input.signingKey)
    const now = await publishGeneration({ ...input, root }, old, additions)
    await putFile(temp, join(input.target, 'index.html'), page(input, now))
    return { packages: [...now.indexes.values()].flat().length }
  })
}

function page(input: DirectoryPublish, { indexes, date }: Generation): string {
  // A package for every architecture stands in each index.
  const entries = new Map([...indexes.values()].flat().map((entry) => [entry.filename, entry]))
  return renderPage({
    project: input.project,
    suite: input.suite,
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
