import { request } from 'node:http'
import { BlockList, connect, isIP, type Socket } from 'node:net'
import { connect as connectSecurely } from 'node:tls'

/** The proxies that a company's machines reach the world by, as the environment of yoe names them. */
export interface UpstreamProxies {
  /** Addresses with credentials, which nobody but the proxy itself is told. */
  readonly http: string | undefined
  readonly https: string | undefined
  /** `no_proxy`: names, domains, addresses and networks that are reached without. */
  readonly except: string
}

/**
 * Reads http_proxy, https_proxy, all_proxy and no_proxy; those in small letters come first, as with curl.
 * @returns undefined when there are none
 */
export function upstreamProxies(env: Readonly<Record<string, string | undefined>>): UpstreamProxies | undefined {
  const of = (name: string): string | undefined => env[name] || env[name.toUpperCase()] || undefined
  const [http, https] = [of('http_proxy') ?? of('all_proxy'), of('https_proxy') ?? of('all_proxy')]
  if (http === undefined && https === undefined) return undefined
  return { http, https, except: of('no_proxy') ?? '' }
}

/** A proxy that is known, and understood. */
export interface Upstream {
  readonly secure: boolean
  readonly host: string
  readonly port: number
  /** The header with its credentials. */
  readonly authorization: Readonly<Record<string, string>>
}

/**
 * The proxy for a connection; undefined: none.
 *
 * @param host without brackets
 * @throws {Error} for an address that is no HTTP proxy's; what it says holds no credentials
 */
export function proxyFor(
  proxies: UpstreamProxies | undefined,
  scheme: 'http' | 'https',
  host: string,
  port: number,
): Upstream | undefined {
  const text = proxies?.[scheme]
  if (proxies === undefined || text === undefined || isExcepted(proxies.except, host, port)) return undefined
  const url = URL.parse(text.includes('://') ? text : `http://${text}`)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new Error(`${scheme}_proxy of this machine names no HTTP proxy`)
  const secure = url.protocol === 'https:'
  const credentials = [url.username, url.password].map(decodeURIComponent).join(':')
  return {
    secure,
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(url.port || (secure ? 443 : 80)),
    authorization:
      credentials === ':' ? {} : { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` },
  }
}

/** Whether `no_proxy` names it: itself, a domain that it is in, its network, or everything. */
function isExcepted(except: string, host: string, port: number): boolean {
  if (/^(localhost|127(\.\d{1,3}){3}|::1)$/.test(host)) return true
  return except
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true
      const [, network = '', bits = ''] = /^\[?([0-9a-f.:]+?)\]?\/(\d{1,3})$/i.exec(entry) ?? []
      if (bits !== '') return inNetwork(network, Number(bits), host)
      const [, named = '', only = ''] = isIP(entry) === 6 ? [entry, entry] : (/^(.*?)(?::(\d+))?$/.exec(entry) ?? [])
      const domain = named
        .toLowerCase()
        .replace(/^\[(.*)\]$/, '$1')
        .replace(/^\*?\./, '')
      return (only === '' || Number(only) === port) && (host === domain || host.endsWith(`.${domain}`))
    })
}

function inNetwork(network: string, bits: number, host: string): boolean {
  const family = isIP(network)
  if (family === 0 || family !== isIP(host) || bits > (family === 6 ? 128 : 32)) return false
  const kind = family === 6 ? 'ipv6' : 'ipv4'
  const list = new BlockList()
  list.addSubnet(network, bits, kind)
  return list.check(host, kind)
}

/** A connection to the proxy itself. */
export function reachProxy({ secure, host, port }: Upstream): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = secure
      ? connectSecurely({ host, port, ...(isIP(host) ? {} : { servername: host }) })
      : connect({ host, port })
    socket.once('error', (failure) => reject(new Error(`the proxy of this machine: ${failure.message}`)))
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      socket.on('error', () => {})
      resolve(socket)
    })
  })
}

/** A connection through a proxy to somewhere else. */
export async function tunnel(proxy: Upstream, to: Socket, host: string, port: number): Promise<Socket> {
  const target = `${host.includes(':') ? `[${host}]` : host}:${port}`
  return new Promise((resolve, reject) => {
    const asked = request({
      createConnection: () => to,
      method: 'CONNECT',
      path: target,
      headers: { host: target, ...proxy.authorization },
    })
    asked.once('connect', (answer, _socket, head) => {
      if (answer.statusCode !== 200) {
        to.destroy()
        reject(new Error(`the proxy of this machine answers ${answer.statusCode}`))
        return
      }
      if (head.length > 0) to.unshift(head)
      resolve(to)
    })
    asked.once('error', (failure) => reject(new Error(`the proxy of this machine: ${failure.message}`)))
    asked.end()
  })
}
