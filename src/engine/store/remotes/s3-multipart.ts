import { inParallel } from '../../in-parallel.ts'
import type { Transfer } from '../remote.ts'
import { sha256Of } from './file-digest.ts'
import { type BucketRequests, onlyNew, refusal } from './s3-requests.ts'

/** A service keeps at most 10,000 parts. */
const mostParts = 9_000
const smallestPart = 16 * 2 ** 20
const partsAtOnce = 4
/** Milliseconds after which an upload that nobody finished belongs to nobody. */
const abandonedAfter = 24 * 3600 * 1000

interface Part {
  readonly path: string
  readonly size: number
  /** Whether it may take the place of another. */
  readonly replace: boolean
}

/**
 * Sends a large file, visible when the last request has succeeded; what fails on the way is taken back.
 * @throws {YoeError} FETCH_FAILED
 */
export async function uploadParts(
  requests: BucketRequests,
  key: string,
  { path, size, replace, progress, signal }: Transfer & Part,
): Promise<'saved' | 'exists'> {
  const begun = await requests.ask({ method: 'POST', key, query: { uploads: '' } })
  const uploadId = /<UploadId>([^<]{1,2000})<\/UploadId>/.exec(begun.text)?.[1]
  if (begun.status !== 200 || uploadId === undefined) throw refusal(begun, `begin to write ${key}`)
  const partSize = Math.max(smallestPart, Math.ceil(size / mostParts))
  const sent: number[] = []
  try {
    const numbers = Array.from({ length: Math.ceil(size / partSize) }, (_, index) => index + 1)
    const tags = await inParallel(partsAtOnce, numbers, async (number) => {
      const start = (number - 1) * partSize
      const length = Math.min(partSize, size - start)
      const answer = await requests.ask({
        ...{ method: 'PUT', key, query: { partNumber: `${number}`, uploadId } },
        body: { path, start, size: length, sha256: await sha256Of(path, { start, end: start + length - 1 }) },
        progress: (done) => {
          sent[number] = done
          progress?.(
            sent.reduce((sum, bytes) => sum + bytes, 0),
            size,
          )
        },
        signal,
      })
      const { etag } = answer.headers
      if (answer.status !== 200 || etag === undefined || !/^"?[\w.-]{1,200}"?$/.test(etag))
        throw refusal(answer, `write part ${number} of ${key}`)
      return `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag></Part>`
    })
    const body = `<CompleteMultipartUpload>${tags.join('')}</CompleteMultipartUpload>`
    const headers = onlyNew(replace)
    const done = await requests.ask({ method: 'POST', key, query: { uploadId }, body, headers })
    if (done.status === 412 || done.status === 409) {
      await abort(requests, key, uploadId)
      return 'exists'
    }
    // A service that needs long for it answers 200 before it knows.
    if (done.status !== 200 || !/<CompleteMultipartUploadResult\b/.test(done.text)) throw refusal(done, `write ${key}`)
    return 'saved'
  } catch (failure) {
    await abort(requests, key, uploadId).catch(() => {})
    throw failure
  }
}

/** What machines that died in the middle of an upload left: it costs its owner money. Whether it works out is nobody's matter. */
export async function abortAbandoned(requests: BucketRequests, prefix: string): Promise<void> {
  const answer = await requests.ask({ method: 'GET', key: '', query: { uploads: '', prefix } })
  const now = Date.parse(answer.headers['date'] ?? '') || Date.now()
  for (const [, upload = ''] of answer.text.matchAll(/<Upload>(.*?)<\/Upload>/gs)) {
    const field = (name: string): string => new RegExp(`<${name}>([^<]{1,2000})</${name}>`).exec(upload)?.[1] ?? ''
    const key = field('Key')
    if (!key.startsWith(prefix) || !/^[\w./-]+$/.test(key)) continue
    if (now - Date.parse(field('Initiated')) > abandonedAfter) await abort(requests, key, field('UploadId'))
  }
}

async function abort(requests: BucketRequests, key: string, uploadId: string): Promise<void> {
  await requests.ask({ method: 'DELETE', key, query: { uploadId } })
}
