/** A stand-in for S3 that misbehaves as told; it keeps objects in memory, whole ones only. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import { served } from '../../../support/local-server.ts'

export interface HostileBucket {
  readonly endpoint: string
  readonly objects: Map<string, Buffer>
  /** `PUT /bucket/key?query` of every request. */
  readonly asked: string[]
  /** Uploads in parts that are open: id to key. */
  readonly uploads: Map<string, string>
}

/** @returns true when it has dealt with the request itself */
export type Misbehaviour = (request: IncomingMessage, answer: ServerResponse, body: () => Promise<Buffer>) => boolean

export function problem(answer: ServerResponse, status: number, code: string, more = ''): true {
  const text = `<Error><Code>${code}</Code><Message>${code} for AKIATEST</Message>${more}</Error>`
  answer.writeHead(status, { 'content-length': text.length }).end(text)
  return true
}

export async function hostileBucket(t: TestContext, misbehave: Misbehaviour): Promise<HostileBucket> {
  const objects = new Map<string, Buffer>()
  const uploads = new Map<string, string>()
  const parts = new Map<string, Buffer>()
  const asked: string[] = []
  const server = createServer((request, answer) => {
    const url = new URL(request.url ?? '', 'http://x')
    asked.push(`${request.method} ${request.url}`)
    const collected = collect(request)
    collected.catch(() => {})
    if (misbehave(request, answer, () => collected)) return
    void collected.then((body) => serve(request.method ?? '', url, body, answer)).catch(() => {})
  })
  const serve = (method: string, url: URL, body: Buffer, answer: ServerResponse): void => {
    const key = url.pathname.split('/').slice(2).join('/')
    const id = url.searchParams.get('uploadId') ?? ''
    const there = objects.get(key)
    if (key === '' && url.searchParams.has('uploads')) {
      const listed = [...uploads].map(([upload, at]) => {
        const age = upload.startsWith('old') ? 3 * 24 * 3600 * 1000 : 0
        const since = new Date(Date.now() - age).toISOString()
        return `<Upload><Key>${at}</Key><UploadId>${upload}</UploadId><Initiated>${since}</Initiated></Upload>`
      })
      answer.end(`<ListMultipartUploadsResult>${listed.join('')}</ListMultipartUploadsResult>`)
    } else if (key === '') {
      const keys = [...objects.keys()].map((name) => `<Contents><Key>${name}</Key></Contents>`)
      answer.end(`<ListBucketResult><IsTruncated>false</IsTruncated>${keys.join('')}</ListBucketResult>`)
    } else if (method === 'POST' && url.searchParams.has('uploads')) {
      uploads.set('new-1', key)
      answer.end('<InitiateMultipartUploadResult><UploadId>new-1</UploadId></InitiateMultipartUploadResult>')
    } else if (method === 'PUT' && id !== '') {
      parts.set(url.searchParams.get('partNumber') ?? '', body)
      answer.writeHead(200, { etag: '"part"' }).end()
    } else if (method === 'POST' && id !== '') {
      const numbers = [...parts.keys()].sort((a, b) => Number(a) - Number(b))
      objects.set(key, Buffer.concat(numbers.map((number) => parts.get(number) ?? Buffer.alloc(0))))
      uploads.delete(id)
      answer.end('<CompleteMultipartUploadResult></CompleteMultipartUploadResult>')
    } else if (method === 'DELETE' && id !== '') {
      uploads.delete(id)
      answer.writeHead(204).end()
    } else if (method === 'PUT') {
      objects.set(key, body)
      answer.writeHead(200, { etag: '"x"' }).end()
    } else if (there === undefined) problem(answer, 404, 'NoSuchKey')
    else
      answer.writeHead(200, { 'content-length': there.length, etag: '"x"' }).end(method === 'HEAD' ? undefined : there)
  }
  const endpoint = await served(t, server)
  return { endpoint, objects, asked, uploads }
}

/** @throws when it broke off */
async function collect(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const body = Buffer.concat(chunks)
  if (!request.complete) throw new Error('broken off')
  return body
}
