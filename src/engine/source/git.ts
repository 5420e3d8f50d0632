import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { YoeError } from '../errors.ts'
import { type Reporter, step } from '../events.ts'
import { writeFailure } from '../store/disk.ts'
import { replaceFile } from '../store/replace-file.ts'
import type { Store } from '../store/store.ts'
import type { Fetcher } from './fetcher.ts'
import { type Wanted, withCommit } from './git-repository.ts'
import { joinTars, pointersIn, type TarPart } from './join-tars.ts'
import { fetchLfs } from './lfs.ts'
import type { LfsPointer } from './lfs-pointer.ts'
import { type Gitlink, submoduleUrl } from './submodules.ts'

/** What of a commit besides its own files is wanted. */
export interface CommitParts {
  /** `false`: none; paths: only these of the repository itself, with all that are in them. Default: all. */
  readonly submodules?: false | readonly string[]
  /** Files instead of pointers of Git LFS. Default: yes. */
  readonly lfs?: false
}

export interface GitInput extends Wanted, CommitParts {
  readonly store: Store
  /** For the files of Git LFS, and for where submodules are really asked for. */
  readonly fetcher: Fetcher
  readonly report: Reporter
}

/** Repositories in each other, and in all: more is no project. */
const deepest = 16
const most = 1000

/** Where the commits of an address are kept, and what locks them. */
export function repositoryOf(
  store: Pick<Store, 'root'>,
  url: string,
): { readonly folder: string; readonly lock: string } {
  const id = createHash('sha256').update(url).digest('hex').slice(0, 40)
  return { folder: join(store.root, 'git', `${id}.git`), lock: `git-${id}` }
}

/** The file that remembers which object the tree of a commit is. */
export function treePath(root: string, commit: string, { submodules, lfs }: CommitParts): string {
  const parts = JSON.stringify([submodules, lfs])
  const suffix =
    submodules === undefined && lfs === undefined
      ? ''
      : `-${createHash('sha256').update(parts).digest('hex').slice(0, 16)}`
  return join(root, 'git', 'trees', `${commit}${suffix}`)
}

/** The tree of a commit that came. */
export interface KnownTree {
  /** The object that it is. */
  readonly sha256: string
  /** Folders of the repositories that it came from. */
  readonly repositories: readonly string[]
}

/** What is remembered at a {@link treePath}; undefined when nothing is, or something else. */
export async function readTree(path: string): Promise<KnownTree | undefined> {
  const [sha256 = '', ...repositories] = (await readFile(path, 'utf8').catch(() => '')).trimEnd().split('\n')
  if (![sha256, ...repositories].every((word) => /^[0-9a-f]{64}$|^[0-9a-f]{40}\.git$/.test(word))) return undefined
  return { sha256, repositories }
}

/**
 * The tree of a commit as a tar in the store: exactly the committed bytes, whatever attributes and filters say, with those
 * of its submodules and with files of Git LFS. Commits are kept in a bare repository under `$YOE_CACHE/git`, one for each
 * address.
 *
 * @returns the tar's path; files lie at its top
 * @throws {YoeError} BAD_FIELD for what is no address or commit, FETCH_FAILED with each address and git's reason
 */
export async function fetchCommit(input: GitInput): Promise<string> {
  const { store, commit, submodules, lfs } = input
  const wanted = { ...(submodules === undefined ? {} : { submodules }), ...(lfs === undefined ? {} : { lfs }) }
  const remembered = treePath(store.root, commit, wanted)
  const known = await readTree(remembered)
  const there = known === undefined ? undefined : await store.objects.path(known.sha256)
  if (there !== undefined) return there
  const parts: Part[] = []
  try {
    await collect(input, '', 0, parts)
    const sha256 = await treeOf(parts, input)
    const path = await store.objects.path(sha256)
    if (path === undefined) throw new YoeError('STORE_DAMAGED', `${store.root} lost what was just put into it`)
    await store.objects.flush()
    const repositories = new Set(parts.map((part) => basename(repositoryOf(store, part.url).folder)))
    await replaceFile(remembered, `${[sha256, ...repositories].join('\n')}\n`)
    return path
  } finally {
    for (const { path } of parts) await rm(path, { force: true })
  }
}

/** What the tree of a commit is made of. */
export interface CommitPieces {
  /** The commit itself and those of its submodules. */
  readonly commits: readonly (Pick<Part, 'url' | 'commit' | 'candidates'> & ReturnType<typeof repositoryOf>)[]
  /** Files of Git LFS, which are in the store. */
  readonly lfs: readonly LfsPointer[]
}

/** What {@link fetchCommit} would make the tree of a commit of, all of it at hand. @throws {YoeError} as that */
export async function fetchPieces(input: GitInput): Promise<CommitPieces> {
  const { store, commit } = input
  const parts: Part[] = []
  try {
    await collect(input, '', 0, parts)
    const lfs: LfsPointer[] = []
    for (const part of parts) {
      const pointers = await pointersIn([part], commit)
      await fetchLfs(pointers, { ...input, ...part })
      lfs.push(...pointers)
    }
    const commits = parts.map(({ url, commit, candidates }) => ({
      ...{ url, commit, candidates },
      ...repositoryOf(store, url),
    }))
    return { commits, lfs }
  } finally {
    for (const { path } of parts) await rm(path, { force: true })
  }
}

interface Part extends TarPart {
  readonly url: string
  readonly commit: string
  readonly candidates: readonly string[]
  readonly configured: string | undefined
}

/** Writes the tar of a commit and of its submodules' commits, those that hold others first. */
async function collect(input: GitInput, prefix: string, depth: number, parts: Part[]): Promise<void> {
  const { url, commit, candidates, store, report, submodules, fetcher } = input
  if (depth > deepest || parts.length >= most) {
    throw new YoeError(
      'FETCH_FAILED',
      `${JSON.stringify(prefix)} is one submodule too many: at most ${most}, ${deepest} in each other`,
      {
        hint: 'submodules = [paths] takes only these',
      },
    )
  }
  const path = store.temp()
  const { links, urls, lfs, configured } = await withCommit(
    { ...input, ...repositoryOf(store, url) },
    async (repository) => {
      // An object of the commit that is missing or damaged shows here.
      const archive = ['archive', '--format=tar', ...(prefix === '' ? [] : [`--prefix=${prefix}`]), commit]
      await rm(path, { force: true })
      await pipeline(repository.stream(archive), createWriteStream(path))
      return {
        ...(submodules === false
          ? { links: [], urls: new Map<string, string>() }
          : await repository.submodules(commit)),
        ...(input.lfs === false ? { lfs: [], configured: undefined } : await repository.lfs(commit, store.temp())),
      }
    },
  ).catch(async (failure: unknown) => {
    await rm(path, { force: true })
    throw await writeFailure(failure, path)
  })
  const names = new Set(lfs.map((name) => Buffer.from(prefix + name).toString('latin1')))
  parts.push({ url, commit, path, lfs: names, candidates, configured })
  for (const link of chosen(links, submodules, input)) {
    const declared = urls.get(link.path)
    if (declared === undefined) throw nowhere(link, input)
    const from = submoduleUrl(url, declared, link.path)
    await step(report, `Fetch submodule ${prefix}${link.path}`, () => {
      const { submodules: _, ...rest } = input
      const located = fetcher.locate?.(from) ?? [from]
      return collect(
        { ...rest, url: from, commit: link.commit, candidates: located },
        `${prefix}${link.path}/`,
        depth + 1,
        parts,
      )
    })
  }
}

function chosen(links: readonly Gitlink[], wanted: GitInput['submodules'], { url }: GitInput): readonly Gitlink[] {
  if (wanted === undefined || wanted === false) return links
  const unknown = wanted.find((path) => !links.some((link) => link.path === path))
  if (unknown === undefined) return links.filter(({ path }) => wanted.includes(path))
  const all = links.map(({ path }) => path).join(', ')
  throw new YoeError('BAD_FIELD', `${url} has no submodule ${JSON.stringify(unknown)}`, {
    hint: all === '' ? 'it has none' : `it has: ${all}`,
  })
}

function nowhere({ path }: Gitlink, { url }: GitInput): YoeError {
  return new YoeError(
    'FETCH_FAILED',
    `.gitmodules of ${url} does not say where its submodule ${JSON.stringify(path)} is`,
    {
      hint: 'submodules = False leaves submodules out; a list of paths takes only these',
    },
  )
}

/** The object that holds all parts. */
async function treeOf(parts: readonly Part[], input: GitInput): Promise<string> {
  const { store, commit } = input
  const [first, ...others] = parts
  if (first !== undefined && others.length === 0 && first.lfs.size === 0)
    return (await store.objects.adopt(first.path)).sha256
  for (const part of parts) await fetchLfs(await pointersIn([part], commit), { ...input, ...part })
  const contentOf = async (oid: string): Promise<string> => {
    const path = await store.objects.path(oid)
    if (path === undefined) throw new YoeError('STORE_DAMAGED', `${store.root} lost what was just put into it`)
    return path
  }
  return (await store.objects.put(joinTars(parts, commit, contentOf))).sha256
}
