import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { PublishInput, RepositoryEntry, SigningKey } from '#engine/formats.ts'
import { inParallel } from '#engine/in-parallel.ts'
import { type KnownFile, makeFolder, placeFile } from '../publish/atomic.ts'
import { exclusively, tempFolder } from '../publish/exclusive.ts'
import { warnOfSameVersions } from '../publish/same-versions.ts'
import { readControlFile } from './deb-control.ts'
import { commitGeneration, type Generation, readGeneration, retire } from './generation.ts'
import { debianArch, withoutEpoch } from './names.ts'
import { controlFields, type IndexEntry } from './stanza.ts'
import { compareVersions } from './version.ts'

/** Packages that are read or placed at a time. */
const filesAtOnce = 4

/** The text of a package's control paragraph where one is at hand, such as in a feed's verified index. */
export type StanzaSource = (entry: RepositoryEntry) => string | undefined

export interface DebianPublish extends PublishInput {
  /** Versions of each package that stay on offer; 3 unless given. */
  readonly keep?: number
  /** Days until readers refuse the index if nothing newer was published; 30 unless given. */
  readonly validDays?: number
  /** Undefined, or an answer of undefined: the paragraph is read from the package itself. */
  readonly stanza?: StanzaSource
}

/** A package with its place in the repository decided. */
export interface Addition {
  readonly entry: IndexEntry
  readonly file: KnownFile
}

/**
 * Adds packages to a project's repository, which need not exist yet: what it holds already stays, up to `keep`
 * versions of a package; one of the same version is superseded, with a warning. Publishers wait for each other. Whatever stops this
 * one half way, readers have the old index and everything that it names.
 *
 * @throws {YoeError} PUBLISH_FAILED when what lies there is signed by somebody else; DIGEST_MISMATCH, FEED_INVALID for
 *   a package that is not what its record says; DISK_FULL, PERMISSION, TOOL_MISSING
 */
export async function publishRepository(input: DebianPublish): Promise<void> {
  const arch = debianArch(input.arch)
  await makeFolder(input.root)
  await exclusively(input.root, input, async () => {
    const old = await readGeneration(input.root, input.suite, input.signingKey)
    const known = new Map(old?.indexes.get(arch)?.map((entry) => [entry.sha256, entry.fields]))
    const additions = await inParallel(filesAtOnce, input.entries, (entry) =>
      addition(entry, arch, (each) => known.get(each.sha256) ?? input.stanza?.(each)),
    )
    warnOfSameVersions(
      input.report,
      old?.indexes.get(arch) ?? [],
      additions.map(({ entry }) => entry),
      ({ sha256 }) => sha256,
    )
    await publishGeneration(input, old, new Map([[arch, additions]]))
  })
}

export interface PublishSettings {
  readonly root: string
  readonly project: string
  readonly suite: string
  readonly signingKey: SigningKey
  /** Seconds since 1970. */
  readonly date: number
  readonly keep?: number
  readonly validDays?: number
}

/**
 * Packages first, indices then, what nobody needs any more last. Run under the lock.
 *
 * @param additions by Debian architecture
 */
export async function publishGeneration(
  settings: PublishSettings,
  old: Generation | undefined,
  additions: ReadonlyMap<string, readonly Addition[]>,
): Promise<Generation> {
  checkNames(settings)
  const temp = tempFolder(settings.root)
  const indexes = withAdditions(old, additions, settings.keep)
  // The pool's files are named by their digest: adding never touches what an older index names.
  const wanted = new Set([...indexes.values()].flat().map(({ filename }) => filename))
  for (const { entry, file } of [...additions.values()].flat()) {
    if (!wanted.has(entry.filename)) continue
    const dest = join(settings.root, entry.filename)
    await makeFolder(dirname(dest))
    await placeFile(temp, file, dest, true)
  }
  // Devices refuse an index that is dated before the one they have.
  const date = Math.max(settings.date, old?.date ?? 0)
  const { root, project, suite, signingKey: key, validDays = 30 } = settings
  const release = await commitGeneration(
    { root, project, suite, key, date, validDays, indexes, temp, quick: false },
    old,
  )
  await retire(root)
  return { release, date, indexes }
}

/**
 * A repository of exactly these packages for an installer on this machine: hard links, one index, a signature.
 *
 * @param input `root` must be empty or not exist; bytes are not hashed here, since the installer does
 * @throws {YoeError} as {@link publishRepository}
 */
export async function closureRepository(input: DebianPublish): Promise<void> {
  checkNames(input)
  const arch = debianArch(input.arch)
  const temp = tempFolder(input.root)
  await makeFolder(temp)
  await makeFolder(join(input.root, 'pool'))
  const additions = await inParallel(filesAtOnce, input.entries, (entry) =>
    addition(entry, arch, (each) => input.stanza?.(each)),
  )
  const entries = await inParallel(filesAtOnce, additions, async ({ entry, file }) => {
    const filename = `pool/${entry.name}_${withoutEpoch(entry.version)}_${entry.arch}.deb`
    await placeFile(temp, file, join(input.root, filename), false)
    return { ...entry, filename }
  })
  const { root, project, suite, signingKey: key, date, validDays = 30 } = input
  const indexes = new Map([[arch, entries]])
  await commitGeneration({ root, project, suite, key, date, validDays, indexes, temp, quick: true }, undefined)
  await rm(temp, { recursive: true, force: true })
}

async function addition(entry: RepositoryEntry, arch: string, stanza: StanzaSource): Promise<Addition> {
  const { record, path, sha256, size } = entry
  const text = stanza(entry) ?? (await readControlFile(path, 'control')) ?? ''
  const control = controlFields(text, path)
  const differs = control.name !== record.name || control.version !== record.version || control.arch !== record.arch
  if (differs || (control.arch !== 'all' && control.arch !== arch)) {
    const said = `${record.name} ${record.version} for ${record.arch} (in a feed for ${arch})`
    throw new YoeError(
      'FEED_INVALID',
      `${path} is ${control.name} ${control.version} for ${control.arch}, not ${said}`,
      {
        hint: 'remove the file; it is made or fetched again',
      },
    )
  }
  const prefix = control.name.slice(0, control.name.startsWith('lib') ? 4 : 1)
  const name = `${control.name}_${withoutEpoch(control.version)}_${control.arch}.deb`
  const filename = `pool/main/${prefix}/${control.name}/${sha256.slice(0, 16)}/${name}`
  return { entry: { ...control, filename, size, sha256 }, file: { path, sha256, size } }
}

/**
 * The indexes of the generation after `old`.
 *
 * @param additions by Debian architecture
 * @param keep versions of each package that stay on offer
 */
export function withAdditions(
  old: Generation | undefined,
  additions: ReadonlyMap<string, readonly Addition[]>,
  keep = 3,
): ReadonlyMap<string, readonly IndexEntry[]> {
  const indexes = new Map(old?.indexes)
  for (const [arch, added] of additions) {
    const entries = added.map(({ entry }) => entry)
    indexes.set(arch, merge(old?.indexes.get(arch) ?? [], entries, keep))
  }
  return indexes
}

/** One entry for each version, the newest `keep` of them for each name. */
function merge(old: readonly IndexEntry[], added: readonly IndexEntry[], keep: number): readonly IndexEntry[] {
  const byName = new Map<string, Map<string, IndexEntry>>()
  for (const entry of [...old, ...added]) {
    const versions = byName.get(entry.name) ?? new Map<string, IndexEntry>()
    byName.set(entry.name, versions.set(entry.version, entry))
  }
  return [...byName.values()].flatMap((versions) =>
    [...versions.values()].sort((a, b) => compareVersions(b.version, a.version)).slice(0, Math.max(1, keep)),
  )
}

/** @throws {YoeError} BAD_NAME */
export function checkNames({ project, suite }: { readonly project: string; readonly suite: string }): void {
  for (const name of [project, suite]) {
    if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) continue
    throw new YoeError('BAD_NAME', `"${name}" can't be part of a feed's address`, {
      hint: 'use letters, digits and . _ -',
    })
  }
}
