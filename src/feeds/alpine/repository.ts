import { createPublicKey } from 'node:crypto'
import { readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { Reporter } from '#engine/events.ts'
import type { PublishInput, RepositoryEntry, SigningKey } from '#engine/formats.ts'
import { inParallel } from '#engine/in-parallel.ts'
import { errorCode, writeFailure } from '#engine/store/disk.ts'
import { tempName } from '#engine/store/temp.ts'
import { type RsaKey, rsaSigners } from '../keys/rsa.ts'
import { makeFolder, placeFile, putFile, syncFolder } from '../publish/atomic.ts'
import { exclusively, tempFolder } from '../publish/exclusive.ts'
import { warnOfSameVersions } from '../publish/same-versions.ts'
import { identityOf } from './apk-read.ts'
import { indexArchive, type ReadIndex, readIndexArchive } from './index-archive.ts'
import { fileOf, type IndexEntry, indexEntry, indexName, mergeEntries, parseIndex, renderIndex } from './index-entry.ts'
import { apkArch, noArch } from './names.ts'
import { remember, retire } from './repository-history.ts'
import type { TrustedKeys } from './signature.ts'
import { type Incoming, incomingHead, signedCopy } from './signed-copy.ts'

/** Packages that are read or written at a time. */
const filesAtOnce = 4

export interface AlpinePublish extends PublishInput {
  /** Versions of each package that stay on offer; 3 unless given. */
  readonly keep?: number
}

/** What is published with. */
export interface RepositorySettings {
  /** Absolute: has a folder for each architecture, and `noarch`. */
  readonly root: string
  readonly project: string
  readonly suite: string
  readonly signingKey: SigningKey
  /** Seconds since 1970. */
  readonly date: number
  readonly keep?: number | undefined
  readonly report: Reporter
}

/** An index as it is published. */
export interface LiveIndex extends ReadIndex {
  readonly entries: readonly IndexEntry[]
}

/**
 * Adds packages to a project's repository, which need not exist yet: what it holds already stays, up to `keep` versions of a
 * package. Each is signed, whoever signed it before. One for every architecture lies in `noarch/`, where clients look for
 * it, and is in the index of each. Packages come first and indexes last; publishers wait for each other.
 *
 * A file of apk is called by its version alone. So one that is published again with other content takes the place of the
 * old one just before the index, with a warning: in between, devices refuse it.
 *
 * @throws {YoeError} PUBLISH_FAILED when what lies there is signed by somebody else; DIGEST_MISMATCH, FEED_INVALID for a
 *   package that is not what its record says; DISK_FULL, PERMISSION, TOOL_MISSING
 */
export async function publishRepository(input: AlpinePublish): Promise<void> {
  const incoming = new Map([[apkArch(input.arch), input.entries.map(incomingOf)]])
  await publishPackages(input, incoming)
}

const incomingOf = ({ record, path, sha256 }: RepositoryEntry): Incoming => ({
  path,
  name: record.name,
  version: record.version,
  arch: record.arch,
  sha256,
})

/** @param incoming by architecture, in apk's spelling @returns how many packages the repository offers now */
export async function publishPackages(
  settings: RepositorySettings,
  incoming: ReadonlyMap<string, readonly Incoming[]>,
): Promise<ReadonlyMap<string, readonly IndexEntry[]>> {
  const { root } = settings
  checkNames(settings)
  await makeFolder(root)
  return exclusively(root, settings, async () => {
    const signers = await rsaSigners(settings.signingKey)
    const old = await readIndexes(root, settings.signingKey)
    const writer = new Writer(settings, signers, old)
    const next = await nextIndexes(settings, writer, old, incoming)
    await writer.place(new Set([...next.values()].flat().map(fileOf)))
    for (const [arch, entries] of next) await commit(settings, signers, arch, entries, old.get(arch))
    await retire(root)
    return next
  })
}

/** What the indexes will say, by architecture: those that other architectures have of `noarch` among them. */
async function nextIndexes(
  settings: RepositorySettings,
  writer: Writer,
  old: ReadonlyMap<string, LiveIndex>,
  incoming: ReadonlyMap<string, readonly Incoming[]>,
): Promise<ReadonlyMap<string, readonly IndexEntry[]>> {
  const added = new Map<string, readonly IndexEntry[]>()
  for (const [arch, all] of incoming) {
    const foreign = all.find((each) => each.arch !== arch && each.arch !== noArch)
    if (foreign !== undefined) throw wrongArch(foreign, arch)
    added.set(arch, await inParallel(filesAtOnce, all, (each) => writer.entryOf(each)))
  }
  const everywhere = [...added.values(), ...[...old.values()].map(({ entries }) => entries)]
    .flat()
    .filter(({ arch }) => arch === noArch)
  const next = new Map<string, readonly IndexEntry[]>()
  for (const arch of new Set([...old.keys(), ...added.keys()])) {
    const before = await inParallel(filesAtOnce, old.get(arch)?.entries ?? [], (entry) => writer.again(entry))
    const own = added.get(arch) ?? []
    warnOfSameVersions(settings.report, before, own, ({ identity }) => identity)
    const fresh = everywhere.filter((entry) => writer.isFresh(entry) || !old.has(arch))
    next.set(arch, mergeEntries(before, [...fresh, ...own], settings.keep))
  }
  return next
}

function wrongArch({ path, arch }: Incoming, wanted: string): YoeError {
  return new YoeError('FEED_INVALID', `${path} is for ${arch}, in a feed for ${wanted}`, {
    hint: 'remove the file; it is made or fetched again',
  })
}

/** Writes signed packages to their places: those that are new there at once, the others when the index follows. */
class Writer {
  readonly #settings: RepositorySettings
  readonly #signers: readonly RsaKey[]
  readonly #live = new Map<string, IndexEntry>()
  /** Whether the same keys have signed all that is there. */
  readonly #isSigned: boolean
  readonly #fresh = new Set<IndexEntry>()
  readonly #unplaced = new Map<string, string>()
  readonly #again = new Map<string, Promise<IndexEntry>>()

  constructor(settings: RepositorySettings, signers: readonly RsaKey[], old: ReadonlyMap<string, LiveIndex>) {
    this.#settings = settings
    this.#signers = signers
    const names = signers.map(({ name }) => name).join()
    this.#isSigned = [...old.values()].every((index) => index.signers.join() === names)
    for (const { entries } of old.values()) for (const entry of entries) this.#live.set(fileOf(entry), entry)
  }

  isFresh(entry: IndexEntry): boolean {
    return this.#fresh.has(entry)
  }

  /** The entry of a package that may be there already. */
  async entryOf(incoming: Incoming): Promise<IndexEntry> {
    const head = await incomingHead(incoming)
    const live = this.#live.get(fileOf(head.info))
    if (live?.identity === identityOf(head.control) && this.#isSigned && (await this.#isThere(live))) return live
    return this.#write(incoming)
  }

  /** The entry of a package that is there: it needs another signature when the keys have changed. */
  again(entry: IndexEntry): Promise<IndexEntry> {
    if (this.#isSigned) return Promise.resolve(entry)
    const file = fileOf(entry)
    const known = this.#again.get(file)
    if (known !== undefined) return known
    const work = this.#write({ ...entry, path: join(this.#settings.root, file) })
    this.#again.set(file, work)
    return work
  }

  async #isThere(entry: IndexEntry): Promise<boolean> {
    const found = await stat(join(this.#settings.root, fileOf(entry))).catch(() => undefined)
    return found?.size === entry.size
  }

  async #write(incoming: Incoming): Promise<IndexEntry> {
    const head = await incomingHead(incoming)
    const temp = join(tempFolder(this.#settings.root), tempName())
    try {
      const size = await signedCopy(incoming, head, this.#signers, temp)
      const entry = indexEntry(head, size)
      this.#unplaced.set(fileOf(entry), temp)
      this.#fresh.add(entry)
      return entry
    } catch (failure) {
      await rm(temp, { force: true })
      throw await writeFailure(failure, temp, head.size)
    }
  }

  /** @param wanted files that the next indexes name */
  async place(wanted: ReadonlySet<string>): Promise<void> {
    const { root } = this.#settings
    const last: (readonly [temp: string, dest: string])[] = []
    const folders = new Set<string>()
    for (const [file, temp] of this.#unplaced) {
      const dest = join(root, file)
      if (!wanted.has(file)) {
        await rm(temp, { force: true })
        continue
      }
      folders.add(dirname(dest))
      await makeFolder(dirname(dest))
      if (this.#live.has(file)) last.push([temp, dest])
      else await rename(temp, dest)
    }
    for (const [temp, dest] of last) await rename(temp, dest)
    for (const folder of folders) await syncFolder(folder)
  }
}

/** Makes these the packages of an architecture: from now on readers see them. */
async function commit(
  settings: RepositorySettings,
  signers: readonly RsaKey[],
  arch: string,
  entries: readonly IndexEntry[],
  old: LiveIndex | undefined,
): Promise<void> {
  const { root, project, suite } = settings
  const text = renderIndex(entries)
  if (old?.text === text && old.signers.join() === signers.map(({ name }) => name).join()) return
  const folder = join(root, arch)
  await makeFolder(folder)
  const temp = tempFolder(root)
  if (old !== undefined) await remember(root, temp, arch, old.text)
  // Devices may refuse an index that is dated before the one they have.
  const date = Math.max(settings.date, old?.date ?? 0)
  await putFile(temp, join(folder, indexName), await indexArchive(text, `${project} ${suite}\n`, date, signers))
  await syncFolder(folder)
}

/**
 * The indexes of a repository, verified: what is merged into the next ones gets this key's signature again.
 *
 * @throws {YoeError} PUBLISH_FAILED when one is not signed by this key, FEED_INVALID when it is damaged
 */
export async function readIndexes(root: string, key: SigningKey): Promise<ReadonlyMap<string, LiveIndex>> {
  const trusted = await trustedOf(key)
  const indexes = new Map<string, LiveIndex>()
  for (const arch of await architecturesIn(root)) {
    const archive = await readFile(join(root, arch, indexName)).catch((failure: unknown) => {
      if (['ENOENT', 'ENOTDIR'].includes(errorCode(failure) ?? '')) return undefined
      throw failure
    })
    if (archive === undefined) continue
    indexes.set(arch, ownIndex(archive, join(root, arch), key, trusted, `start afresh: mv ${root} ${root}.old`))
  }
  return indexes
}

/** @param afresh what its owner types to begin a new one there */
export function ownIndex(
  archive: Buffer,
  place: string,
  key: SigningKey,
  trusted: TrustedKeys,
  afresh: string,
): LiveIndex {
  try {
    const index = readIndexArchive(archive, place, trusted)
    return { ...index, entries: parseIndex(index.text, place) }
  } catch (failure) {
    if (!(failure instanceof YoeError) || failure.code !== 'FEED_UNTRUSTED') throw failure
    throw new YoeError(
      'PUBLISH_FAILED',
      `the feed at ${place} is not signed by this project's key (${key.fingerprint})`,
      {
        hint: `publish with the key that signed it (YOE_APK_SIGNING_KEY), or ${afresh}`,
        cause: failure,
      },
    )
  }
}

/** The public halves of keys that still sign, by name. */
export async function trustedOf(key: SigningKey): Promise<TrustedKeys> {
  return new Map((await rsaSigners(key)).map(({ name, key: own }) => [name, createPublicKey(own)]))
}

async function architecturesIn(root: string): Promise<readonly string[]> {
  const found = await readdir(root, { withFileTypes: true }).catch(() => [])
  return found.flatMap((each) => (each.isDirectory() && !each.name.startsWith('.') ? [each.name] : [])).sort()
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

/**
 * A repository of exactly these packages for an installer on this machine: hard links to the files as they are, whoever
 * signed them, and one index that names them and that the installer believes.
 *
 * @param input `root` must be empty or not exist; the installer checks each package against the index
 * @throws {YoeError} as {@link publishRepository}
 */
export async function closureRepository(input: AlpinePublish): Promise<void> {
  const { root, project, suite, date, signingKey } = input
  checkNames(input)
  const temp = tempFolder(root)
  await makeFolder(temp)
  const arch = apkArch(input.arch)
  await makeFolder(join(root, arch))
  const entries = await inParallel(filesAtOnce, input.entries, async (one) => {
    const head = await incomingHead({ ...incomingOf(one), sha256: undefined })
    const entry = indexEntry(head, head.size)
    const dest = join(root, fileOf(entry))
    await makeFolder(dirname(dest))
    await placeFile(temp, one, dest, false)
    return entry
  })
  const archive = await indexArchive(renderIndex(entries), `${project} ${suite}\n`, date, await rsaSigners(signingKey))
  await putFile(temp, join(root, arch, indexName), archive)
  await rm(temp, { recursive: true, force: true })
}
