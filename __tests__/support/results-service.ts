/**
 * A stand-in for GitHub's Actions results service that speaks its protocol to the unmodified @actions/cache and
 * @actions/artifact: cache service v2, artifacts v4, the blob store behind both, and the REST calls for caches.
 * It keeps what GitHub keeps: entries are immutable, scoped by the token's `ac` claim, and limited per minute.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs'
import { request as ask, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { blobCall, text } from './blob-service.ts'

const read = 1
const write = 2
const cacheService = '/twirp/github.actions.results.api.v1.CacheService/'
const artifactService = '/twirp/github.actions.results.api.v1.ArtifactService/'

export interface Scope {
  readonly Scope: string
  /** 1 read, 2 write, 3 both. */
  readonly Permission: number
}

export const mainScope: readonly Scope[] = [{ Scope: 'refs/heads/main', Permission: read | write }]

/** The runtime token of a job: unsigned, since the stand-in only reads its claims. */
export function runtimeToken({ run = 'run-1', job = 'job-1', scopes = mainScope } = {}): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const now = Math.floor(Date.now() / 1000)
  const claims = { nbf: now - 60, exp: now + 86_400, scp: `Actions.Results:${run}:${job}`, ac: JSON.stringify(scopes) }
  return `${part({ alg: 'none', typ: 'JWT' })}.${part(claims)}.x`
}

export interface CacheRow {
  readonly id: number
  readonly key: string
  readonly version: string
  readonly scope: string
  readonly blob: string
  ready: boolean
  size: number
  created: number
  used: number
}

export interface ArtifactRow {
  readonly id: number
  readonly run: string
  readonly job: string
  readonly name: string
  readonly mime: string
  readonly blob: string
  readonly created: string
  ready: boolean
  size: number
  hash: string | undefined
}

/** A reply in place of the stand-in's own: for faults. */
export interface Reply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
}

export interface ResultsService {
  readonly url: string
  readonly caches: CacheRow[]
  readonly artifacts: ArtifactRow[]
  /** `POST /twirp/.../CreateCacheEntry`, in order of arrival. */
  readonly requests: string[]
  /** Where a blob's bytes lie. */
  blobPath(blob: string): string
  /** Asked before every request is served. */
  intercept: ((what: string) => Reply | undefined) | undefined
  /** Who answers another call of the REST API: the address of its server. */
  elsewhere: ((path: string) => string | undefined) | undefined
  /** What a job's environment holds to reach it. */
  env(token?: string): Record<string, string>
  close(): Promise<void>
}

export interface ResultsServiceOptions {
  /** Empty folder for blobs. */
  readonly dir: string
  /** Per minute, as GitHub counts them for a repository. */
  readonly limits?: { readonly uploads?: number; readonly downloads?: number }
}

interface Caller {
  readonly run: string
  readonly job: string
  readonly scopes: readonly Scope[]
}

type Body = Readonly<Record<string, unknown>>

export async function startResultsService({ dir, limits = {} }: ResultsServiceOptions): Promise<ResultsService> {
  mkdirSync(dir, { recursive: true })
  const caches: CacheRow[] = []
  const artifacts: ArtifactRow[] = []
  const requests: string[] = []
  const uploads: number[] = []
  const downloads: number[] = []
  let count = 0

  const server = createServer((request, response) => {
    handle(request, response).catch((failure: unknown) => {
      response.statusCode = 500
      response.end(JSON.stringify({ msg: String(failure) }))
    })
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const url = `http://127.0.0.1:${address.port}`

  const blobPath = (blob: string): string => join(dir, blob.replaceAll(/[^\w.-]/g, '_'))
  const signed = (blob: string, op: 'r' | 'w'): string =>
    `${url}/devstoreaccount1/actions/${blob}?sig=${randomBytes(8).toString('hex')}&sp=${op}&se=2099-01-01`

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const at = new URL(request.url ?? '/', url)
    const comp = at.searchParams.get('comp')
    const what = `${request.method} ${at.pathname}${comp === null ? '' : `?comp=${comp}`}`
    requests.push(what)
    const instead = service.intercept?.(what)
    if (instead !== undefined) {
      request.resume()
      send(response, instead)
      return
    }
    if (at.pathname.startsWith(cacheService) || at.pathname.startsWith(artifactService)) {
      const caller = callerOf(request)
      if (caller === undefined) {
        send(response, twirp(401, 'unauthenticated', 'no token'))
        return
      }
      const body: Body = JSON.parse((await text(request)) || '{}')
      const verb = at.pathname.slice(at.pathname.lastIndexOf('/') + 1)
      send(response, (at.pathname.startsWith(cacheService) ? cacheCall : artifactCall)(verb, body, caller))
      return
    }
    if (at.pathname.startsWith('/devstoreaccount1/')) {
      const blob = at.pathname.split('/').slice(3).join('/')
      const artifact = artifacts.find((row) => row.blob === blob)
      return blobCall(request, response, at, blobPath(blob), artifact)
    }
    const other = service.elsewhere?.(at.pathname)
    if (other === undefined) send(response, restCall(request.method, at))
    else request.pipe(passOn(`${other}${request.url}`, request, response))
  }

  /** As GitHub looks up: scope by scope; within one the exact key, then each key as a prefix, newest first. */
  function find(key: string, restoreKeys: readonly string[], version: string, scopes: readonly Scope[]) {
    for (const { Scope: scope, Permission } of scopes) {
      if ((Permission & read) === 0) continue
      const here = caches
        .filter((row) => row.ready && row.version === version && row.scope === scope)
        .sort((a, b) => b.created - a.created || b.id - a.id)
      const exact = here.find((row) => row.key === key)
      const near = [key, ...restoreKeys].map((start) => here.find((row) => row.key.startsWith(start)))
      const hit = exact ?? near.find((row) => row !== undefined)
      if (hit !== undefined) return hit
    }
    return undefined
  }

  function cacheCall(verb: string, body: Body, caller: Caller): Reply {
    const scope = caller.scopes.find(({ Permission }) => (Permission & write) !== 0)?.Scope
    const key = string(body, 'key')
    const version = string(body, 'version')
    switch (verb) {
      case 'CreateCacheEntry': {
        if (overLimit(uploads, limits.uploads)) return tooMany()
        if (scope === undefined) return reply(200, { ok: false, message: 'cache write denied: read-only token' })
        if (caches.some((row) => row.key === key && row.version === version && row.scope === scope))
          return twirp(409, 'already_exists', 'cache entry with the same key, version, and scope already exists')
        const id = ++count
        const now = Date.now()
        const row: CacheRow = {
          id,
          key,
          version,
          scope,
          blob: `cache-${id}`,
          ready: false,
          size: 0,
          created: now,
          used: now,
        }
        caches.push(row)
        return reply(200, { ok: true, signed_upload_url: signed(row.blob, 'w') })
      }
      case 'FinalizeCacheEntryUpload': {
        const row = caches.find((r) => r.key === key && r.version === version && r.scope === scope && !r.ready)
        if (row === undefined || !existsSync(blobPath(row.blob)))
          return reply(200, { ok: false, message: 'no upload to finalize' })
        row.size = statSync(blobPath(row.blob)).size
        if (String(row.size) !== String(body['size_bytes']))
          return reply(200, { ok: false, message: `size ${row.size} is not ${body['size_bytes']}` })
        row.ready = true
        row.created = Date.now()
        return reply(200, { ok: true, entry_id: String(row.id) })
      }
      case 'GetCacheEntryDownloadURL': {
        if (overLimit(downloads, limits.downloads)) return tooMany()
        if (!caller.scopes.some(({ Permission }) => (Permission & read) !== 0))
          return twirp(403, 'permission_denied', 'cache read denied: the token has no readable scope')
        const restoreKeys = body['restore_keys']
        const row = find(key, Array.isArray(restoreKeys) ? restoreKeys.map(String) : [], version, caller.scopes)
        if (row === undefined) return reply(200, { ok: false })
        row.used = Date.now()
        return reply(200, { ok: true, signed_download_url: signed(row.blob, 'r'), matched_key: row.key })
      }
      default:
        return twirp(404, 'bad_route', verb)
    }
  }

  function artifactCall(verb: string, body: Body, caller: Caller): Reply {
    const run = string(body, 'workflow_run_backend_id')
    const name = string(body, 'name')
    const row = artifacts.find((a) => a.run === run && a.name === name)
    switch (verb) {
      case 'CreateArtifact': {
        if (row !== undefined)
          return twirp(409, 'already_exists', 'an artifact with this name already exists on the workflow run')
        const id = ++count
        const mime = typeof body['mime_type'] === 'string' ? body['mime_type'] : 'application/zip'
        const created = new Date().toISOString()
        const job = caller.job
        artifacts.push({
          id,
          run,
          job,
          name,
          mime,
          blob: `artifact-${id}`,
          created,
          ready: false,
          size: 0,
          hash: undefined,
        })
        return reply(200, { ok: true, signed_upload_url: signed(`artifact-${id}`, 'w') })
      }
      case 'FinalizeArtifact':
        if (row === undefined) return twirp(404, 'not_found', 'no artifact')
        row.ready = true
        row.size = Number(body['size'] ?? 0)
        row.hash = typeof body['hash'] === 'string' ? body['hash'] : undefined
        return reply(200, { ok: true, artifact_id: String(row.id) })
      case 'ListArtifacts': {
        const wantedName = body['name_filter']
        const wantedId = body['id_filter']
        const list = artifacts.filter(
          (a) =>
            a.ready &&
            a.run === run &&
            (wantedName === undefined || wantedName === null || a.name === wantedName) &&
            (wantedId === undefined || wantedId === null || String(a.id) === String(wantedId)),
        )
        return reply(200, {
          artifacts: list.map((a) => ({
            workflow_run_backend_id: a.run,
            workflow_job_run_backend_id: a.job,
            database_id: String(a.id),
            name: a.name,
            size: String(a.size),
            created_at: a.created,
            digest: a.hash,
          })),
        })
      }
      case 'GetSignedArtifactURL':
        if (row === undefined) return twirp(404, 'not_found', 'no artifact')
        return reply(200, { signed_url: signed(row.blob, 'r') })
      case 'DeleteArtifact':
        if (row === undefined) return twirp(404, 'not_found', 'no artifact')
        artifacts.splice(artifacts.indexOf(row), 1)
        return reply(200, { ok: true, artifact_id: String(row.id) })
      default:
        return twirp(404, 'bad_route', verb)
    }
  }

  /** GET and DELETE /repos/{owner}/{repo}/actions/caches[/{id}]. */
  function restCall(method: string | undefined, at: URL): Reply {
    const [, repos, , , actions, what, id] = at.pathname.replace(/^\/api\/v3/, '').split('/')
    if (repos !== 'repos' || actions !== 'actions' || what !== 'caches') return reply(404, { message: 'Not Found' })
    if (method === 'DELETE') {
      const row = caches.find((r) => String(r.id) === id)
      if (row === undefined) return reply(404, { message: 'Not Found' })
      caches.splice(caches.indexOf(row), 1)
      rmSync(blobPath(row.blob), { force: true })
      return { status: 204 }
    }
    const start = at.searchParams.get('key') ?? ''
    const rows = caches.filter((r) => r.ready && r.key.startsWith(start)).sort((a, b) => b.used - a.used)
    const size = Math.min(100, Number(at.searchParams.get('per_page') ?? 30))
    const page = Number(at.searchParams.get('page') ?? 1)
    return reply(200, {
      total_count: rows.length,
      actions_caches: rows.slice((page - 1) * size, page * size).map((r) => ({
        id: r.id,
        ref: r.scope,
        key: r.key,
        version: r.version,
        size_in_bytes: r.size,
        created_at: new Date(r.created).toISOString(),
        last_accessed_at: new Date(r.used).toISOString(),
      })),
    })
  }

  const service: ResultsService = {
    url,
    caches,
    artifacts,
    requests,
    blobPath,
    intercept: undefined,
    elsewhere: undefined,
    env: (token = runtimeToken()) => ({
      ACTIONS_RESULTS_URL: `${url}/`,
      ACTIONS_CACHE_SERVICE_V2: 'true',
      ACTIONS_RUNTIME_TOKEN: token,
      GITHUB_SERVER_URL: 'https://github.com',
      GITHUB_API_URL: url,
    }),
    close: () =>
      new Promise((done) => {
        server.closeAllConnections()
        server.close(() => done())
      }),
  }
  return service
}

function passOn(url: string, { method, headers }: IncomingMessage, response: ServerResponse) {
  const onward = ask(url, { method, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(response)
  })
  return onward.on('error', () => response.destroy())
}

function callerOf(request: IncomingMessage): Caller | undefined {
  const [, claims] = (request.headers.authorization ?? '').replace(/^Bearer /, '').split('.')
  if (claims === undefined) return undefined
  const { scp, ac }: { scp: string; ac: string } = JSON.parse(Buffer.from(claims, 'base64url').toString())
  const [, run = '', job = ''] = /Actions\.Results:([^: ]+):([^: ]+)/.exec(scp) ?? []
  return { run, job, scopes: JSON.parse(ac) }
}

/** Counts one more; whether there were too many within the last minute already. */
function overLimit(times: number[], limit: number | undefined): boolean {
  const now = Date.now()
  while (times[0] !== undefined && times[0] < now - 60_000) times.shift()
  if (limit !== undefined && times.length >= limit) return true
  times.push(now)
  return false
}

function string(body: Body, name: string): string {
  const value = body[name]
  return typeof value === 'string' ? value : ''
}

const reply = (status: number, body: unknown): Reply => ({ status, body })

const twirp = (status: number, code: string, msg: string): Reply => ({ status, body: { code, msg } })

const tooMany = (): Reply => ({
  status: 429,
  headers: { 'retry-after': '30' },
  body: { code: 'resource_exhausted', msg: 'rate limit' },
})

function send(response: ServerResponse, { status, headers, body }: Reply): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(status === 204 ? undefined : JSON.stringify(body ?? {}))
}
