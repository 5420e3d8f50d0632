/**
 * A stand-in for GitHub Pages: the calls by which a job deploys, its identity, and the site itself, which is what the
 * last deployment's artifact holds. The archive is unpacked by tar.
 */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join, normalize } from 'node:path'
import type { Reply, ResultsService } from './results-service.ts'

export interface PagesService {
  readonly url: string
  /** What the site serves now. */
  readonly site: string
  /** As GitHub describes the repository's Pages; undefined: not enabled. */
  settings: { readonly build_type: string; readonly public: boolean } | undefined
  /** What a deployment is in, one after the other; the last one stays. */
  statuses: string[]
  /** The versions that were deployed. */
  readonly deployed: string[]
  readonly cancelled: string[]
  readonly requests: string[]
  /** Asked before a request is served. */
  intercept: ((what: string) => Reply | undefined) | undefined
  /** What a job's environment holds to prove who it is. */
  readonly env: Readonly<Record<string, string>>
  close(): Promise<void>
}

const identity = 'an.identity.token'

/** @param dir empty folder */
export async function startPages(dir: string, results: ResultsService): Promise<PagesService> {
  const site = join(dir, 'site')
  mkdirSync(site, { recursive: true })
  const server = createServer((request, response) => {
    handle(request, response).catch((failure: unknown) => {
      response.statusCode = 500
      response.end(JSON.stringify({ message: String(failure) }))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const url = `http://127.0.0.1:${address.port}`
  let asked = 0
  let waiting: { readonly artifact: number; readonly version: string } | undefined

  const pages: PagesService = {
    ...{ url, site, deployed: [], cancelled: [], requests: [], intercept: undefined },
    settings: { build_type: 'workflow', public: true },
    statuses: ['deployment_in_progress', 'syncing_files', 'succeed'],
    env: { ACTIONS_ID_TOKEN_REQUEST_URL: `${url}/identity?x=1`, ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'job' },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const at = new URL(request.url ?? '/', url)
    const what = `${request.method} ${at.pathname}`
    pages.requests.push(what)
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(Buffer.from(chunk))
    const reply = pages.intercept?.(what) ?? answer(what, Buffer.concat(chunks).toString(), request)
    if (reply !== undefined) {
      response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers })
      response.end(reply.body === undefined ? '' : JSON.stringify(reply.body))
    } else serve(at.pathname, request, response)
  }

  function answer(what: string, body: string, { headers }: IncomingMessage): Reply | undefined {
    if (what === 'GET /identity') return { status: 200, body: { value: identity } }
    const [, method, rest] = /^(\w+) \/repos\/octo\/widgets\/pages(.*)$/.exec(what) ?? []
    if (rest === undefined) return undefined
    if (headers.authorization === undefined) return { status: 401, body: { message: 'Requires authentication' } }
    if (pages.settings === undefined) return { status: 404, body: { message: 'Not Found' } }
    if (rest === '') return { status: 200, body: { ...pages.settings, html_url: `${url}/widgets/` } }
    if (method === 'POST' && rest === '/deployments') return create(JSON.parse(body))
    const [, id = '', cancel] = /^\/deployments\/([^/]+)(\/cancel)?$/.exec(rest) ?? []
    if (cancel !== undefined) {
      pages.cancelled.push(id)
      return { status: 204 }
    }
    const status = pages.statuses[Math.min(asked++, pages.statuses.length - 1)] ?? ''
    if (status === 'succeed') put()
    return { status: 200, body: { status } }
  }

  function create(asking: Readonly<Record<string, unknown>>): Reply {
    const { artifact_id: artifact, pages_build_version: version, oidc_token: token } = asking
    if (token !== identity) return { status: 400, body: { message: 'Invalid OIDC token' } }
    if (typeof artifact !== 'number' || typeof version !== 'string')
      return { status: 422, body: { message: 'artifact_id' } }
    asked = 0
    waiting = { artifact, version }
    const body = { id: version, status_url: `${url}/status`, page_url: `${url}/widgets/` }
    return { status: 200, body }
  }

  /** Replaces all of the site. */
  function put(): void {
    const row = results.artifacts.find(({ id, name }) => id === waiting?.artifact && name === 'github-pages')
    if (row === undefined || waiting === undefined) throw new Error('no such artifact')
    const archive = join(dir, 'artifact.tar')
    execFileSync('unzip', ['-qo', results.blobPath(row.blob), '-d', dir])
    rmSync(site, { recursive: true, force: true })
    mkdirSync(site)
    execFileSync('tar', ['-xf', archive, '-C', site])
    rmSync(archive)
    pages.deployed.push(waiting.version)
    waiting = undefined
  }

  function serve(path: string, { method, headers }: IncomingMessage, response: ServerResponse): void {
    const name = normalize(decodeURIComponent(path)).replace(/^\/widgets\//, '')
    const file = join(site, name)
    const found = (() => {
      try {
        return statSync(file).isFile() ? readFileSync(file) : undefined
      } catch {
        return undefined
      }
    })()
    if (found === undefined || method !== 'GET') {
      response.writeHead(404, { 'content-type': 'text/html' }).end('<h1>404</h1>')
      return
    }
    const last = Number(/^bytes=0-(\d+)$/.exec(headers.range ?? '')?.[1] ?? Number.NaN)
    const part = Number.isNaN(last) ? found : found.subarray(0, last + 1)
    response.writeHead(Number.isNaN(last) ? 200 : 206, { 'content-length': part.length }).end(part)
  }

  return pages
}
