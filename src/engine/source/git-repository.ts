import { readdirSync, rmSync, statSync } from 'node:fs'
import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { YoeError } from '../errors.ts'
import { errorCode, makeFolder, writeFailure } from '../store/disk.ts'
import type { Store } from '../store/store.ts'
import { GitFailure, git, gitStream, reasonOf, requireAddress } from './git-run.ts'
import { offlineHint } from './offline.ts'
import { type Gitlink, parseGitlinks, parseModules } from './submodules.ts'
import { shownUrl } from './url.ts'

/** A commit, and where it is asked for. */
export interface Wanted {
  /** As declared: for messages. */
  readonly url: string
  /** Where it is asked for, best first. */
  readonly candidates: readonly string[]
  /** 40 hex digits. */
  readonly commit: string
  readonly offline: boolean
  readonly signal?: AbortSignal | undefined
}

/** A bare repository of our own that commits are fetched into; one process at a time may use it. */
export class GitRepository {
  /** Absolute. */
  readonly folder: string
  readonly #signal: AbortSignal | undefined

  private constructor(folder: string, signal: AbortSignal | undefined) {
    this.folder = folder
    this.#signal = signal
  }

  /** Made where it is missing. The caller has its lock, so locks of git's own in it are of the dead. */
  static async open(folder: string, signal: AbortSignal | undefined): Promise<GitRepository> {
    try {
      await makeFolder(folder)
      if (!statSync(folder).isDirectory()) throw new GitFailure(`${folder} is no folder`)
      removeLocks(folder)
      await git(['init', '--quiet', '--bare', '--template=', '--object-format=sha1', folder], { signal })
      await makeFolder(join(folder, 'info'))
      // Above all that a tree says of itself: the bytes are those that the commit names.
      const attributes = '* -text -ident -filter -working-tree-encoding -export-ignore -export-subst\n'
      await writeFile(join(folder, 'info', 'attributes'), attributes)
    } catch (failure) {
      throw failure instanceof YoeError || failure instanceof GitFailure ? failure : await writeFailure(failure, folder)
    }
    return new GitRepository(folder, signal)
  }

  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<string> {
    return git(args, { repository: this.folder, signal: this.#signal, ...(env === undefined ? {} : { env }) })
  }

  stream(args: readonly string[]): AsyncGenerator<Uint8Array> {
    return gitStream(args, { repository: this.folder, signal: this.#signal })
  }

  /** The object that a revision names; '' when there is none. */
  async #find(revision: string): Promise<string> {
    try {
      return (await this.run(['rev-parse', '--verify', '--quiet', revision])).trim()
    } catch (failure) {
      if (failure instanceof GitFailure) return ''
      throw failure
    }
  }

  /** Whether a commit came, with all that belongs to it. */
  async has(commit: string): Promise<boolean> {
    return (await this.#find(`refs/yoe/${commit}`)) === commit
  }

  /**
   * The tree of a folder of a commit that came; undefined when there is no such folder.
   * @throws {GitFailure} when what came is damaged
   */
  async tree(commit: string, path: string): Promise<string | undefined> {
    if (path === '') return (await this.run(['rev-parse', '--verify', `${commit}^{tree}`])).trim()
    const listed = await this.run(['ls-tree', '-z', '--full-tree', commit, path])
    return /^040000 tree ([0-9a-f]{40})\t/.exec(listed)?.[1]
  }

  /** The commits of submodules, and the addresses that `.gitmodules` says for their paths. */
  async submodules(
    commit: string,
  ): Promise<{ readonly links: readonly Gitlink[]; readonly urls: ReadonlyMap<string, string> }> {
    const links = parseGitlinks(await this.run(['ls-tree', '-r', '-z', '--full-tree', commit]))
    return { links, urls: links.length === 0 ? new Map() : parseModules(await this.#config(commit, '.gitmodules')) }
  }

  /**
   * The paths whose attributes ask Git LFS for their content, and `lfs.url` of the commit's `.lfsconfig`.
   *
   * @param temp path of a folder to make and remove
   */
  async lfs(commit: string, temp: string): Promise<{ readonly lfs: readonly string[]; readonly configured?: string }> {
    const said = await this.run([
      'grep',
      '-l',
      '-z',
      '-e',
      'filter=lfs',
      commit,
      '--',
      ':(glob)**/.gitattributes',
    ]).catch(noneOf)
    if (said === '') return { lfs: [] }
    // A repository of its own, without attributes above those of the tree.
    const env = {
      GIT_OBJECT_DIRECTORY: join(this.folder, 'objects'),
      GIT_INDEX_FILE: `${temp}/index`,
      GIT_ATTR_NOSYSTEM: '1',
    }
    const run = (args: readonly string[], input = '') =>
      git(['-c', 'core.attributesFile=/dev/null', ...args], { repository: temp, env, input, signal: this.#signal })
    try {
      await git(['init', '--quiet', '--bare', '--template=', temp], { signal: this.#signal })
      await run(['read-tree', commit])
      const names = await this.run(['ls-tree', '-r', '-z', '--full-tree', '--name-only', commit])
      const fields = (await run(['check-attr', '--cached', '-z', '--stdin', 'filter'], names)).split('\0')
      const lfs = fields.filter((_, index) => index % 3 === 0 && fields[index + 2] === 'lfs')
      const url = /^lfs\.url\n(.+)$/m.exec((await this.#config(commit, '.lfsconfig')).replaceAll('\0', '\n'))?.[1]
      return { lfs, ...(url === undefined ? {} : { configured: url }) }
    } finally {
      await rm(temp, { recursive: true, force: true })
    }
  }

  /** What a file of the commit in git's own format says; '' when there is none. */
  #config(commit: string, path: string): Promise<string> {
    return this.run(['config', '--no-includes', '-z', `--blob=${commit}:${path}`, '--list']).catch(noneOf)
  }

  /** Fetches one commit without its history, or everything where a server gives no single commits away. */
  async fetch({ url, candidates, commit, offline }: Wanted): Promise<void> {
    if (offline && !url.startsWith('file:')) {
      throw new YoeError('FETCH_FAILED', `${shownUrl(url)} at ${commit} is not here, and yoe works offline`, {
        hint: offlineHint,
      })
    }
    const failures: string[] = []
    for (const address of candidates) {
      const fetch = (...args: string[]) =>
        this.run(['fetch', '--quiet', '--no-tags', '--no-recurse-submodules', '--no-write-fetch-head', ...args])
      const attempts = [
        () => fetch('--depth=1', '--', address, `${commit}:refs/yoe/${commit}`),
        () => fetch('--', address, '+refs/heads/*:refs/all/heads/*', '+refs/tags/*:refs/all/tags/*'),
      ]
      let reason = ''
      for (const attempt of attempts) {
        reason = await attempt().then(
          () => 'there is no such commit',
          (failure: unknown) => reasonOf(failure, address),
        )
        if ((await this.#find(`${commit}^{commit}`)) !== commit) continue
        await this.run(['update-ref', `refs/yoe/${commit}`, commit])
        return
      }
      failures.push(`${shownUrl(address)}: ${reason}`)
    }
    throw new YoeError('FETCH_FAILED', `commit ${commit} can't be fetched\n  ${failures.join('\n  ')}`, {
      hint: 'check the address and the commit; a private repository needs credentials that git finds without asking',
    })
  }

  /** Whether every byte that came is what it was; what git says is wrong where it is not. */
  async fault(): Promise<string | undefined> {
    try {
      await this.run(['fsck', '--full', '--no-dangling', '--no-progress'])
      return undefined
    } catch (failure) {
      if (failure instanceof GitFailure) return reasonOf(failure, '')
      throw failure
    }
  }

  /** Whether everything that came is still there and whole. */
  async isSound(): Promise<boolean> {
    try {
      await this.run(['fsck', '--connectivity-only', '--no-dangling', '--no-progress'])
      return true
    } catch (failure) {
      if (failure instanceof GitFailure) return false
      throw failure
    }
  }
}

/** git ends with an error where it finds nothing. */
function noneOf(failure: unknown): string {
  if (failure instanceof GitFailure) return ''
  throw failure
}

/** Locks that git left when it was killed would stop every later run. */
function removeLocks(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    // Names of refs can't end so.
    if (entry.isFile() && entry.name.endsWith('.lock')) rmSync(join(entry.parentPath, entry.name), { force: true })
  }
}

export interface CommitUse extends Wanted {
  readonly store: Store
  /** Absolute folder of the repository. */
  readonly folder: string
  /** Names the lock that keeps other processes out of it. */
  readonly lock: string
}

/**
 * Has a commit at hand, fetched where it is missing, and lets `use` work with it. A repository that turns out to be
 * damaged is replaced by one that is fetched anew.
 *
 * @throws {YoeError} BAD_FIELD for what is no address or commit; FETCH_FAILED with each address and git's reason;
 *   STORE_DAMAGED when it can't be fetched anew
 */
export async function withCommit<T>(input: CommitUse, use: (repository: GitRepository) => Promise<T>): Promise<T> {
  const { url, candidates, commit, store, folder, signal } = input
  for (const address of [url, ...candidates]) requireAddress(address)
  if (!/^[0-9a-f]{40}$/.test(commit)) {
    throw new YoeError('BAD_FIELD', `"${commit}" is no commit`, {
      hint: 'write the 40 hex digits that git rev-parse prints',
    })
  }
  await using _lock = await store.lock(input.lock, { signal })
  let damage: unknown
  try {
    const repository = await GitRepository.open(folder, signal)
    if (!(await repository.has(commit))) {
      try {
        await repository.fetch(input)
      } catch (failure) {
        if (!(failure instanceof YoeError) || failure.code !== 'FETCH_FAILED') throw failure
        if (await repository.isSound()) throw failure
        throw new GitFailure(failure.message)
      }
    }
    return await use(repository)
  } catch (failure) {
    if (!(failure instanceof GitFailure)) throw failure
    damage = failure
  }
  return anew(input, use).catch((failure: unknown) => {
    if (failure instanceof YoeError && failure.code !== 'FETCH_FAILED') throw failure
    throw new YoeError('STORE_DAMAGED', `the copy of ${shownUrl(url)} in ${folder} is damaged`, {
      hint: failure instanceof YoeError ? `it can't be fetched anew: ${failure.message}` : `rm -r ${folder}`,
      cause: damage,
    })
  })
}

/** What is there stays until what takes its place is proven. */
async function anew<T>(input: CommitUse, use: (repository: GitRepository) => Promise<T>): Promise<T> {
  const { store, folder, signal } = input
  const [fresh, old] = [store.temp(), store.temp()]
  try {
    const repository = await GitRepository.open(fresh, signal)
    await repository.fetch(input)
    const result = await use(repository)
    await rename(folder, old).catch((failure: unknown) => {
      if (errorCode(failure) !== 'ENOENT') throw failure
    })
    await rename(fresh, folder)
    return result
  } finally {
    for (const path of [fresh, old]) await rm(path, { recursive: true, force: true })
  }
}
