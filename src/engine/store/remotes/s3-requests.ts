import { YoeError } from '../../errors.ts'
import type { Exchange, ExchangeAnswer, ExchangeRequest, FilePart, RequestHeaders } from '../../source/exchange.ts'
import type { Credentials, FindCredentials } from './aws-credentials.ts'

/** Where a bucket is. */
export interface Bucket {
  readonly bucket: string
  /** With its scheme, without a slash at the end; undefined: AWS. */
  readonly endpoint?: string | undefined
  readonly region: string
  /** Undefined: with an endpoint, and where the name fits no certificate. */
  readonly pathStyle?: boolean | undefined
}

export interface BucketRequest extends Omit<ExchangeRequest, 'url' | 'body' | 'headers'> {
  /** '' for the bucket itself. */
  readonly key: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: RequestHeaders
  readonly body?: string | (FilePart & { readonly sha256: string })
}

/** Clocks may differ by 15 minutes; from here on ours is taken for wrong. */
const skewMs = 4 * 60_000
const sha256OfNothing = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

/** Signed requests to one bucket. @see AWS Signature Version 4 */
export class BucketRequests {
  readonly #bucket: Bucket
  readonly #exchange: Exchange
  readonly #credentials: FindCredentials
  readonly #base: URL
  /** How far this machine's clock is behind the server's, in milliseconds. */
  #behind = 0

  constructor(bucket: Bucket, exchange: Exchange, credentials: FindCredentials) {
    this.#bucket = bucket
    this.#exchange = exchange
    this.#credentials = credentials
    this.#base = baseOf(bucket)
  }

  /**
   * The answer, whatever its status.
   * @throws {YoeError} FETCH_FAILED when there is none
   */
  async ask(request: BucketRequest): Promise<ExchangeAnswer> {
    const answer = await this.#signed(request)
    if (answer.status !== 403 && answer.status !== 400) return answer
    const theirs = Date.parse(answer.headers['date'] ?? '')
    const behind = theirs - Date.now()
    if (!Number.isFinite(behind) || Math.abs(behind - this.#behind) < skewMs) return answer
    this.#behind = behind
    return this.#signed(request)
  }

  async #signed(request: BucketRequest): Promise<ExchangeAnswer> {
    const { key, query = {}, body, headers = {}, ...rest } = request
    // A plus that is written as it is reads as a space to who checks the signature.
    const url = new URL(key.split('/').map(encodeURIComponent).join('/'), this.#base)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    const wanted = { ...headers, 'x-amz-content-sha256': await hashOf(body) }
    // Signatures last some minutes: what is tried again after a long time gets another one.
    const signed = async (): Promise<RequestHeaders> => {
      const credentials = await this.#credentials()
      return credentials === undefined ? headers : this.#sign(request.method, url, wanted, credentials)
    }
    return this.#exchange.ask({ ...rest, url: url.href, headers: signed, ...(body === undefined ? {} : { body }) })
  }

  async #sign(
    method: string,
    url: URL,
    headers: Readonly<Record<string, string>>,
    { accessKeyId, secretAccessKey, sessionToken }: Credentials,
  ): Promise<Readonly<Record<string, string>>> {
    const { AwsV4Signer } = await import('aws4fetch')
    const datetime = new Date(Date.now() + this.#behind).toISOString().replace(/[:-]|\.\d{3}/g, '')
    const signer = new AwsV4Signer({
      ...{ method, url: url.href, headers, datetime, service: 's3', region: this.#bucket.region },
      ...{ accessKeyId, secretAccessKey },
      ...(sessionToken === undefined ? {} : { sessionToken }),
    })
    const signed = await signer.sign()
    return Object.fromEntries([...signed.headers].filter(([name]) => name !== 'host'))
  }
}

/** The condition of a request that writes. */
export function onlyNew(replace: boolean): Readonly<Record<string, string>> {
  return replace ? {} : { 'if-none-match': '*' }
}

async function hashOf(body: BucketRequest['body']): Promise<string> {
  if (body === undefined) return sha256OfNothing
  if (typeof body !== 'string') return body.sha256
  const { createHash } = await import('node:crypto')
  return createHash('sha256').update(body).digest('hex')
}

/** The address of a bucket, with a slash at its end. */
export function baseOf({ bucket, endpoint, region, pathStyle }: Bucket): URL {
  const home = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'
  const url = new URL(`${endpoint ?? `https://s3.${region}.${home}`}/`)
  // A certificate for *.s3.… does not hold for names with dots.
  if (pathStyle ?? (endpoint !== undefined || !/^[a-z0-9-]+$/.test(bucket))) return new URL(`${bucket}/`, url)
  url.hostname = `${bucket}.${url.hostname}`
  return url
}

/** What people do about what a server says. @see Amazon S3 API, Error responses */
const hints: Readonly<Record<string, string>> = {
  AccessDenied: 'these credentials may not: reading needs s3:GetObject and s3:ListBucket, writing s3:PutObject',
  ExpiredToken: 'the session has expired: renew it (aws sso login), or export fresh AWS_… variables',
  InvalidAccessKeyId: 'the service does not know these credentials: check AWS_ACCESS_KEY_ID',
  NoSuchBucket: 'there is no such bucket: check bucket = in PROJECT.star',
  RequestTimeTooSkewed: "this machine's clock is wrong: sudo timedatectl set-ntp true",
  SignatureDoesNotMatch: 'the secret does not fit: check AWS_SECRET_ACCESS_KEY',
}

/** What an answer that is none means. Says nothing that the server repeats of the request: keys are in there. */
export function refusal({ status, headers, text }: ExchangeAnswer, what: string): YoeError {
  const code = /<Code>([A-Za-z0-9.]{1,60})<\/Code>/.exec(text)?.[1]
  const region = headers['x-amz-bucket-region'] ?? /<Region>([a-z0-9-]{1,60})<\/Region>/.exec(text)?.[1]
  const elsewhere = region !== undefined && /^[a-z0-9-]+$/.test(region) && [301, 307, 400].includes(status)
  const hint = elsewhere ? `the bucket is in another region: region = "${region}"` : hints[code ?? defaultCode(status)]
  return new YoeError('FETCH_FAILED', `could not ${what}: HTTP ${status}${code === undefined ? '' : ` (${code})`}`, {
    hint,
  })
}

/** Answers to HEAD have no body. */
function defaultCode(status: number): string {
  return status === 403 ? 'AccessDenied' : ''
}
