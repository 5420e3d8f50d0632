import { join, resolve } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { Reporter } from '#engine/events.ts'
import type { Project } from '#engine/project/model.ts'
import { sizeInBytes } from '#engine/project/scalars.ts'
import type { Exchange } from '#engine/source/exchange.ts'
import type { RemoteStore } from '#engine/store/remote.ts'
import { parseRemoteUrl, type RemoteCache } from '#engine/store/remotes/declaration.ts'
import { readOnly } from '#engine/store/remotes/read-only.ts'
import { tempName } from '#engine/store/temp.ts'
import { bucketAt, requestsTo } from './buckets.ts'
import type { Workspace } from './workspace.ts'

type Asking = Pick<Workspace, 'remoteCaches' | 'env' | 'local' | 'root' | 'cacheRoot' | 'offline'>

/** What decides whether a run may write to shared caches. */
export interface Writing {
  /** False: anybody can start such a run (a pull request from a fork). */
  readonly trusted: boolean
  /** This run has the cache's private key. */
  readonly signs: boolean
  readonly report: Reporter
}

/**
 * The caches that this run shares with other machines, nearest first: those of `--remote-cache`, else of
 * YOE_REMOTE_CACHE, else of the project; none with `--no-remote-cache` or YOE_NO_REMOTE_CACHE.
 *
 * @throws {YoeError} USAGE
 */
export function remoteCachesOf(
  { remoteCaches, env }: Pick<Workspace, 'remoteCaches' | 'env'>,
  { cache }: Pick<Project, 'cache'>,
): readonly RemoteCache[] {
  if (remoteCaches !== undefined) return remoteCaches.map((text) => named(text, '--remote-cache'))
  if (!['', '0', 'false'].includes(env['YOE_NO_REMOTE_CACHE'] ?? '')) return []
  const listed = (env['YOE_REMOTE_CACHE'] ?? '').split(/\s+/).filter((text) => text !== '')
  if (listed.length > 0) return listed.map((text) => named(text, 'YOE_REMOTE_CACHE'))
  return cache.remote ?? []
}

/** Not the text itself: who writes a secret where it does not belong finds it in no log. */
function named(text: string, from: string): RemoteCache {
  const remote = parseRemoteUrl(text)
  if (typeof remote !== 'string') return remote
  throw new YoeError('USAGE', `${from}: ${shownAddress(text)} ${remote}`, {
    hint: 'such as s3://bucket/prefix?endpoint=https://minio.lan:9000, https://cache.lan/, file:///srv/cache or oci://ghcr.io/acme/cache',
  })
}

function shownAddress(text: string): string {
  return JSON.stringify(text.replace(/\/\/[^/]*@/, '//***@').replace(/[?#].*$/s, '?…'))
}

/** Opens shared caches; what each is made of is loaded when it is declared. Offline, only folders are. */
export async function openRemotes(
  remotes: readonly RemoteCache[],
  workspace: Asking,
  writing: Writing,
): Promise<readonly RemoteStore[]> {
  const usable = remotes.filter(({ kind }) => kind === 'dir' || !workspace.offline)
  let exchange: Promise<Exchange> | undefined
  const network = (): Promise<Exchange> => {
    exchange ??= openExchange(workspace)
    return exchange
  }
  return Promise.all(
    usable.map(async (remote) => {
      const store = await open(remote, workspace, network)
      return mayWrite(remote, store, writing) ? store : readOnly(store)
    }),
  )
}

/** Whether a run may write to a shared cache, and why it is so. */
export function writePolicy(
  remote: RemoteCache,
  { trusted, signs }: Pick<Writing, 'trusted' | 'signs'>,
): { readonly writes: boolean; readonly why: string } {
  if (remote.kind === 'http') return { writes: false, why: 'web servers are only read' }
  if (remote.push === 'never') return { writes: false, why: 'it says push = "never"' }
  if (!trusted) return { writes: false, why: 'anybody can start this run' }
  if (!signs) return { writes: false, why: 'this run has no cache key that others would believe' }
  return { writes: true, why: "this run has the project's cache key" }
}

function mayWrite(remote: RemoteCache, store: RemoteStore, writing: Writing): boolean {
  const { trusted, signs, report } = writing
  if (trusted && !signs && remote.kind !== 'http' && remote.push === 'always')
    report({
      type: 'warning',
      message: `nothing is sent to ${store}: without the project's cache key nobody would believe it`,
      hint: 'set YOE_CACHE_SIGNING_KEY to the key or its file, or write push = "auto"',
    })
  return writePolicy(remote, writing).writes
}

async function open(remote: RemoteCache, workspace: Asking, network: () => Promise<Exchange>): Promise<RemoteStore> {
  const { env, root, cacheRoot } = workspace
  const temp = (): string => join(cacheRoot, 'tmp', tempName())
  switch (remote.kind) {
    case 'dir': {
      const { DirectoryStore } = await import('#engine/store/remotes/dir.ts')
      return new DirectoryStore(resolve(root, remote.path))
    }
    case 's3': {
      const { BucketStore } = await import('#engine/store/remotes/s3.ts')
      const { bucket, prefix } = remote
      const requests = await requestsTo(await bucketAt(remote, env), await network(), env)
      const title = remote.name === bucket ? `s3://${bucket}` : `${remote.name} (s3://${bucket})`
      return new BucketStore({ requests, bucket, prefix, temp, title })
    }
    case 'http': {
      const { WebStore } = await import('#engine/store/remotes/http.ts')
      const { url, name } = remote
      return new WebStore({ url, exchange: await network(), env, temp, title: `${name} (${url})` })
    }
    case 'oci': {
      const [{ RepositoryStore }, { RepositoryRequests }] = await Promise.all([
        import('#engine/store/remotes/oci.ts'),
        import('#engine/store/remotes/oci-requests.ts'),
      ])
      const { image, name } = remote
      const requests = new RepositoryRequests({ image, exchange: await network(), env, push: remote.push !== 'never' })
      return new RepositoryStore({ requests, image, temp, title: name === image ? image : `${name} (${image})` })
    }
    default:
      return remote satisfies never
  }
}

async function openExchange(workspace: Asking): Promise<Exchange> {
  const { Exchange } = await import('#engine/source/exchange.ts')
  const rate = bandwidthOf(workspace)
  if (rate === undefined) return new Exchange()
  const { Pace } = await import('#engine/source/pace.ts')
  return new Exchange({ pace: { up: new Pace(rate), down: new Pace(rate) } })
}

/** Bytes a second in each direction; undefined: as fast as it goes. @throws {YoeError} USAGE */
function bandwidthOf({ env, local }: Pick<Workspace, 'env' | 'local'>): number | undefined {
  const text = env['YOE_CACHE_BANDWIDTH'] ?? ''
  if (text === '') return local.settings.cache_bandwidth
  const rate = sizeInBytes(text)
  if (rate !== undefined) return rate
  throw new YoeError(
    'USAGE',
    `YOE_CACHE_BANDWIDTH: ${JSON.stringify(text.slice(0, 40))} is no number of bytes a second`,
    {
      hint: 'such as: YOE_CACHE_BANDWIDTH=5M',
    },
  )
}
