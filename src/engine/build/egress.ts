import type { LookupAddress } from 'node:dns'
import { lookup } from 'node:dns/promises'
import { chown, mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import { BlockList, connect, createServer as createRelay, isIP, type LookupFunction, type Socket } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream'
import { proxyFor, reachProxy, tunnel, type Upstream } from './upstream-proxy.ts'
import type { Reach, Run } from './worker.ts'

/** Where the proxy is for a run, in its own loopback. */
const proxyPort = 3128

/** A run's way out: sockets in a folder, that a relay in its network namespace leads to (relay.ts). */
export interface Egress {
  readonly folder: string
  /** Ports of the run's loopback; each has a socket of that name in the folder. */
  readonly ports: readonly number[]
  /** How programs are told of the proxy. */
  readonly environment: Readonly<Record<string, string>>
  [Symbol.asyncDispose](): Promise<void>
}

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/

/**
 * Opens the way out for one run: an HTTP proxy to any address but this machine's own, link-local ones (where clouds answer with
 * credentials), and multicast. A registry that the user named is reached wherever it is, also on this machine's loopback.
 * Where this machine's own traffic goes through a company's proxy, so does this; its credentials stay here.
 *
 * @param owner id on the host that may connect; undefined: this process's
 */
export async function openEgress(run: Pick<Run, 'reach' | 'output'>, owner: number | undefined): Promise<Egress> {
  const reach = run.reach ?? { services: [] }
  const refused = (what: string): void => run.output(Buffer.from(`yoe: no connection to ${what}\n`))
  const folder = await mkdtemp(join(tmpdir(), 'yoe-net-'))
  const own = reach.services.filter(({ host }) => loopback.test(host)).map(({ port }) => port)
  const taken = new Set(own)
  const port = taken.has(proxyPort) ? Math.max(...taken) + 1 : proxyPort
  const servers: { close(done: () => void): unknown }[] = []
  const sockets = new Set<Duplex>()
  const follow = (socket: Duplex): void => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  }
  const proxy = proxyServer(reach, refused, follow)
  for (const [at, server] of [[port, proxy] as const, ...own.map((each) => [each, forwardTo(each, follow)] as const)]) {
    servers.push(server)
    server.on('connection', follow)
    const path = join(folder, String(at))
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve))
    if (owner !== undefined) await chown(path, owner, owner)
  }
  if (owner !== undefined) await chown(folder, owner, owner)
  const url = `http://127.0.0.1:${port}`
  const direct = 'localhost,127.0.0.1,::1'
  const names = ['http_proxy', 'https_proxy', 'all_proxy']
  return {
    folder,
    ports: [port, ...own],
    environment: Object.fromEntries([
      ...names.flatMap((name) => [name, name.toUpperCase()]).map((name) => [name, url]),
      ...['no_proxy', 'NO_PROXY'].map((name) => [name, direct]),
    ]),
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A service of this machine's loopback, as it is. */
function forwardTo(port: number, follow: (socket: Duplex) => void) {
  return createRelay({ allowHalfOpen: true }, (inside) => {
    const outside = connect({ host: 'localhost', port, allowHalfOpen: true })
    follow(outside)
    splice(inside, outside)
  })
}

function splice(one: Duplex, other: Duplex): void {
  const quiet = (): void => {}
  pipeline(one, other, quiet)
  pipeline(other, one, quiet)
}

function proxyServer(reach: Reach, refused: (what: string) => void, follow: (socket: Duplex) => void): Server {
  const forbidden = forbiddenAddresses()
  /** Connects, or says why not. A plain request goes to a proxy as it is, what is secret through it. */
  const dial = async (scheme: 'http' | 'https', host: string, port: number): Promise<Line> => {
    const named = reach.services.some((service) => plainHost(service.host) === host && service.port === port)
    const proxy = proxyFor(reach.proxies, scheme, host, port)
    if (proxy !== undefined && !named) await refuseForbidden(host, forbidden)
    const first = proxy === undefined ? openSocket(host, port, named ? undefined : forbidden) : reachProxy(proxy)
    const socket = await first
    follow(socket)
    if (proxy !== undefined && scheme === 'https') await tunnel(proxy, socket, host, port)
    return { socket, proxy }
  }
  const fail = (host: string, failure: unknown): { status: number; why: string } => {
    const why = failure instanceof Error ? failure.message : String(failure)
    if (failure instanceof Refused) refused(`${host}: ${why}`)
    return { status: failure instanceof Refused ? 403 : 502, why: why.replaceAll(/[\r\n]+/g, ' ') }
  }
  const server = createServer((asked: IncomingMessage, answer: ServerResponse) => {
    const url = URL.parse(asked.url ?? '')
    if (url === null || url.protocol !== 'http:') {
      answer.writeHead(400).end('this is a proxy\n')
      return
    }
    // Whoever it reaches answers with what it was sent, credentials of a proxy among it.
    if (asked.method === 'TRACE') {
      answer.writeHead(405).end('yoe: TRACE leads nowhere\n')
      return
    }
    const host = plainHost(url.hostname)
    dial('http', host, Number(url.port || 80))
      .then(({ socket, proxy }) => {
        const { 'proxy-connection': _, 'proxy-authorization': __, ...headers } = asked.headers
        const onward = request({
          createConnection: () => socket,
          method: asked.method,
          path: proxy === undefined ? `${url.pathname}${url.search}` : `http://${url.host}${url.pathname}${url.search}`,
          headers: { ...headers, ...proxy?.authorization, connection: 'close' },
        })
        onward.once('response', (response) => {
          answer.writeHead(response.statusCode ?? 502, response.headers)
          pipeline(response, answer, () => {})
        })
        onward.once('error', (failure) => {
          if (answer.headersSent) answer.destroy()
          else answer.writeHead(502).end(`${failure.message}\n`)
        })
        pipeline(asked, onward, () => {})
      })
      .catch((failure: unknown) => {
        const { status, why } = fail(host, failure)
        answer.writeHead(status).end(`yoe: ${host}: ${why}\n`)
      })
  })
  server.on('connect', (asked: IncomingMessage, inside: Duplex, head: Buffer) => {
    inside.on('error', () => {})
    const [, name = '', port = ''] = /^(.*):(\d{1,5})$/.exec(asked.url ?? '') ?? []
    const host = plainHost(name)
    dial('https', host, Number(port))
      .then(({ socket: outside }) => {
        inside.write('HTTP/1.1 200 OK\r\n\r\n')
        outside.write(head)
        splice(inside, outside)
      })
      .catch((failure: unknown) => {
        const { status, why } = fail(host, failure)
        inside.end(`HTTP/1.1 ${status} Refused\r\ncontent-type: text/plain\r\n\r\nyoe: ${host}: ${why}\n`)
      })
  })
  return server
}

/** A connection that a request can be sent over. */
interface Line {
  readonly socket: Socket
  /** Whom it leads to, rather than where it was asked to. */
  readonly proxy: Upstream | undefined
}

/** Without the brackets of an IPv6 address. */
const plainHost = (name: string): string => name.replace(/^\[(.*)\]$/, '$1').toLowerCase()

/** A connection that is not made on purpose. */
class Refused extends Error {
  override readonly name = 'Refused'
}

/** What no run reaches: this machine by any of its addresses, and what is not an address of one machine elsewhere. */
export function forbiddenAddresses(interfaces = networkInterfaces()): BlockList {
  const list = new BlockList()
  for (const [net, bits] of [
    ['0.0.0.0', 8],
    ['127.0.0.0', 8],
    ['169.254.0.0', 16],
    ['224.0.0.0', 3],
  ] as const)
    list.addSubnet(net, bits, 'ipv4')
  for (const [net, bits] of [
    ['::', 127],
    ['fe80::', 10],
    ['ff00::', 8],
  ] as const)
    list.addSubnet(net, bits, 'ipv6')
  // Clouds answer there, too.
  list.addAddress('fd00:ec2::254', 'ipv6')
  for (const { address, family } of Object.values(interfaces).flatMap((each) => each ?? []))
    list.addAddress(address, family === 'IPv6' ? 'ipv6' : 'ipv4')
  return list
}

/** How long a name that only the proxy may know is looked for (ms). */
const patience = 2000

/**
 * Before a proxy is asked, which may be on this machine or have links of its own.
 * @throws {Refused} when an address of the name is forbidden; a name that is not known here is the proxy's to judge
 */
async function refuseForbidden(host: string, forbidden: BlockList): Promise<void> {
  const unknown = new Promise<readonly LookupAddress[]>((resolve) => setTimeout(resolve, patience, []).unref())
  const found = isIP(host) ? [{ address: host, family: isIP(host) }] : lookup(host, { all: true }).catch(() => [])
  for (const { address, family } of await Promise.race([found, unknown]))
    if (forbidden.check(address, family === 6 ? 'ipv6' : 'ipv4')) throw new Refused(forbiddenAddress)
}

const forbiddenAddress = 'this is an address of this machine or its own links, which tasks do not reach'

/** @throws {Refused} when every address of the name is forbidden; other errors of the network */
async function openSocket(host: string, port: number, forbidden: BlockList | undefined): Promise<Socket> {
  const found: LookupAddress[] = isIP(host)
    ? [{ address: host, family: isIP(host) }]
    : await lookup(host, { all: true })
  const allowed = found.filter(
    ({ address, family }) => forbidden?.check(address, family === 6 ? 'ipv6' : 'ipv4') !== true,
  )
  if (allowed.length === 0) throw new Refused(forbiddenAddress)
  // The addresses that were looked at, not what the name means a moment later.
  const same: LookupFunction = (_name, options, done) => {
    const [first] = allowed
    if (options.all === true) done(null, allowed)
    else if (first !== undefined) done(null, first.address, first.family)
  }
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, lookup: same, autoSelectFamily: true, allowHalfOpen: true })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      socket.on('error', () => {})
      resolve(socket)
    })
  })
}
