import { randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream, existsSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'

/** As what browsers take a blob. */
export interface Download {
  readonly name: string
  readonly mime: string
}

/**
 * What the Azure storage clients need: whole puts, blocks and their list, ranged gets.
 *
 * @param at what is asked for, with what its signature allows
 * @param file absolute path of what the blob holds, or is to hold
 */
export async function blobCall(
  request: IncomingMessage,
  response: ServerResponse,
  at: URL,
  file: string,
  download: Download | undefined,
): Promise<void> {
  const headers = {
    'x-ms-request-id': randomUUID(),
    'x-ms-version': String(request.headers['x-ms-version'] ?? '2026-04-06'),
    'last-modified': new Date().toUTCString(),
    etag: `"0x${Date.now().toString(16)}"`,
  }
  const part = (id: string): string => `${file}.part.${Buffer.from(id).toString('hex')}`
  if (request.method === 'PUT') {
    if (at.searchParams.get('sp') !== 'w') {
      response.writeHead(403, headers).end()
      return
    }
    const comp = at.searchParams.get('comp')
    if (comp === 'block') await pipeline(request, createWriteStream(part(at.searchParams.get('blockid') ?? '')))
    else if (comp === 'blocklist') {
      const ids = (await text(request)).matchAll(/<(?:Latest|Uncommitted|Committed)>([^<]+)</g)
      writeFileSync(file, '')
      for (const [, id = ''] of ids) {
        await pipeline(createReadStream(part(id)), createWriteStream(file, { flags: 'a' }))
        rmSync(part(id))
      }
    } else await pipeline(request, createWriteStream(file))
    response.writeHead(201, { ...headers, 'x-ms-request-server-encrypted': 'true', 'content-length': 0 }).end()
    return
  }
  if (!existsSync(file)) {
    response.writeHead(404, { ...headers, 'x-ms-error-code': 'BlobNotFound' }).end()
    return
  }
  const { size } = statSync(file)
  const [, from, to] =
    /^bytes=(\d+)-(\d*)$/.exec(String(request.headers['x-ms-range'] ?? request.headers.range ?? '')) ?? []
  const start = Number(from ?? 0)
  const end = to === undefined || to === '' ? size - 1 : Math.min(Number(to), size - 1)
  const ending = download?.mime === 'application/zip' ? '.zip' : ''
  response.writeHead(from === undefined ? 200 : 206, {
    ...headers,
    'content-type': download?.mime ?? 'application/octet-stream',
    'accept-ranges': 'bytes',
    'x-ms-blob-type': 'BlockBlob',
    'content-length': end - start + 1,
    ...(from === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${size}` }),
    ...(download === undefined ? {} : { 'content-disposition': `attachment; filename="${download.name}${ending}"` }),
  })
  if (request.method === 'HEAD' || size === 0) response.end()
  else await pipeline(createReadStream(file, { start, end }), response)
}

/** All that a client sends. */
export async function text(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}
