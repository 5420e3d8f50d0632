import { readFile } from 'node:fs/promises'
import { YoeError } from '#engine/errors.ts'
import type { Reporter } from '#engine/events.ts'
import { inParallel } from '#engine/in-parallel.ts'
import { byHashPath, type Generation } from '../debian/generation.ts'
import { digestOf, parseRelease } from '../debian/release-file.ts'
import { parseIndex } from '../debian/stanza.ts'
import type { BucketFiles } from './bucket-files.ts'

/** Milliseconds for which what was superseded stays, whoever still reads it: far longer than any cache keeps an index. */
const grace = 24 * 3600 * 1000
/** Of the times that the service tells. */
const resolution = 1000

/** Release texts that were superseded, named by their digest. */
export const historyFolder = (suite: string): string => `debian/dists/${suite}/.history`

/**
 * Removes what neither the live index names, nor the one before it, nor any that was superseded within the grace time;
 * and nothing that was put within it: another publisher may be about to name that. Credentials that may not delete are
 * a warning: the feed is whole without.
 *
 * @param live reads what devices of a suite read now, which may be newer than what this publisher made
 */
export async function retireInBucket(
  files: BucketFiles,
  report: Reporter,
  live: (suite: string) => Promise<Generation | undefined>,
): Promise<void> {
  try {
    await sweep(files, live)
  } catch (failure) {
    if (!(failure instanceof YoeError)) throw failure
    report({
      type: 'warning',
      message: `published, but old versions were not removed: ${failure.message}`,
      hint: 'removing them needs s3:ListBucket and s3:DeleteObject; the next publish tries again',
    })
  }
}

async function sweep(files: BucketFiles, live: (suite: string) => Promise<Generation | undefined>): Promise<void> {
  const found: { readonly path: string; readonly age: number }[] = []
  for await (const each of files.list(`debian/dists`)) found.push(each)
  for await (const each of files.list(`debian/pool`)) found.push(each)
  const removable = (path: string): boolean => /\/by-hash\/|^debian\/pool\//.test(path)
  if (!found.some(({ path, age }) => age >= grace && (removable(path) || path.includes('/.history/')))) return
  // Other suites of this bucket share its pool.
  const suites = [...new Set(found.flatMap(({ path }) => /^debian\/dists\/([^/]+)\/InRelease$/.exec(path)?.[1] ?? []))]
  const keep = new Set<string>()
  const gone: string[] = []
  for (const each of suites) {
    // Read after the list: what it names and the list has not stays all the same.
    const now = await live(each)
    if (now === undefined) return
    const history = found.filter(({ path }) => path.startsWith(`${historyFolder(each)}/`)).sort((a, b) => a.age - b.age)
    const releases = [now.release]
    // A publisher that was stopped may have put the live one there.
    const superseded = history.filter(({ path }) => !path.endsWith(digestOf(now.release).sha256))
    const last = superseded[0]?.age ?? 0
    for (const { path, age } of superseded) {
      if (age >= grace && age > last + resolution) gone.push(path)
      else releases.push(await textOf(files, path))
    }
    for (const release of releases) for (const path of await namedBy(files, each, release)) keep.add(path)
  }
  const unnamed = found.filter(({ path, age }) => removable(path) && age >= grace && !keep.has(path))
  // What names others goes after them: a run that is stopped here finds them again.
  await inParallel(
    8,
    unnamed.map(({ path }) => path),
    (path) => files.delete(path),
  )
  for (const path of gone) await files.delete(path)
}

async function namedBy(files: BucketFiles, suite: string, release: string): Promise<readonly string[]> {
  const dists = `debian/dists/${suite}`
  const { files: indexes } = parseRelease(release)
  const named: string[] = []
  for (const [path, digest] of indexes) {
    const byHash = `${dists}/${byHashPath(path, digest)}`
    named.push(byHash)
    if (!path.endsWith('/Packages')) continue
    for (const { filename } of parseIndex(await textOf(files, byHash), byHash)) named.push(`debian/${filename}`)
  }
  return named
}

async function textOf(files: BucketFiles, path: string): Promise<string> {
  const found = await files.get(path, (local) => readFile(local, 'utf8'))
  if (found !== undefined) return found.value
  throw new YoeError('FEED_INVALID', `${files.place}: ${path} is gone`)
}
