import type { Exchange } from '#engine/source/exchange.ts'
import type { RemoteCache } from '#engine/store/remotes/declaration.ts'
import type { Bucket, BucketRequests } from '#engine/store/remotes/s3-requests.ts'

type Environment = Readonly<Record<string, string | undefined>>
type BucketPlace = Omit<Extract<RemoteCache, { kind: 's3' }>, 'kind' | 'name' | 'push'>

/** Where a bucket is; what its address leaves open comes from the variables and files of AWS's own tools. */
export async function bucketAt({ bucket, pathStyle, ...said }: BucketPlace, env: Environment): Promise<Bucket> {
  const first = (...names: readonly string[]): string | undefined => names.map((name) => env[name]).find(Boolean)
  const { profileOf } = await import('#engine/store/remotes/aws-credentials.ts')
  const region =
    said.region ?? first('AWS_REGION', 'AWS_DEFAULT_REGION') ?? (await profileOf(env)).get('region') ?? 'us-east-1'
  const endpoint = (said.endpoint ?? first('AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'))?.replace(/\/+$/, '')
  return { bucket, region, endpoint, pathStyle }
}

/** Requests to a bucket, with the credentials that AWS's own tools would use. */
export async function requestsTo(place: Bucket, exchange: Exchange, env: Environment): Promise<BucketRequests> {
  const [{ BucketRequests }, { credentialChain }] = await Promise.all([
    import('#engine/store/remotes/s3-requests.ts'),
    import('#engine/store/remotes/aws-credentials.ts'),
  ])
  return new BucketRequests(place, exchange, credentialChain(env))
}
