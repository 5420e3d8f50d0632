import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { YoeError } from '#engine/errors.ts'
import { inParallel } from '#engine/in-parallel.ts'
import { sha256Of } from '#engine/store/remotes/file-digest.ts'
import { rsaSigners } from '../keys/rsa.ts'
import { type BucketPublish, pagesInBucket } from '../publish/bucket.ts'
import type { BucketFiles } from '../publish/bucket-files.ts'
import { putPages } from '../publish/site-pages.ts'
import { indexArchive } from './index-archive.ts'
import { fileOf, type IndexEntry, indexEntry, indexName, mergeEntries, renderIndex } from './index-entry.ts'
import { publicKeyFiles } from './keyring-package.ts'
import { noArch } from './names.ts'
import { pageOf, readSource } from './published.ts'
import { checkNames, type LiveIndex, ownIndex, trustedOf } from './repository.ts'
import { type Incoming, incomingHead } from './signed-copy.ts'

const filesAtOnce = 8
/** Publishers that can be faster, one after the other, before this one gives up. */
const mostAttempts = 50
/** Milliseconds for which files stay that no index names any more: far longer than any cache keeps an index. */
const grace = 24 * 3600 * 1000

/** A package and its file on this machine. */
interface Sent {
  readonly entry: IndexEntry
  readonly incoming: Incoming
}

/**
 * Brings a project's packages to a bucket: packages first, then each architecture's index, which is replaced only where it
 * is still the one that was read: of two publishers at once the slower one begins again on top of the other's.
 *
 * A file is called by its version alone. One with other content takes the old one's place shortly before the index that
 * names it; in between, devices refuse it.
 *
 * @returns how many packages the feed now offers
 * @throws {YoeError} PUBLISH_FAILED when the project has no repository yet, the feed is signed by somebody else, or the
 *   service refuses; FEED_INVALID for a feed that is damaged
 */
export async function publishBucket(input: BucketPublish): Promise<{ readonly packages: number }> {
  checkNames(input)
  const { files } = input
  const source = new Map<string, readonly Sent[]>()
  for (const [arch, all] of await readSource(input))
    source.set(arch, await inParallel(filesAtOnce, all, async (incoming) => sentOf(incoming)))
  // Before the index: whoever reads it needs the key.
  for (const [name, pem] of await publicKeyFiles(input.signingKey)) await files.put(name, pem, 'always')
  const offered = new Map<string, readonly IndexEntry[]>()
  const everywhere = [...source.values()].flat().filter(({ entry }) => entry.arch === noArch)
  for (const arch of new Set([...source.keys(), ...(await architecturesIn(files))]))
    offered.set(arch, await publishIndex(input, arch, [...(source.get(arch) ?? []), ...everywhere]))
  await putPages(pagesInBucket(files), await pageOf(input, offered), [...offered.keys()].sort())
  await retire(input)
  return { packages: [...offered.values()].flat().length }
}

async function sentOf(incoming: Incoming): Promise<Sent> {
  const head = await incomingHead(incoming)
  return { incoming, entry: indexEntry(head, head.size) }
}

async function publishIndex(
  input: BucketPublish,
  arch: string,
  added: readonly Sent[],
): Promise<readonly IndexEntry[]> {
  const { files, project, suite, keep, report } = input
  const path = `alpine/${arch}/${indexName}`
  const signers = await rsaSigners(input.signingKey)
  for (let attempt = 1; ; attempt++) {
    const live = await readLive(input, arch)
    const own = new Map(added.map((each) => [fileOf(each.entry), each]))
    const next = mergeEntries(
      live?.value.entries ?? [],
      [...own.values()].map(({ entry }) => entry),
      keep,
    )
    const there = new Map(live?.value.entries.map((entry) => [fileOf(entry), entry]))
    await inParallel(filesAtOnce, next, async (entry) => {
      const sent = own.get(fileOf(entry))
      if (sent !== undefined) await putPackage(files, sent, there.get(fileOf(entry)))
    })
    const text = renderIndex(next)
    const isSame = live?.value.text === text && live.value.signers.join() === signers.map(({ name }) => name).join()
    if (isSame) return next
    const date = Math.max(input.date, live?.value.date ?? 0)
    const archive = await indexArchive(text, `${project} ${suite}\n`, date, signers)
    if (await files.put(path, archive, live === undefined ? 'new' : { version: live.version })) return next
    if (attempt === mostAttempts)
      throw new YoeError('PUBLISH_FAILED', `${files.place}: others published ${attempt} times meanwhile`, {
        hint: 'publish again when there is less going on',
      })
    report({ type: 'notice', message: `another publisher was faster at ${files.place}: adding to what it published` })
    await pause(Math.random() * Math.min(2000, 50 * 2 ** attempt))
  }
}

async function putPackage(files: BucketFiles, { entry, incoming }: Sent, there: IndexEntry | undefined): Promise<void> {
  const path = `alpine/${fileOf(entry)}`
  const isThere = there?.identity === entry.identity && there.size === entry.size
  if (isThere && (await files.size(path)) === entry.size) return
  const known = { path: incoming.path, size: entry.size, sha256: await sha256Of(incoming.path) }
  await files.putFile(path, known, 'always')
}

async function readLive(
  { files, signingKey }: BucketPublish,
  arch: string,
): Promise<{ readonly value: LiveIndex; readonly version: string } | undefined> {
  const found = await files.get(`alpine/${arch}/${indexName}`, (local) => readFile(local))
  if (found === undefined) return undefined
  const place = `${files.place}/alpine/${arch}`
  const value = ownIndex(found.value, place, signingKey, await trustedOf(signingKey), 'publish to another prefix')
  return { value, version: found.version }
}

async function architecturesIn(files: BucketFiles): Promise<readonly string[]> {
  const found = new Set<string>()
  for await (const { path } of files.list('alpine')) {
    const arch = /^alpine\/([^/]+)\/APKINDEX\.tar\.gz$/.exec(path)?.[1]
    if (arch !== undefined) found.add(arch)
  }
  return [...found].sort()
}

/** Removes packages that no index names, and that nobody can be about to name. What can't be removed is a warning. */
async function retire(input: BucketPublish): Promise<void> {
  const { files, report } = input
  try {
    const old: string[] = []
    for await (const { path, age } of files.list('alpine')) if (path.endsWith('.apk') && age >= grace) old.push(path)
    if (old.length === 0) return
    const named = new Set<string>()
    // Read after the list: what it names and the list has not stays all the same.
    for (const arch of await architecturesIn(files))
      for (const entry of (await readLive(input, arch))?.value.entries ?? []) named.add(`alpine/${fileOf(entry)}`)
    await inParallel(
      filesAtOnce,
      old.filter((path) => !named.has(path)),
      (path) => files.delete(path),
    )
  } catch (failure) {
    if (!(failure instanceof YoeError)) throw failure
    report({
      type: 'warning',
      message: `published, but old versions were not removed: ${failure.message}`,
      hint: 'removing them needs s3:ListBucket and s3:DeleteObject; the next publish tries again',
    })
  }
}
