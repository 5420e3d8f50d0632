import { basename } from 'node:path'
import { YoeError } from '../errors.ts'
import type { Reporter } from '../events.ts'
import { step } from '../events.ts'
import type { Source } from '../project/model.ts'
import type { Store } from '../store/store.ts'
import { DigestMismatch } from './download.ts'
import type { Fetcher } from './fetcher.ts'
import { type CommitParts, fetchCommit } from './git.ts'
import { archiveId, markedTitle, markSource, treeId } from './marks.ts'

export interface SourceEnvironment {
  readonly store: Store
  readonly fetcher: Fetcher
  readonly offline: boolean
  /** Of the project that wants the source: noted, so that what no project wants can go. */
  readonly buildRoot?: string
  readonly report: Reporter
  readonly signal?: AbortSignal | undefined
}

/** A source that comes from elsewhere. */
export type RemoteSource = Exclude<Source, { kind: 'path' }>

/**
 * Brings an archive, or a commit's tree as one, into the store.
 *
 * @returns the archive's verified path, read-only, and a name for it
 * @throws {YoeError} at the declaration: DIGEST_MISMATCH with the line to write if the new content is meant, FETCH_FAILED
 *   with every address, CANCELLED, DISK_FULL
 */
export async function fetchSource(
  source: RemoteSource,
  environment: SourceEnvironment,
): Promise<{ readonly archive: string; readonly title: string }> {
  try {
    switch (source.kind) {
      case 'archive': {
        const title = nameOf(source.urls[0] ?? source.sha256)
        const archive = await fetchArchive(source.urls, source.sha256, title, environment)
        await mark(environment, archiveId(source.sha256), title)
        return { archive, title }
      }
      case 'git': {
        const { commit } = source
        if (commit === undefined) throw new TypeError(`${source.url} ${source.ref} is not pinned yet`)
        const title = `${nameOf(source.url)} at ${commit.slice(0, 12)}`
        const { store, fetcher, offline, report, signal } = environment
        const candidates = fetcher.locate?.(source.url) ?? [source.url]
        const archive = await step(report, `Fetch ${title}`, () =>
          fetchCommit({
            ...{ url: source.url, commit, candidates, store, fetcher, offline, report, signal },
            ...partsOf(source),
          }),
        )
        await mark(environment, treeId(commit, partsOf(source)), title)
        return { archive, title }
      }
      default:
        return source satisfies never
    }
  } catch (failure) {
    throw failure instanceof YoeError && failure.at === undefined ? placed(failure, source, environment) : failure
  }
}

async function mark({ store, buildRoot }: SourceEnvironment, id: string, title: string): Promise<void> {
  if (buildRoot !== undefined) await markSource(store.root, id, title, buildRoot)
}

async function fetchArchive(
  urls: readonly string[],
  sha256: string,
  title: string,
  environment: SourceEnvironment,
): Promise<string> {
  const { store, fetcher, report, signal } = environment
  const known = await store.objects.path(sha256)
  const before = known === undefined ? undefined : await otherName(urls, sha256, environment)
  if (known !== undefined && before === undefined) return known
  const dest = store.temp()
  try {
    await fetcher.fetch({ urls, dest, sha256, title, report, ...(signal === undefined ? {} : { signal }) })
  } catch (failure) {
    if (known === undefined || !(failure instanceof YoeError) || failure.code !== 'FETCH_FAILED') throw failure
    report({ type: 'warning', message: `${title} can't be fetched; what its sha256 says is ${before}, which is here` })
    return known
  }
  await store.objects.adopt(dest, { sha256 })
  const path = await store.objects.path(sha256)
  if (path === undefined) throw new YoeError('STORE_DAMAGED', `${store.root} lost ${title}, which was just put into it`)
  return path
}

/**
 * What an archive was called when this project last used it, where no address leads to a file of that name now. Then it is
 * asked for once more: who changes version and address, and forgets the digest, would get the old content under the new
 * version, without a word.
 */
async function otherName(
  urls: readonly string[],
  sha256: string,
  { store, buildRoot, offline }: SourceEnvironment,
): Promise<string | undefined> {
  if (buildRoot === undefined || offline) return undefined
  const title = await markedTitle(store.root, archiveId(sha256), buildRoot)
  return title === undefined || urls.some((url) => nameOf(url) === title) ? undefined : title
}

function placed(failure: YoeError, source: RemoteSource, { offline }: SourceEnvironment): YoeError {
  const { code, message, cause, unit } = failure
  return new YoeError(code, message, {
    hint: offline ? failure.hint : mend(failure, source),
    at: source.at,
    unit,
    cause,
  })
}

/** What a declaration says of the parts of a commit. */
export function partsOf({ submodules, lfs }: Extract<Source, { kind: 'git' }>): CommitParts {
  return { ...(submodules === undefined ? {} : { submodules }), ...(lfs === undefined ? {} : { lfs }) }
}

function mend(failure: YoeError, source: RemoteSource): string | undefined {
  if (failure instanceof DigestMismatch && !failure.webPage)
    return `if the new content is meant: sha256 = "${failure.got}"`
  if (failure.code === 'FETCH_FAILED' && source.kind === 'git' && source.refKind !== 'commit') {
    return `yoe.lock has this commit for the ${source.refKind} ${source.ref}; if it has moved: yoe update sources`
  }
  return failure.hint
}

/** What people call the file at an address. */
export function nameOf(url: string): string {
  const path = url.replace(/[?#].*$/, '').replace(/\/+$/, '')
  return basename(path).replace(/\.git$/, '') || 'source'
}
