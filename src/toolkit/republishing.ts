import { createHash } from 'node:crypto'
import { createReadStream, globSync } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type Arch, architectures } from '#engine/arch.ts'
import { YoeError } from '#engine/errors.ts'
import { step } from '#engine/events.ts'
import type { PackageFormat, RepositoryEntry, SigningKey } from '#engine/formats.ts'
import type { Project } from '#engine/project/model.ts'
import { type KeyUse, keyVariable, loadKey } from '#feeds/keys/project-keys.ts'
import type { Imported } from '#feeds/publish/live-site.ts'
import type { Publisher } from '#feeds/publish/publisher.ts'
import { keyOwner } from './cache-trust.ts'
import { formatOf, formats, otherPublishers, publisherOf } from './formats.ts'
import { suiteOf } from './planning.ts'
import { type Publication, type Published, type Publishing, publishFeed, publishWithKeyring } from './publishing.ts'
import { loadProject, type Workspace } from './workspace.ts'

/** The packages of one distro that jobs of a run made. */
export interface MadePackages {
  readonly publication: Publication
  readonly publisher: Publisher
  readonly keyUse: KeyUse
  /** The project's key of such feeds; undefined: this run has none. */
  readonly key: SigningKey | undefined
  /** Absolute paths of package files. */
  readonly files: readonly string[]
  /** Whose index a package for every architecture is in when no other is there. */
  readonly arch: Arch
}

/**
 * What jobs made, by the distro that it is for. Nothing of it is believed yet.
 *
 * @param feeds absolute folders: repositories of any format
 * @throws {YoeErrors} everything that is wrong with the project; KEY_INVALID; PUBLISH_FAILED when there is no package
 */
export async function packagesMade(opened: Workspace, feeds: readonly string[]): Promise<readonly MadePackages[]> {
  const { project, workspace, machine } = await loadProject(opened, undefined)
  const made: MadePackages[] = []
  for (const distro of distrosOf(project)) {
    const format = formatOf(distro)
    const publisher = await publisherOf(format)
    const { keyUse, extension } = publisher
    const files = feeds.flatMap((feed) => globSync(`**/*${extension}`, { cwd: feed }).map((file) => join(feed, file)))
    if (files.length === 0) continue
    const publication = { workspace, project, distro, suite: suiteOf(project, distro), format }
    const key = await loadKey(keyOwner(publication), keyUse)
    const arch = (machine ?? project.machines[0])?.arch ?? 'x86_64'
    made.push({ publication, publisher, keyUse, key, files, arch })
  }
  if (made.length > 0) return made
  throw new YoeError('PUBLISH_FAILED', 'the feeds of this run have no packages', {
    hint: 'build something first: yoe build',
  })
}

/** One distro of each format that the project has feeds of: its default rather than others. */
function distrosOf({ defaults, feeds }: Project): readonly string[] {
  const all = [...(defaults.distro === undefined ? [] : [defaults.distro]), ...feeds.map(({ distro }) => distro)]
  return formats.flatMap((format) => all.find((distro) => format.distros.includes(distro)) ?? [])
}

/** Packages that jobs made, and the key that lasts. */
export type Republishable = MadePackages & { readonly key: SigningKey }

export interface Republishing extends Publishing {
  /** The address of a site that a publish replaces: what it serves now is brought to the folder first. */
  readonly live?: string | undefined
}

export interface Republished extends Omit<Published, 'fingerprint'> {
  /** What the live site served; undefined: nothing yet, or there is none. */
  readonly imported: Imported | undefined
  /** How many packages each of the feeds offers now, in their order. */
  readonly offered: readonly number[]
}

/**
 * Publishes packages that other jobs of the same run made, whose repositories are signed by keys that nobody keeps: only
 * the package files are taken, and signed anew. Those of all distros end up at one place.
 *
 * Everything is read and signed, and what a live site has is here and verified, before anything is put there.
 */
export async function republish(all: readonly Republishable[], publishing: Republishing): Promise<Republished> {
  const staging = await mkdtemp(join(tmpdir(), 'yoe-publish-'))
  try {
    const ready: (readonly [Republishable, source: string])[] = []
    const known = new Map<string, RepositoryEntry>()
    for (const made of all) {
      const entries = await entriesOf(made)
      for (const each of [...entries.values()].flat()) known.set(each.sha256, each)
      const source = join(staging, made.publication.distro)
      await publishWithKeyring(made.publication, made.key, source, entries)
      ready.push([made, source])
    }
    const { to, live } = publishing
    const imported =
      live === undefined || to.kind !== 'directory' ? undefined : await bringLive(all, live, to.path, known)
    const offered: number[] = []
    let url: string | undefined
    for (const [{ publication, key }, source] of ready) {
      const published = await publishFeed(publication, source, key, publishing)
      offered.push(published.packages)
      url = published.url
    }
    return { packages: offered.reduce((sum, each) => sum + each, 0), offered, url, imported }
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

/** By architecture; those for every one are in each. */
async function entriesOf({ publication: { format }, files, arch }: MadePackages) {
  const entries = new Map<string, RepositoryEntry>()
  for (const file of files) {
    const entry = await fileEntry(format, file)
    entries.set(entry.sha256, entry)
  }
  const all = [...entries.values()]
  const own = (one: Arch): readonly RepositoryEntry[] =>
    all.filter(({ record }) => record.arch === format.archName(one))
  const found = architectures.filter((one) => own(one).length > 0)
  const foreign = new Set(architectures.map((one) => format.archName(one)))
  const everywhere = all.filter(({ record }) => !foreign.has(record.arch))
  return new Map((found.length === 0 ? [arch] : found).map((one) => [one, [...own(one), ...everywhere]]))
}

async function fileEntry(format: PackageFormat, path: string): Promise<RepositoryEntry> {
  const sum = createHash('sha256')
  await pipeline(createReadStream(path), sum)
  return { record: await format.describe(path), path, sha256: sum.digest('hex'), size: (await stat(path)).size }
}

/** Brings every feed that a site serves, each verified by the project's key of its format. */
async function bringLive(
  all: readonly Republishable[],
  url: string,
  target: string,
  known: ReadonlyMap<string, RepositoryEntry>,
): Promise<Imported | undefined> {
  const [first] = all
  if (first === undefined) return undefined
  const { publication } = first
  const [{ Exchange }, { feedsOfSite, importPages }] = await Promise.all([
    import('#engine/source/exchange.ts'),
    import('#feeds/publish/live-site.ts'),
  ])
  const site = { url, exchange: new Exchange(), fresh: `${Date.now()}`, target }
  return step(publication.workspace.report, `bring what ${url} offers`, async () => {
    const feeds = await feedsOfSite(site)
    if (feeds === undefined) return undefined
    const publishers = [first.publisher, ...(await otherPublishers(publication.format))]
    const present = await Promise.all(
      publishers
        .filter(({ folder }) => feeds[folder] !== undefined)
        .map(async (publisher) => ({ publisher, signingKey: await keyFor(publisher) })),
    )
    const sum = { packages: 0, fetched: 0 }
    for (const { publisher, signingKey } of present) {
      const imported = await publisher.importSite({ ...site, signingKey, known })
      sum.packages += imported?.packages ?? 0
      sum.fetched += imported?.fetched ?? 0
      await importPages(site, publisher.folder)
    }
    return sum
  })

  async function keyFor({ keyUse, folder }: Publisher): Promise<SigningKey> {
    const key = await loadKey(keyOwner(publication), keyUse)
    if (key !== undefined) return key
    throw new YoeError('PUBLISH_FAILED', `${url} has a feed in ${folder}/ that would be lost`, {
      hint: `give this job the key that signs it, too: ${keyVariable(keyUse)}`,
    })
  }
}
