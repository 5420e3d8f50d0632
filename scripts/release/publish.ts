import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import { assetOf, type Release, type Releases } from '#github/releases.ts'
import { checksums, checksumsOf, parts } from './assemble.ts'
import { git, sourceCommit } from './commit.ts'
import type { ReleaseRecord } from './pack.ts'
import { floatingTag, parseVersion } from './version.ts'

export interface Publishing {
  /** A clone in which the sources of the release are checked out. */
  readonly root: string
  /** What `assemble` left. */
  readonly from: string
  /** Where tags are pushed to, and what git needs for it. */
  readonly remote: { readonly url: string; readonly env?: NodeJS.ProcessEnv }
  readonly releases: Releases
  readonly tell: (line: string) => void
}

/**
 * Shows a release to the world, in an order in which nobody sees half of one: its commit under its own tag, then the
 * files as a draft, then the release, and last the tag that moves. Done again it goes on where it was.
 *
 * @throws {YoeError} PUBLISH_FAILED
 */
export async function publish({ root, from, remote, releases, tell }: Publishing): Promise<void> {
  const record: ReleaseRecord = JSON.parse(readFileSync(join(from, parts.record), 'utf8'))
  const version = parseVersion(record.version)
  const { tag } = version
  checkFiles(from)
  fetchCommit(root, from, record)

  const tags = remoteTags(root, remote)
  const there = tags.get(tag)
  if (there !== undefined && there !== record.commit)
    throw new YoeError('PUBLISH_FAILED', `the tag ${tag} is at ${there}, and this release is ${record.commit}`, {
      hint: 'a tag is never moved: release the next version',
    })
  if (there === undefined) push(root, remote, `${record.commit}:refs/tags/${tag}`)
  tell(`${tag} is the commit ${record.commit}`)

  const url = await release(from, record, version.prerelease, releases)
  tell(`released: ${url}`)

  const moving = floatingTag(version, [...tags.keys()])
  if (moving === undefined) return
  push(root, remote, `+${record.commit}:refs/tags/${moving}`)
  tell(`${moving} is at ${tag}`)
}

/** Git itself says on standard error what the other side had against it. */
function push(root: string, { url, env = {} }: Publishing['remote'], ref: string): void {
  try {
    git(root, ['push', '--quiet', url, ref], env)
  } catch (cause) {
    throw new YoeError('PUBLISH_FAILED', `${ref.replace(/.*refs\/tags\//, 'the tag ')} could not be pushed`, {
      hint: 'the job needs `contents: write`, and rules for tags have to let it: see docs/releasing.md',
      cause,
    })
  }
}

/** The files that this run made, and no others. */
function checkFiles(from: string): void {
  const assets = join(from, 'assets')
  if (readFileSync(join(assets, checksums), 'utf8') === checksumsOf(assets)) return
  throw new YoeError('PUBLISH_FAILED', `the files of the release are not those of ${checksums}`, {
    hint: 're-run the workflow',
  })
}

/** Brings the commit here: it adds to the sources that are checked out, or is not what it says. */
function fetchCommit(root: string, from: string, { commit, version }: ReleaseRecord): void {
  git(root, ['fetch', '--quiet', '--no-tags', join(from, parts.commit), `refs/tags/${version}`])
  const found = git(root, ['rev-parse', 'FETCH_HEAD', 'FETCH_HEAD^'])
  if (found === `${commit}\n${sourceCommit(root)}`) return
  throw new YoeError('PUBLISH_FAILED', `${parts.commit} is not ${commit} on top of what is checked out`, {
    hint: 're-run the workflow',
  })
}

/** All tags of a repository, with their commits. */
function remoteTags(root: string, { url, env = {} }: Publishing['remote']): ReadonlyMap<string, string> {
  const tags = new Map<string, string>()
  for (const line of git(root, ['ls-remote', '--tags', url], env).split('\n')) {
    const [, commit, name] = /^([0-9a-f]{40})\trefs\/tags\/(.+?)(?:\^\{\})?$/.exec(line) ?? []
    if (commit !== undefined && name !== undefined) tags.set(name, commit)
  }
  return tags
}

/** Makes the release with its files, unless it is there. @returns its page */
async function release(
  from: string,
  { version: tag, commit }: ReleaseRecord,
  prerelease: boolean,
  releases: Releases,
): Promise<string> {
  const folder = join(from, 'assets')
  const files = await Promise.all(readdirSync(folder).map((name) => assetOf(join(folder, name))))
  const mine = (await releases.list()).filter((one) => one.tag === tag)
  const shown = mine.find(({ draft }) => !draft)
  if (shown !== undefined) {
    await checkShown(shown, folder, releases)
    return shown.url
  }
  // Left by a run that was killed.
  for (const one of mine) await releases.delete(one)
  const body = readFileSync(join(from, parts.notes), 'utf8')
  const draft = await releases.draft({ tag, sha: commit, name: `yoe ${tag}`, body, prerelease })
  try {
    for (const file of files) await releases.upload(draft, file)
    if (!(await releases.publish(draft, tag, `yoe ${tag}`)))
      throw new YoeError('PUBLISH_FAILED', `another release has the tag ${tag}`, { hint: 're-run the workflow' })
  } catch (failure) {
    await releases.delete(draft).catch(() => {})
    throw failure
  }
  return draft.url.replace(/\/tag\/[^/]*$/, `/tag/${tag}`)
}

/** A release that is there already has these very files. */
async function checkShown({ tag, assets }: Release, folder: string, releases: Releases): Promise<void> {
  const list = assets.find(({ name }) => name === checksums)
  const text = list === undefined ? '' : (await releases.read(list.id)).toString('utf8')
  if (text === readFileSync(join(folder, checksums), 'utf8')) return
  throw new YoeError('PUBLISH_FAILED', `there is a release ${tag} already, with other files`, {
    hint: 'what is released stays as it is: release the next version',
  })
}
