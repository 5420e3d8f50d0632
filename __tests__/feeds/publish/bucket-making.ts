/** Feeds in a bucket of versitygw, whose objects are files that a reader sees as they are. */
import { mkdirSync, mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { silent } from '#engine/events.ts'
import type { SigningKey } from '#engine/formats.ts'
import { Exchange } from '#engine/source/exchange.ts'
import { credentialChain } from '#engine/store/remotes/aws-credentials.ts'
import { BucketRequests } from '#engine/store/remotes/s3-requests.ts'
import { publishRepository } from '../../../src/feeds/debian/repository.ts'
import { type BucketPublish, publishBucket } from '../../../src/feeds/publish/bucket.ts'
import { BucketFiles } from '../../../src/feeds/publish/bucket-files.ts'
import type { TestBucket } from '../../support/s3.ts'
import { debOf, now, publishInput, suite } from '../debian/feed-making.ts'

export const prefix = 'team/feed'

type Place = Pick<TestBucket, 'endpoint' | 'bucket' | 'region' | 'env'>

export function filesOf(folder: string, place: Place, kind: typeof BucketFiles = BucketFiles): BucketFiles {
  const temp = join(folder, 'sending')
  mkdirSync(temp, { recursive: true })
  // Patience is not what is tested.
  const exchange = new Exchange({ limits: { backoff: 5, retries: 2 } })
  const requests = new BucketRequests(place, exchange, credentialChain(place.env))
  return new kind({ requests, place: `s3://${place.bucket}/${prefix}`, prefix, temp })
}

/** Publishes one small package. */
export async function publishOne(
  folder: string,
  files: BucketFiles,
  signingKey: SigningKey,
  unit: Parameters<typeof debOf>[1],
  fields: Partial<BucketPublish> = {},
): Promise<{ readonly packages: number }> {
  const source = mkdtempSync(join(folder, 'repo-'))
  await publishRepository(publishInput(source, signingKey, [await debOf(folder, unit)]))
  const input = { source, files, project: 'demo', suite, signingKey, date: now, report: silent, ...fields }
  return publishBucket(input)
}
