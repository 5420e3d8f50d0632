import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { YoeError } from '../errors.ts'
import { errorCode, makeFolder, writeFailure } from '../store/disk.ts'
import type { Store } from '../store/store.ts'
import { shownUrl } from './url.ts'

export interface GitInput {
  /** As declared: names the local copy. */
  readonly url: string
  /** Where it is asked for, best first. */
  readonly candidates: readonly string[]
  /** 40 hex digits. */
  readonly commit: string
  readonly store: Store
  readonly offline: boolean
  readonly signal?: AbortSignal | undefined
}

/**
 * The tree of a commit as a tar in the store: exactly the committed bytes, whatever attributes and filters say. Commits
 * are kept in a bare repository under `$YOE_CACHE/git`, one for each address.
 *
 * @returns the tar's path; files lie at its top
 * @throws {YoeError} BAD_FIELD for what is no address or commit, FETCH_FAILED with each address and git's reason
 */
export async function fetchCommit(input: GitInput): Promise<string> {
  const { url, commit, store, signal } = input
  for (const address of [url, ...input.candidates]) requireAddress(address)
  if (!/^[0-9a-f]{40}$/.test(commit)) {
    throw new YoeError('BAD_FIELD', `"${commit}" is no commit`, {
      hint: 'write the 40 hex digits that git rev-parse prints',
    })
  }
  const id = createHash('sha256').update(url).digest('hex').slice(0, 40)
  await using _lock = await store.lock(`git-${id}`, { signal })
  const repo = join(store.root, 'git', `${id}.git`)
  await prepareRepository(repo, signal)
  if (!(await has(repo, commit, signal))) await fetchInto(repo, input)
  // An object of the commit that is missing or damaged shows here.
  const archive = stream(repo, ['archive', '--format=tar', commit], signal)
  const { sha256 } = await store.objects.put(archive).catch((failure: unknown) => {
    if (failure instanceof YoeError) throw failure
    throw new YoeError('STORE_DAMAGED', `the copy of ${shownUrl(url)} in ${repo} is damaged`, {
      hint: `rm -r ${repo}`,
      cause: failure,
    })
  })
  const path = await store.objects.path(sha256)
  if (path === undefined) throw new YoeError('STORE_DAMAGED', `${store.root} lost what was just put into it`)
  return path
}

/** Only addresses that git can't take for an option, a local program or a helper of its own. */
function requireAddress(url: string): void {
  const isUrl = /^(https?|ssh|git|file):\/\/[^-\s]\S*$/i.test(url)
  const isScp = /^[A-Za-z0-9_][\w.-]*@[A-Za-z0-9][\w.-]*:[^-\s]\S*$/.test(url)
  if (!isUrl && !isScp) {
    throw new YoeError('BAD_FIELD', `"${shownUrl(url)}" is no address that git may be sent to`, {
      hint: 'https, ssh, git and file addresses are',
    })
  }
}

async function prepareRepository(repo: string, signal: AbortSignal | undefined): Promise<void> {
  try {
    await makeFolder(repo)
    await git(undefined, ['init', '--quiet', '--bare', '--template=', '--object-format=sha1', repo], signal)
    await makeFolder(join(repo, 'info'))
    // Above all that a tree says of itself: the bytes are those that the commit names.
    const attributes = '* -text -ident -filter -working-tree-encoding -export-ignore -export-subst\n'
    await writeFile(join(repo, 'info', 'attributes'), attributes)
  } catch (failure) {
    throw failure instanceof YoeError ? failure : await writeFailure(failure, repo)
  }
}

async function has(repo: string, commit: string, signal: AbortSignal | undefined): Promise<boolean> {
  // The ref is set when the commit has come with all that belongs to it.
  const found = await git(repo, ['rev-parse', '--verify', '--quiet', `refs/yoe/${commit}`], signal).catch(() => '')
  return found.trim() === commit
}

async function fetchInto(repo: string, { candidates, commit, offline, signal, url }: GitInput): Promise<void> {
  if (offline && !url.startsWith('file:')) {
    throw new YoeError('FETCH_FAILED', `${shownUrl(url)} at ${commit} is not here, and yoe works offline`, {
      hint: 'run it once without --offline',
    })
  }
  const failures: string[] = []
  for (const address of candidates) {
    const fetch = (...args: string[]) =>
      git(repo, ['fetch', '--quiet', '--no-tags', '--no-recurse-submodules', '--no-write-fetch-head', ...args], signal)
    // Not every server gives a single commit away: then everything has to come.
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
      const there = await git(repo, ['rev-parse', '--verify', '--quiet', `${commit}^{commit}`], signal).catch(() => '')
      if (there.trim() !== commit) continue
      await git(repo, ['update-ref', `refs/yoe/${commit}`, commit], signal)
      return
    }
    failures.push(`${shownUrl(address)}: ${reason}`)
  }
  throw new YoeError('FETCH_FAILED', `commit ${commit} can't be fetched\n  ${failures.join('\n  ')}`, {
    hint: 'check the address and the commit; a private repository needs credentials that git finds without asking',
  })
}

function reasonOf(failure: unknown, address: string): string {
  if (failure instanceof YoeError || !(failure instanceof GitFailure)) throw failure
  const last = failure.message
    .trim()
    .split('\n')
    .filter((line) => line !== '')
  const told =
    last.find((line) => line.startsWith('fatal:') || line.startsWith('error:')) ?? last.at(-1) ?? 'git failed'
  return told.replaceAll(address, shownUrl(address)).replace(/:\/\/[^/@\s]*@/g, '://***@')
}

class GitFailure extends Error {}

/** No hooks, no helpers, no questions; the user's own git configuration and credentials otherwise. */
const settings = [
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
  ['fetch.fsckObjects', 'true'],
  ['tar.umask', '0022'],
  ['http.lowSpeedLimit', '1024'],
  ['http.lowSpeedTime', '60'],
  ['http.followRedirects', 'initial'],
  ['protocol.allow', 'never'],
  ...['https', 'http', 'ssh', 'git', 'file'].map((name) => [`protocol.${name}.allow`, 'always']),
].flatMap(([name, value]) => ['-c', `${name}=${value}`])

async function* stream(
  repo: string | undefined,
  args: readonly string[],
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const where = repo === undefined ? [] : [`--git-dir=${repo}`]
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^GIT_(DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|NAMESPACE)$/.test(name),
  )
  const child = spawn('git', [...settings, ...where, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      GIT_SSH_COMMAND: 'ssh -o BatchMode=yes -o ConnectTimeout=30',
      ...Object.fromEntries(inherited),
      GIT_TERMINAL_PROMPT: '0',
      LC_ALL: 'C',
    },
    ...(signal === undefined ? {} : { signal }),
  })
  let said = ''
  child.stderr.on('data', (chunk) => {
    if (said.length < 10_000) said += chunk
  })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  ended.catch(() => {})
  try {
    for await (const chunk of child.stdout) yield chunk
    const code = await ended
    if (code !== 0) throw new GitFailure(said === '' ? `git ended with ${code}` : said)
  } catch (failure) {
    if (signal?.aborted === true) throw new YoeError('CANCELLED', 'fetching a repository was cancelled')
    if (errorCode(failure) !== 'ENOENT') throw failure
    throw new YoeError('TOOL_MISSING', 'git is not installed', { hint: 'sudo apt-get install git' })
  } finally {
    if (child.exitCode === null) child.kill()
  }
}

async function git(
  repo: string | undefined,
  args: readonly string[],
  signal: AbortSignal | undefined,
): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream(repo, args, signal)) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}
