/**
 * A stand-in for the part of GitHub's REST and GraphQL API that is used here, true enough for the unmodified octokit:
 * comments of a pull request, releases with their assets, tags, runs, attestations. It keeps what GitHub keeps: names of
 * assets and tags are unique, a cut upload leaves a half asset, what a token may not do is 403.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Reply } from './results-service.ts'

export interface GitHubComment {
  readonly id: number
  readonly issue: number
  readonly author: string
  body: string
}

export interface GitHubAsset {
  readonly id: number
  readonly name: string
  /** `starter`: its upload did not end. */
  readonly state: 'uploaded' | 'starter'
  readonly bytes: Buffer
}

export interface GitHubRelease {
  readonly id: number
  readonly created: string
  tag: string
  sha: string
  name: string
  body: string
  draft: boolean
  prerelease: boolean
  readonly assets: GitHubAsset[]
}

export interface GitHub {
  readonly url: string
  readonly comments: GitHubComment[]
  readonly releases: GitHubRelease[]
  /** Tag to commit. */
  readonly tags: Map<string, string>
  /** Number of a run to its status. */
  readonly runs: Map<number, string>
  readonly attestations: unknown[]
  /** `POST /repos/octo/widgets/releases`, in order of arrival. */
  readonly requests: string[]
  /** Asked before a request is served; `cut` breaks the connection in the middle of its body. */
  intercept: ((what: string) => Reply | 'cut' | undefined) | undefined
  /** Milliseconds before each answer. */
  latency: () => number
  /** Who the token is. */
  viewer: string
  /** Whether the repository is. */
  private: boolean
  close(): Promise<void>
}

type Json = Readonly<Record<string, unknown>>

export async function startGitHub(): Promise<GitHub> {
  let count = 0
  const server = createServer((request, response) => {
    handle(request, response).catch((failure: unknown) => {
      if (!response.headersSent) send(response, { status: 500, body: { message: String(failure) } })
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const url = `http://127.0.0.1:${address.port}`

  const github: GitHub = {
    url,
    comments: [],
    releases: [],
    tags: new Map(),
    runs: new Map(),
    attestations: [],
    requests: [],
    intercept: undefined,
    latency: () => 0,
    viewer: 'github-actions[bot]',
    private: false,
    close: () =>
      new Promise((done) => {
        server.closeAllConnections()
        server.close(() => done())
      }),
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const at = new URL(request.url ?? '/', url)
    const what = `${request.method} ${at.pathname}`
    github.requests.push(what)
    const instead = github.intercept?.(what)
    if (instead === 'cut') {
      cutOff(request, at)
      return
    }
    const body = await bytesOf(request)
    await delay(github.latency())
    if (instead !== undefined) return send(response, instead)
    if (request.headers.authorization === undefined)
      return send(response, { status: 401, body: { message: 'Requires authentication' } })
    send(response, answer(request.method ?? '', at, body, request.headers))
  }

  function answer(method: string, at: URL, bytes: Buffer, headers: IncomingMessage['headers']): Reply {
    if (at.pathname === '/graphql') return graphql(parse(bytes))
    const path = decodeURIComponent(at.pathname).split('/').slice(1)
    if (path[0] === 'uploads') return upload(at, bytes, headers)
    if (path[0] !== 'repos' || path[1] !== 'octo' || path[2] !== 'widgets') return notFound
    const rest = path.slice(3)
    if (rest.length === 0) return ok({ full_name: 'octo/widgets', private: github.private })
    const page = <T>(items: readonly T[]): readonly T[] => {
      const size = Math.min(100, Number(at.searchParams.get('per_page') ?? 30))
      const from = (Number(at.searchParams.get('page') ?? 1) - 1) * size
      return items.slice(from, from + size)
    }
    switch (rest[0]) {
      case 'issues':
        return issues(method, rest, bytes)
      case 'releases':
        return releases(method, rest, bytes, headers, page)
      case 'git':
        return refs(method, rest, bytes)
      case 'actions': {
        const status = rest[1] === 'runs' ? github.runs.get(Number(rest[2])) : undefined
        return status === undefined ? notFound : ok({ id: Number(rest[2]), status })
      }
      case 'attestations':
        github.attestations.push(parse(bytes)['bundle'])
        return { status: 201, body: { id: String(++count) } }
      default:
        return notFound
    }
  }

  function issues(method: string, [, number, id]: readonly string[], bytes: Buffer): Reply {
    if (number === 'comments') {
      const index = github.comments.findIndex((one) => String(one.id) === id)
      const comment = github.comments[index]
      if (comment === undefined) return notFound
      if (method === 'DELETE') {
        github.comments.splice(index, 1)
        return { status: 204 }
      }
      comment.body = string(parse(bytes), 'body')
      return ok(comment)
    }
    const comment = {
      id: ++count,
      issue: Number(number),
      author: github.viewer,
      body: string(parse(bytes), 'body'),
    }
    if (comment.body.length > 65_536) return invalid('IssueComment', 'too_long', 'body')
    github.comments.push(comment)
    return { status: 201, body: comment }
  }

  /** The one query that is asked. */
  function graphql({ query, variables }: Json): Reply {
    if (!String(query).includes('comments(first: 100')) return ok({ errors: [{ type: 'undefinedField' }] })
    const { number, after }: { number?: number; after?: string } = { ...(variables ?? {}) }
    const all = github.comments.filter(({ issue }) => issue === number)
    const from = Number(after ?? 0)
    const nodes = all.slice(from, from + 100).map(({ id, body, author }) => ({
      databaseId: id,
      body,
      viewerDidAuthor: author === github.viewer,
    }))
    const pageInfo = { hasNextPage: from + 100 < all.length, endCursor: String(from + 100) }
    return ok({ data: { repository: { pullRequest: { comments: { pageInfo, nodes } } } } })
  }

  function releases(
    method: string,
    [, first, second, third]: readonly string[],
    bytes: Buffer,
    headers: IncomingMessage['headers'],
    page: <T>(items: readonly T[]) => readonly T[],
  ): Reply {
    if (first === undefined) {
      if (method === 'GET') return ok(page(github.releases.toReversed()).map(shownRelease))
      const wanted = parse(bytes)
      const release: GitHubRelease = {
        id: ++count,
        created: new Date().toISOString(),
        tag: string(wanted, 'tag_name'),
        sha: string(wanted, 'target_commitish'),
        name: string(wanted, 'name'),
        body: string(wanted, 'body'),
        draft: wanted['draft'] === true,
        prerelease: wanted['prerelease'] === true,
        assets: [],
      }
      if (release.body.length > 125_000) return invalid('Release', 'too_long', 'body')
      if (!release.draft) return publish(release) ?? { status: 201, body: shownRelease(release) }
      github.releases.push(release)
      return { status: 201, body: shownRelease(release) }
    }
    if (first === 'assets') {
      const owner = github.releases.find(({ assets }) => assets.some(({ id }) => String(id) === second))
      const index = owner?.assets.findIndex(({ id }) => String(id) === second) ?? -1
      const asset = owner?.assets[index]
      if (owner === undefined || asset === undefined) return notFound
      if (method === 'DELETE') {
        owner.assets.splice(index, 1)
        return { status: 204 }
      }
      if (headers.accept === 'application/octet-stream')
        return { status: 200, headers: { 'content-type': 'application/octet-stream' }, body: asset.bytes }
      return ok(shownAsset(asset))
    }
    const index = github.releases.findIndex(({ id }) => String(id) === first)
    const release = github.releases[index]
    if (release === undefined) return notFound
    if (second === 'assets' && third === undefined) return ok(page(release.assets).map(shownAsset))
    if (method === 'DELETE') {
      github.releases.splice(index, 1)
      return { status: 204 }
    }
    if (method === 'PATCH') {
      const wanted = parse(bytes)
      release.tag = string(wanted, 'tag_name') || release.tag
      release.name = string(wanted, 'name') || release.name
      release.body = string(wanted, 'body') || release.body
      if (wanted['draft'] === false && release.draft) {
        const refused = publish(release)
        if (refused !== undefined) return refused
      }
    }
    return ok(shownRelease(release))
  }

  /** A published release has a tag, made where there is none, and no other release has it. */
  function publish(release: GitHubRelease): Reply | undefined {
    if (github.releases.some((one) => one !== release && !one.draft && one.tag === release.tag))
      return invalid('Release', 'already_exists', 'tag_name')
    if (!github.tags.has(release.tag)) github.tags.set(release.tag, release.sha)
    release.draft = false
    if (!github.releases.includes(release)) github.releases.push(release)
    return undefined
  }

  function refs(method: string, [, what, , ...name]: readonly string[], bytes: Buffer): Reply {
    const tag = name.join('/')
    const shown = (one: string) => ({ ref: `refs/tags/${one}`, object: { type: 'commit', sha: github.tags.get(one) } })
    if (what === 'matching-refs')
      return ok([...github.tags.keys()].filter((one) => one.startsWith(tag)).map((one) => shown(one)))
    if (method === 'POST') {
      const wanted = parse(bytes)
      const fresh = string(wanted, 'ref').replace('refs/tags/', '')
      if (github.tags.has(fresh)) return { status: 422, body: { message: 'Reference already exists' } }
      github.tags.set(fresh, string(wanted, 'sha'))
      return { status: 201, body: shown(fresh) }
    }
    if (method === 'DELETE')
      return github.tags.delete(tag) ? { status: 204 } : { status: 422, body: { message: 'Reference does not exist' } }
    return github.tags.has(tag) ? ok(shown(tag)) : notFound
  }

  const releaseOf = (at: URL): GitHubRelease | undefined => {
    const [, id] = /\/releases\/(\d+)\/assets$/.exec(at.pathname) ?? []
    return github.releases.find((one) => String(one.id) === id)
  }

  function upload(at: URL, bytes: Buffer, headers: IncomingMessage['headers']): Reply {
    const release = releaseOf(at)
    const name = at.searchParams.get('name') ?? ''
    if (release === undefined) return notFound
    if (headers['content-length'] === undefined) return { status: 411, body: { message: 'Length Required' } }
    if (release.assets.some((one) => one.name === name)) return invalid('ReleaseAsset', 'already_exists', 'name')
    const asset: GitHubAsset = { id: ++count, name, state: 'uploaded', bytes }
    release.assets.push(asset)
    return { status: 201, body: shownAsset(asset) }
  }

  /** Breaks the connection when the first bytes are there; of an asset's upload something stays. */
  function cutOff(request: IncomingMessage, at: URL): void {
    const release = at.pathname.startsWith('/uploads/') ? releaseOf(at) : undefined
    const name = at.searchParams.get('name') ?? ''
    release?.assets.push({ id: ++count, name, state: 'starter', bytes: Buffer.alloc(0) })
    request.once('data', () => request.socket.destroy())
    request.once('end', () => request.socket.destroy())
  }

  const shownRelease = (one: GitHubRelease) => ({
    id: one.id,
    tag_name: one.tag,
    target_commitish: one.sha,
    name: one.name,
    body: one.body,
    draft: one.draft,
    prerelease: one.prerelease,
    created_at: one.created,
    html_url: `https://github.com/octo/widgets/releases/tag/${one.draft ? `untagged-${one.id}` : one.tag}`,
    upload_url: `${url}/uploads/repos/octo/widgets/releases/${one.id}/assets{?name,label}`,
    assets: one.assets.map(shownAsset),
  })

  return github
}

const shownAsset = ({ id, name, state, bytes }: GitHubAsset) => ({
  id,
  name,
  state,
  size: bytes.length,
  digest: state === 'uploaded' ? `sha256:${createHash('sha256').update(bytes).digest('hex')}` : null,
})

const notFound: Reply = { status: 404, body: { message: 'Not Found' } }
const ok = (body: unknown): Reply => ({ status: 200, body })
const invalid = (resource: string, code: string, field: string): Reply => ({
  status: 422,
  body: { message: 'Validation Failed', errors: [{ resource, code, field }] },
})

function send(response: ServerResponse, { status, headers, body }: Reply): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers })
  response.end(status === 204 ? undefined : Buffer.isBuffer(body) ? body : JSON.stringify(body ?? {}))
}

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function parse(bytes: Buffer): Json {
  return bytes.length === 0 ? {} : JSON.parse(bytes.toString())
}

function string(body: Json, name: string): string {
  const value = body[name]
  return typeof value === 'string' ? value : ''
}
