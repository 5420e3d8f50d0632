import { existsSync, readFileSync, rmSync } from 'node:fs'
import { link, lstat, mkdir, readdir, rename, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runProgram } from '../build/host-program.ts'
import { digestOf } from '../plan/canonical.ts'
import type { Source } from '../project/model.ts'
import { errorCode } from '../store/disk.ts'
import { replaceFile } from '../store/replace-file.ts'
import { tempName } from '../store/temp.ts'
import { TreeGit } from './work-tree-git.ts'

/** Where a unit's source lies: a work tree, and beside it, out of reach of what is built, its repository. */
export interface TreePlace {
  /** Absolute: `build/<node>/src`. */
  readonly source: string
  /** Absolute: `build/<node>/src.git`. */
  readonly git: string
}

/** What a work tree was made from. */
export interface Prepared {
  /** {@link sourceId} of the source. */
  readonly source: string
  /** {@link patchesId} of the patches. */
  readonly patches: string
  /** Of the unit: for people. */
  readonly version: string
  /** The commit that `upstream` names. */
  readonly upstream: string
  /** The commit with all patches. */
  readonly head: string
}

/** Why a unit is built from its work tree as it is, instead of its declared source and patches. */
export interface DevRecord {
  /** `yoe dev UNIT`, or the first build that found commits or edits. */
  readonly by: 'toggle' | 'commits' | 'edits'
  /** The branch that it follows, and what that was past. */
  readonly tracking?: { readonly branch: string; readonly tag: string; readonly commits: number }
}

/** The local branch that yoe commits to. */
export const mainBranch = 'yoe'

/** Content of `src/.git`: leads out of the tree, here as in the sandbox. */
const gitFile = 'gitdir: ../src.git\n'

/** What a source is, whoever serves it. */
export function sourceId(source: Exclude<Source, { kind: 'path' }>): string {
  if (source.kind === 'archive') return `sha256 ${source.sha256}`
  const { commit, ref, submodules, lfs } = source
  const parts = submodules === undefined && lfs === undefined ? '' : ` ${JSON.stringify({ submodules, lfs })}`
  return `commit ${commit ?? ref}${parts}`
}

/** The identity of a list of patches: of the whole, since one more makes another tree. */
export function patchesId(digests: readonly string[]): string {
  return digestOf('yoe-patches/1', digests)
}

/** What the work tree of a unit was made from; undefined when there is none, or it was not finished. */
export function readPrepared(place: TreePlace): Prepared | undefined {
  const found = readJson(join(place.git, 'yoe.json'))
  if (typeof found !== 'object' || found === null) return undefined
  const { source, patches, version, upstream, head } = found as Readonly<Record<string, unknown>>
  const texts = [source, patches, version, upstream, head]
  if (!texts.every((text) => typeof text === 'string')) return undefined
  return {
    source: String(source),
    patches: String(patches),
    version: String(version),
    upstream: String(upstream),
    head: String(head),
  }
}

/** Notes what a work tree was made from: from now on it counts. */
export async function writePrepared(place: TreePlace, prepared: Prepared): Promise<void> {
  await replaceFile(join(place.git, 'yoe.json'), `${JSON.stringify(prepared, undefined, 2)}\n`)
}

/** Undefined while the unit is pinned. */
export function readDev(place: TreePlace): DevRecord | undefined {
  const found = readJson(join(place.git, 'dev.json'))
  if (typeof found !== 'object' || found === null) return undefined
  const { by, tracking } = found as Partial<DevRecord>
  if (by !== 'toggle' && by !== 'commits' && by !== 'edits') return undefined
  return { by, ...(tracking === undefined ? {} : { tracking }) }
}

/** Puts a unit into dev state, or with undefined back. */
export async function writeDev(place: TreePlace, record: DevRecord | undefined): Promise<void> {
  const path = join(place.git, 'dev.json')
  if (record === undefined) rmSync(path, { force: true })
  else await replaceFile(path, `${JSON.stringify(record)}\n`)
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

/** The commit that HEAD is at, read without git; undefined when there is none. */
export function headOf({ git }: TreePlace): string | undefined {
  try {
    const head = readFileSync(join(git, 'HEAD'), 'utf8').trim()
    if (/^[0-9a-f]{40}$/.test(head)) return head
    const ref = /^ref: (refs\/[^\s]+)$/.exec(head)?.[1]
    if (ref === undefined || ref.split('/').includes('..')) return undefined
    return refOf(git, ref)
  } catch {
    return undefined
  }
}

function refOf(git: string, ref: string): string | undefined {
  if (existsSync(join(git, ref))) return /^[0-9a-f]{40}/.exec(readFileSync(join(git, ref), 'utf8'))?.[0]
  if (!existsSync(join(git, 'packed-refs'))) return undefined
  const packed = readFileSync(join(git, 'packed-refs'), 'utf8').split('\n')
  return packed.find((line) => line.endsWith(` ${ref}`))?.slice(0, 40)
}

export interface Upstream {
  readonly name: string
  readonly version: string
  /** {@link sourceId}. */
  readonly id: string
  /** A commit of a bare repository whose tree this is, but for submodules and the like. */
  readonly real?: { readonly repository: string; readonly commit: string; readonly tag?: string | undefined }
}

/**
 * Commits what was just unpacked into the work tree as the commit `upstream`. Only content decides about its id; of a
 * git source it is the true one. Objects that an older state of the tree left are kept: a discarded commit can be found.
 *
 * @throws {GitFailure} when the repository is damaged
 */
export async function importUpstream(place: TreePlace, upstream: Upstream, signal?: AbortSignal): Promise<TreeGit> {
  await makeGitDir(place.git)
  await writeFile(join(place.source, '.git'), gitFile)
  await removeRepositories(place.source)
  const git = new TreeGit(place.git, place.source, signal)
  const commit = await commitUpstream(git, upstream)
  await setRef(place.git, `refs/heads/${mainBranch}`, commit)
  await nameUpstream(git, commit, upstream.real)
  await writeFile(join(place.git, 'HEAD'), `ref: refs/heads/${mainBranch}\n`)
  return git
}

/**
 * Commits all that is in a work tree; no ref is moved. @param env where another index than the tree's own is
 * @returns the commit
 */
export async function commitUpstream(
  git: TreeGit,
  { name, version, id, real }: Upstream,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  if (real !== undefined) await takeObjects(git.gitDir, real)
  // A pack rather than a file for each of 80,000 objects.
  const packing = [
    ['core.bigFileThreshold', '1'],
    ['core.compression', '1'],
  ] as const
  await git.run(['add', '--all', '--force', '.'], { config: packing, env })
  const tree = await git.run(['write-tree'], { env })
  return upstreamCommit(git, tree, `${name} ${version}\n\n${id}\n`, real?.commit)
}

/**
 * Moves the tag `upstream`, and gives a true commit its own tag: an annotated one, which `git describe` prefers.
 */
export async function nameUpstream(git: TreeGit, commit: string, real?: Upstream['real']): Promise<void> {
  await setRef(git.gitDir, 'refs/tags/upstream', commit)
  if (real?.tag === undefined || commit !== real.commit) return
  await git.run(['tag', '--force', '--annotate', '--no-sign', '--message', real.tag, '--', real.tag, commit])
}

/** The real commit when it has this tree; else one of ours with it. */
async function upstreamCommit(git: TreeGit, tree: string, message: string, real: string | undefined): Promise<string> {
  if (real !== undefined && (await git.run(['rev-parse', '--verify', `${real}^{tree}`])) === tree) return real
  const parents = real === undefined ? [] : ['-p', real]
  return git.run(['commit-tree', tree, ...parents], { input: message })
}

/** A repository in the tree would be a submodule, and its configuration somebody else's. */
export async function removeRepositories(tree: string): Promise<void> {
  await runProgram('find', [tree, '-mindepth', '2', '-name', '.git', '-prune', '-exec', 'rm', '-rf', '{}', '+'])
}

/** As `git init` makes it, without asking the user's templates. */
async function makeGitDir(path: string): Promise<void> {
  for (const folder of ['objects/pack', 'objects/info', 'refs/heads', 'refs/tags', 'info']) {
    await mkdir(join(path, folder), { recursive: true, mode: 0o755 })
  }
  if (!existsSync(join(path, 'HEAD'))) await writeFile(join(path, 'HEAD'), `ref: refs/heads/${mainBranch}\n`)
  // What belongs to a tree that is no more: index, locks of the dead, a rebase that nobody will finish.
  for (const stale of ['index', 'index.lock', 'HEAD.lock', 'rebase-apply', 'rebase-merge', 'yoe.json', 'products'])
    rmSync(join(path, stale), { recursive: true, force: true })
  if (!existsSync(join(path, 'config'))) await writeFile(join(path, 'config'), config)
  // Above all that a tree says of itself: files are the bytes that were committed.
  await writeFile(join(path, 'info', 'attributes'), '* -text -ident -filter -working-tree-encoding\n')
}

/** Owners change when runs are prepared; how many objects there are must not be seen in abbreviated ids. */
const config = `[core]
\trepositoryformatversion = 0
\tbare = false
\tfilemode = true
\tsharedRepository = 0644
\tabbrev = 12
\tcheckStat = minimal
\ttrustctime = false
\tprotectNTFS = false
\tprotectHFS = false
\tlogAllRefUpdates = true
`

async function setRef(git: string, ref: string, commit: string): Promise<void> {
  const path = join(git, ref)
  await mkdir(join(path, '..'), { recursive: true })
  const temp = join(git, tempName())
  await writeFile(temp, `${commit}\n`)
  await rename(temp, path)
}

/** Gives a repository the objects of another: as further names for their files, which stay when the cache goes. */
async function takeObjects(git: string, real: { readonly repository: string; readonly commit: string }): Promise<void> {
  const from = join(real.repository, 'objects')
  for (const folder of await readdir(from)) {
    if (folder === 'info') continue
    await mkdir(join(git, 'objects', folder), { recursive: true, mode: 0o755 })
    for (const name of await readdir(join(from, folder))) {
      if (name.startsWith('tmp_') || name.endsWith('.lock')) continue
      await takeFile(join(from, folder, name), join(git, 'objects', folder, name))
    }
  }
  const shallow = join(real.repository, 'shallow')
  if (existsSync(shallow)) await writeFile(join(git, 'shallow'), readFileSync(shallow))
}

async function takeFile(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch (failure) {
    if (errorCode(failure) === 'EEXIST') return
    if (!['EXDEV', 'EMLINK', 'EPERM'].includes(errorCode(failure))) throw failure
    await runProgram('cp', ['--', from, to])
  }
}

/** Gives files one time, now: which of them git wrote first says nothing about what is made from what. */
export async function oneTime(root: string, paths: readonly string[]): Promise<void> {
  const now = new Date()
  for (const path of paths) {
    const info = await lstat(join(root, path)).catch(() => undefined)
    if (info?.isFile()) await utimes(join(root, path), now, now)
  }
}
