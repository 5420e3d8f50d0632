import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { RemoteCache } from '#engine/store/remotes/declaration.ts'
import { parseRemoteUrl } from '#engine/store/remotes/declaration.ts'
import { baseOf } from '#engine/store/remotes/s3-requests.ts'
import type { Publisher } from '#feeds/publish/publisher.ts'
import type { FeedPublish } from '#feeds/publish/source.ts'
import { bucketAt, requestsTo } from './buckets.ts'
import type { Workspace } from './workspace.ts'

/** Where a feed is published to. */
export type FeedTarget =
  | {
      readonly kind: 'directory'
      /** Absolute folder that some web server serves, or will. */
      readonly path: string
    }
  | {
      readonly kind: 'bucket'
      readonly place: Omit<Extract<RemoteCache, { kind: 's3' }>, 'push'>
      /** As people know it, without its options. */
      readonly title: string
    }

/**
 * What `--to` names: `s3://bucket/prefix?endpoint=…&region=…`, or a folder.
 *
 * @param cwd what a relative folder is relative to
 * @throws {YoeError} USAGE
 */
export function feedTarget(text: string, cwd: string): FeedTarget {
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(text)?.[1]?.toLowerCase()
  if (scheme === undefined) return { kind: 'directory', path: resolve(cwd, text) }
  const hint = 'such as s3://bucket/prefix?endpoint=https://minio.lan:9000&region=eu-central-1, or a folder'
  // Not the text itself: who writes a secret where it does not belong finds it in no log.
  const shown = JSON.stringify(text.replace(/\/\/[^/]*@/, '//***@').replace(/[?#].*$/s, '?…'))
  if (scheme !== 's3')
    throw new YoeError('USAGE', `--to: nothing can be published to ${shown}: it is no folder and no bucket`, { hint })
  const parsed = parseRemoteUrl(text)
  const wrong =
    typeof parsed === 'string'
      ? parsed
      : /[?&]push=/.test(text)
        ? 'says "push", which a feed does not take'
        : parsed.kind === 's3'
          ? undefined
          : 'is no bucket'
  if (typeof parsed === 'string' || parsed.kind !== 's3' || wrong !== undefined)
    throw new YoeError('USAGE', `--to: ${shown} ${wrong}`, { hint })
  const { push: _, ...place } = parsed
  return { kind: 'bucket', place, title: `s3://${place.bucket}${place.prefix === '' ? '' : `/${place.prefix}`}` }
}

/** As people know a target. */
export function targetTitle(target: FeedTarget): string {
  return target.kind === 'directory' ? target.path : target.title
}

/**
 * Publishes to wherever a target is.
 *
 * @returns how many packages are on offer, and the address where devices find them, when it is known
 * @throws {YoeError} PUBLISH_FAILED; DISK_FULL, PERMISSION, TOOL_MISSING of a folder
 */
export async function publishTo(
  target: FeedTarget,
  publisher: Pick<Publisher, 'publishDirectory' | 'publishBucket'>,
  feed: FeedPublish,
  { env, offline }: Pick<Workspace, 'env' | 'offline'>,
): Promise<{ readonly packages: number; readonly url: string | undefined }> {
  if (target.kind === 'directory') {
    return { ...(await publisher.publishDirectory({ ...feed, target: target.path })), url: feed.url }
  }
  const { place, title } = target
  if (offline)
    throw new YoeError('PUBLISH_FAILED', `${title} can't be reached offline`, { hint: 'leave out --offline' })
  const [{ BucketFiles }, { Exchange }] = await Promise.all([
    import('#feeds/publish/bucket-files.ts'),
    import('#engine/source/exchange.ts'),
  ])
  const bucket = await bucketAt(place, env)
  const requests = await requestsTo(bucket, new Exchange(), env)
  const url = feed.url ?? `${baseOf(bucket).href}${place.prefix}`.replace(/\/+$/, '')
  const temp = await mkdtemp(join(tmpdir(), 'yoe-publish-'))
  try {
    const files = new BucketFiles({ requests, place: title, prefix: place.prefix, temp })
    return { ...(await publisher.publishBucket({ ...feed, files, url })), url }
  } finally {
    await rm(temp, { recursive: true, force: true })
  }
}
