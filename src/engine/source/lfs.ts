import { readFile, rm } from 'node:fs/promises'
import { YoeError } from '../errors.ts'
import { type Reporter, silent } from '../events.ts'
import type { Store } from '../store/store.ts'
import { type Fetcher, Unauthorized } from './fetcher.ts'
import { gitCredentials } from './git-credentials.ts'
import type { LfsPointer } from './lfs-pointer.ts'
import { offlineHint } from './offline.ts'
import { shownUrl } from './url.ts'

export interface LfsInput {
  readonly store: Store
  readonly fetcher: Fetcher
  /** Addresses of the repository, best first. */
  readonly candidates: readonly string[]
  /** `lfs.url` of the repository's own `.lfsconfig`. */
  readonly configured: string | undefined
  readonly offline: boolean
  readonly report: Reporter
  readonly signal?: AbortSignal | undefined
}

/** Objects that a server is asked about at a time; more is refused by some. */
const batch = 100
const mime = 'application/vnd.git-lfs+json'

/**
 * Brings files that a repository keeps in Git LFS into the store, where their digests are their names.
 *
 * @throws {YoeError} FETCH_FAILED with each address and the reason; DIGEST_MISMATCH; CANCELLED, DISK_FULL
 * @see git-lfs, docs/api/batch.md
 */
export async function fetchLfs(pointers: readonly LfsPointer[], input: LfsInput): Promise<void> {
  const { store, candidates, configured, offline } = input
  const all = [...new Map(pointers.map((pointer) => [pointer.oid, pointer])).values()]
  const known = await Promise.all(all.map(({ oid }) => store.objects.path(oid)))
  const missing = all.filter((_, index) => known[index] === undefined)
  if (missing.length === 0) return
  const failures: string[] = []
  for (const place of placesOf(candidates, configured)) {
    try {
      if (place.kind === 'folder') await fromFolder(missing, place.url, input)
      else if (offline) throw new YoeError('FETCH_FAILED', 'not asked, since yoe works offline')
      else await fromServer(missing, place.url, input)
      return
    } catch (failure) {
      if (!(failure instanceof YoeError) || !['FETCH_FAILED', 'DIGEST_MISMATCH'].includes(failure.code)) throw failure
      failures.push(`${shownUrl(place.url)}: ${failure.message}`)
    }
  }
  throw new YoeError(
    'FETCH_FAILED',
    `${missing.length} files of Git LFS can't be fetched\n  ${failures.join('\n  ')}`,
    {
      hint: offline ? offlineHint : 'lfs = False takes the pointers instead of the files',
    },
  )
}

interface Place {
  /** `folder`: a repository on this machine; `server`: one that speaks the batch protocol. */
  readonly kind: 'folder' | 'server'
  readonly url: string
}

function placesOf(candidates: readonly string[], configured: string | undefined): readonly Place[] {
  const plain = candidates.some((url) => url.startsWith('http:'))
  // What a repository says of itself may not send us to where it could not.
  const usable = configured !== undefined && (/^https:/.test(configured) || (plain && /^http:/.test(configured)))
  const own: readonly Place[] = usable ? [{ kind: 'server', url: configured.replace(/\/+$/, '') }] : []
  return [...own, ...candidates.map(placeOf)]
}

/** By the rules of git-lfs: an ssh address is asked by https. */
function placeOf(address: string): Place {
  if (address.startsWith('file:')) return { kind: 'folder', url: address.replace(/\/+$/, '') }
  const url = address
    .replace(/^([^/@:\s]+@)?([^/:@\s]+):(?!\/\/)\/*/, 'https://$2/')
    .replace(/^(ssh|git):\/\/([^/@]*@)?([^/:]+)(:\d+)?\//i, 'https://$3/')
    .replace(/\/+$/, '')
  return { kind: 'server', url: `${url}${url.endsWith('.git') ? '' : '.git'}/info/lfs` }
}

async function fromFolder(pointers: readonly LfsPointer[], url: string, input: LfsInput): Promise<void> {
  const at = (oid: string) => `lfs/objects/${oid.slice(0, 2)}/${oid.slice(2, 4)}/${oid}`
  await Promise.all(
    pointers.map(({ oid, size }) => keep({ oid, size }, [`${url}/${at(oid)}`, `${url}/.git/${at(oid)}`], {}, input)),
  )
}

async function fromServer(pointers: readonly LfsPointer[], url: string, input: LfsInput): Promise<void> {
  for (let start = 0; start < pointers.length; start += batch) {
    const some = pointers.slice(start, start + batch)
    const actions = await askBatch(some, url, input)
    await Promise.all(
      some.map((pointer) => {
        const action = actions.get(pointer.oid)
        if (action === undefined) throw new YoeError('FETCH_FAILED', `the server says nothing of ${pointer.oid}`)
        return keep(pointer, [action.href], action.header, input)
      }),
    )
  }
}

interface Action {
  readonly href: string
  readonly header: Readonly<Record<string, string>>
}

async function askBatch(
  pointers: readonly LfsPointer[],
  url: string,
  { store, fetcher, signal }: LfsInput,
): Promise<ReadonlyMap<string, Action>> {
  const dest = store.temp()
  const objects = pointers.map(({ oid, size }) => ({ oid, size }))
  const body = JSON.stringify({ operation: 'download', transfers: ['basic'], objects, hash_algo: 'sha256' })
  const ask = async (headers: Readonly<Record<string, string>>): Promise<ReadonlyMap<string, Action>> => {
    await fetcher.fetch({
      urls: [`${url}/objects/batch`],
      located: true,
      dest,
      title: 'the list of Git LFS files',
      maxSize: 2 ** 24,
      headers: { ...headers, accept: mime },
      post: { type: mime, body },
      report: silent,
      ...(signal === undefined ? {} : { signal }),
    })
    return parseBatch(await readFile(dest, 'utf8'), url)
  }
  try {
    return await ask({})
  } catch (failure) {
    const who = failure instanceof Unauthorized ? await gitCredentials(new URL(url), signal) : undefined
    if (who === undefined) throw failure
    return await ask(who)
  } finally {
    await rm(dest, { force: true })
  }
}

/** @throws {YoeError} FETCH_FAILED for what the protocol does not say */
function parseBatch(text: string, url: string): ReadonlyMap<string, Action> {
  const refuse = (why: string): YoeError => new YoeError('FETCH_FAILED', `its answer can't be used: ${why}`)
  const actions = new Map<string, Action>()
  for (const object of listOf(at(json(text), 'objects'))) {
    const oid = at(object, 'oid')
    const error = at(object, 'error')
    if (error !== undefined) throw refuse(`${String(at(error, 'message') ?? 'an error')} (${String(oid)})`)
    const download = at(at(object, 'actions'), 'download')
    const href = at(download, 'href')
    if (typeof oid !== 'string' || typeof href !== 'string') throw refuse('it has no address to download from')
    // No step down for what may carry a token.
    if (!/^https?:/.test(href) || (url.startsWith('https:') && !href.startsWith('https:')))
      throw refuse(`it leads to ${shownUrl(href)}`)
    const header = Object.entries(Object(at(download, 'header') ?? {})).flatMap(([name, value]) =>
      typeof value === 'string' ? [[name.toLowerCase(), value] as const] : [],
    )
    actions.set(oid, { href, header: Object.fromEntries(header) })
  }
  return actions
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function at(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null
    ? Object.entries(value).find(([name]) => name === key)?.[1]
    : undefined
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

async function keep(
  { oid, size }: LfsPointer,
  urls: readonly string[],
  headers: Readonly<Record<string, string>>,
  { store, fetcher, report, signal }: LfsInput,
): Promise<void> {
  const dest = store.temp()
  const title = `Git LFS file ${oid.slice(0, 12)}`
  const more = signal === undefined ? {} : { signal }
  await fetcher.fetch({ urls, dest, sha256: oid, size, title, headers, report, ...more })
  await store.objects.adopt(dest, { sha256: oid })
}
