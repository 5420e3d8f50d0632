import { YoeError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import { git, reasonOf, requireAddress } from './git-run.ts'
import { offlineHint } from './offline.ts'
import { shownUrl } from './url.ts'

/** What the tags and branches of a repository mean: names to commits, annotated tags to what they are about. */
export interface RemoteRefs {
  readonly tags: ReadonlyMap<string, string>
  readonly branches: ReadonlyMap<string, string>
}

export interface RefQuestion {
  /** As declared. */
  readonly url: string
  /** Where it is asked for, best first. */
  readonly candidates: readonly string[]
  readonly offline: boolean
  readonly signal?: AbortSignal | undefined
}

/**
 * Asks a repository for the named tags and branches, or for all.
 * @throws {YoeError} FETCH_FAILED with each address and git's reason; BAD_FIELD for what is no address
 */
export async function listRefs(question: RefQuestion, names: readonly string[] = []): Promise<RemoteRefs> {
  const { url, candidates, offline, signal } = question
  for (const address of [url, ...candidates]) requireAddress(address)
  if (offline && !url.startsWith('file:')) {
    throw new YoeError('FETCH_FAILED', `${shownUrl(url)} would have to be asked, and yoe works offline`, {
      hint: offlineHint,
    })
  }
  const patterns = names.flatMap((name) => [`refs/tags/${name}`, `refs/tags/${name}^{}`, `refs/heads/${name}`])
  const failures: string[] = []
  for (const address of candidates) {
    try {
      return parseRefs(await git(['ls-remote', '--quiet', '--', address, ...patterns], { signal }))
    } catch (failure) {
      failures.push(`${shownUrl(address)}: ${reasonOf(failure, address)}`)
    }
  }
  throw new YoeError('FETCH_FAILED', `a repository can't be asked for its refs\n  ${failures.join('\n  ')}`, {
    hint: 'check the address; a private repository needs credentials that git finds without asking',
  })
}

/**
 * The commit that a tag or branch is at now; a tag of the name comes first, as with git.
 * @param kind which of both is meant, where that is known
 * @throws {YoeError} FETCH_FAILED, also when there is none of this name
 */
export async function askRef(
  question: RefQuestion,
  ref: string,
  kind?: 'tag' | 'branch',
): Promise<{ readonly commit: string; readonly kind: 'tag' | 'branch' }> {
  const { tags, branches } = await listRefs(question, [ref])
  const [tag, branch] = [tags.get(ref), branches.get(ref)]
  if (tag !== undefined && kind !== 'branch') return { commit: tag, kind: 'tag' }
  if (branch !== undefined && kind !== 'tag') return { commit: branch, kind: 'branch' }
  const all = await listRefs(question)
  const known = [...(kind === 'branch' ? [] : all.tags.keys()), ...(kind === 'tag' ? [] : all.branches.keys())]
  const what = kind ?? 'tag or branch'
  throw new YoeError('FETCH_FAILED', `${shownUrl(question.url)} has no ${what} "${ref}"`, {
    hint: didYouMean(ref, known) ?? `it has: ${shownSome(known)}`,
  })
}

function shownSome(names: readonly string[]): string {
  if (names.length === 0) return 'none'
  return names.length <= 8 ? names.join(', ') : `${names.slice(-8).join(', ')} and ${names.length - 8} more`
}

function parseRefs(text: string): RemoteRefs {
  const tags = new Map<string, string>()
  const branches = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [, commit, kind, name, peeled] = /^([0-9a-f]{40})\trefs\/(tags|heads)\/(.+?)(\^\{\})?$/.exec(line) ?? []
    if (commit === undefined || name === undefined) continue
    if (kind === 'heads') branches.set(name, commit)
    // What a tag is about follows the tag.
    else if (peeled !== undefined || !tags.has(name)) tags.set(name, commit)
  }
  return { tags, branches }
}
