import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

/** What a server of Git LFS may do wrong. */
export interface LfsFaults {
  /** Who may ask: `user:password`. */
  readonly password?: string
  readonly content?: (content: Buffer) => Buffer
  readonly href?: (href: string) => string
  readonly answer?: (answer: object) => unknown
}

/**
 * A server that speaks the batch protocol of Git LFS, downloads and uploads. The real git-lfs pushes to it and pulls from
 * it. Use with `await using`.
 */
export class LfsServer implements AsyncDisposable {
  readonly objects = new Map<string, Buffer>()
  readonly asked: string[] = []
  faults: LfsFaults = {}
  readonly #server = createServer((request, response) => void this.#serve(request, response))

  static async start(): Promise<LfsServer> {
    const server = new LfsServer()
    server.#server.listen(0, '127.0.0.1')
    await once(server.#server, 'listening')
    return server
  }

  /** Of a repository on it, without a slash at the end. */
  get url(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('not listening')
    return `http://127.0.0.1:${address.port}/repo`
  }

  /** @returns the pointer to commit */
  add(content: string): string {
    const bytes = Buffer.from(content)
    const oid = createHash('sha256').update(bytes).digest('hex')
    this.objects.set(oid, bytes)
    return `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${bytes.length}\n`
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Uint8Array[] = []
    for await (const chunk of request) chunks.push(Buffer.from(chunk))
    const body = Buffer.concat(chunks)
    this.asked.push(`${request.method} ${request.url}`)
    const { password, content = (bytes: Buffer) => bytes } = this.faults
    const oid = /^\/objects\/([0-9a-f]{64})$/.exec(request.url ?? '')?.[1]
    if (oid !== undefined) {
      // The batch's answer says how to ask.
      if (request.headers['x-token'] !== 'once') return void response.writeHead(403).end()
      if (request.method === 'PUT') {
        this.objects.set(oid, body)
        return void response.writeHead(200).end()
      }
      const found = this.objects.get(oid)
      return void (found === undefined ? response.writeHead(404).end() : response.end(content(found)))
    }
    if (request.url?.endsWith('/locks/verify')) return void response.writeHead(404).end('{}')
    if (password !== undefined && request.headers.authorization !== `Basic ${Buffer.from(password).toString('base64')}`)
      return void response.writeHead(401, { 'LFS-Authenticate': 'Basic realm="x"' }).end()
    if (request.url !== '/repo.git/info/lfs/objects/batch' && request.url !== '/elsewhere/objects/batch')
      return void response.writeHead(404).end()
    response.setHeader('Content-Type', 'application/vnd.git-lfs+json')
    response.end(JSON.stringify(this.#batch(JSON.parse(body.toString()))))
  }

  #batch({ operation, objects }: { operation: string; objects: readonly { oid: string; size: number }[] }): unknown {
    const { href = (text: string) => text, answer = (value: object) => value } = this.faults
    const base = this.url.replace(/\/repo$/, '')
    return answer({
      transfer: 'basic',
      objects: objects.map(({ oid, size }) => {
        const known = this.objects.has(oid)
        const action = { href: href(`${base}/objects/${oid}`), header: { 'X-Token': 'once' } }
        if (operation === 'upload') return { oid, size, ...(known ? {} : { actions: { upload: action } }) }
        return known
          ? { oid, size, actions: { download: action } }
          : { oid, size, error: { code: 404, message: 'gone' } }
      }),
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
