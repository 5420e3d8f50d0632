import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { Event } from '#engine/events.ts'
import { createFetcher } from '#engine/source/download.ts'
import type { Fetched, FetchRequest } from '#engine/source/fetcher.ts'
import type { FetchLimits } from '#engine/source/limits.ts'
import { type Mirrors, noMirrors } from '#engine/source/mirrors.ts'
import { body, head, type Script } from './hostile-server.ts'

export const content = 'the right content, all of it '.repeat(100)
export const sha256 = createHash('sha256').update(content).digest('hex')
export const size = content.length

/** Thousandths of the product's. */
export const quick: FetchLimits = {
  connect: 150,
  header: 150,
  stall: 150,
  slowWindow: 300,
  slowBytes: 100,
  redirects: 10,
  retries: 3,
  backoff: 5,
  longestPause: 200,
  maxSize: 2 ** 20,
  parallel: 8,
}

interface Outcome {
  readonly result: Fetched | YoeError
  readonly text: string
  readonly events: readonly Event[]
  /** What lies at the destination; undefined when nothing does. */
  readonly there: string | undefined
}

/** Runs one fetch into a folder of its own and checks what must hold after every one of them. */
export async function fetchIt(
  request: Partial<FetchRequest> & { urls: readonly string[] },
  options: { mirrors?: Mirrors; offline?: boolean; limits?: Partial<FetchLimits> } = {},
): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'yoe-fetch-'))
  const dest = join(folder, 'deep', 'file')
  const events: Event[] = []
  const fetcher = createFetcher({
    mirrors: noMirrors,
    offline: false,
    ...options,
    limits: { ...quick, ...options.limits },
  })
  try {
    const result = await fetcher
      .fetch({ title: 'thing', report: (event) => events.push(event), dest, ...request })
      .catch((failure: unknown) => {
        if (failure instanceof YoeError) return failure
        throw failure
      })
    const there = existsSync(dest) ? readFileSync(dest, 'latin1') : undefined
    assert.equal(there !== undefined, !(result instanceof YoeError), 'a file is there if and only if it was fetched')
    assert.deepEqual(readdirSync(join(folder, 'deep')), there === undefined ? [] : ['file'], 'nothing else is left')
    const text = result instanceof YoeError ? result.message : `${result.sha256} ${result.size}`
    return { result, text, events, there }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export const broken =
  (at: number, headers: Record<string, string> = {}, bytes = content.slice(0, at)): Script =>
  (socket) => {
    socket.end(Buffer.concat([head(200, { 'Content-Length': `${size}`, ...headers }), Buffer.from(bytes)]))
  }

/** Honours Range like a good server. */
export const ranged =
  (tag?: string): Script =>
  (socket, { headers }) => {
    const from = Number(/bytes=(\d+)-/.exec(headers['range'] ?? '')?.[1] ?? 0)
    const etag: Record<string, string> = tag === undefined ? {} : { ETag: tag }
    if (from === 0 || (headers['if-range'] !== undefined && headers['if-range'] !== tag)) {
      body(content, etag)(socket, { path: '', headers, times: 1 })
      return
    }
    const range = { 'Content-Length': `${size - from}`, 'Content-Range': `bytes ${from}-${size - 1}/${size}`, ...etag }
    socket.write(Buffer.concat([head(206, range), Buffer.from(content.slice(from))]))
  }
