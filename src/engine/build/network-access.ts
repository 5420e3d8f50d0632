import { existsSync, realpathSync } from 'node:fs'
import type { Sources } from '../project/settings.ts'
import { upstreamProxies } from './upstream-proxy.ts'
import type { Mount, Reach } from './worker.ts'

/** What tasks that may reach the network get beside everything else. It says where from, never what: it is in no key. */
export interface NetworkAccess {
  readonly environment: Readonly<Record<string, string>>
  readonly mounts: readonly Mount[]
  /** The registries themselves, which tasks reach wherever they are. */
  readonly reach: Reach
}

/** Where the authorities that this machine trusts are shown to tasks. */
const bundleInside = '/build/ca-certificates.crt'

/** Where distributions keep all authorities that a machine trusts, in one file. */
const bundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
]

/** How the tools of each language are told of authorities: OpenSSL and Go, curl, git, cargo, Node.js and Bun, pip. */
const bundleVariables = [
  'SSL_CERT_FILE',
  'CURL_CA_BUNDLE',
  'GIT_SSL_CAINFO',
  'CARGO_HTTP_CAINFO',
  'NODE_EXTRA_CA_CERTS',
  'PIP_CERT',
  'REQUESTS_CA_BUNDLE',
]

/**
 * The registries that `sources(…)` of a project names, and the certificate authorities that this machine trusts: many
 * companies have one of their own, and a toolchain's root knows none.
 *
 * @param env of yoe itself: its SSL_CERT_FILE comes before the machine's bundle, and its proxies are those of tasks
 */
export function networkAccess(sources: Sources, env: Readonly<Record<string, string | undefined>>): NetworkAccess {
  const bundle = [env['SSL_CERT_FILE'] ?? '', ...bundles].find((path) => path.startsWith('/') && existsSync(path))
  const registries = registryEnvironment(sources)
  const proxies = upstreamProxies(env)
  const reach = { services: servicesIn(Object.values(registries)), ...(proxies === undefined ? {} : { proxies }) }
  if (bundle === undefined) return { environment: registries, mounts: [], reach }
  return {
    environment: { ...Object.fromEntries(bundleVariables.map((name) => [name, bundleInside])), ...registries },
    mounts: [{ source: realpathSync(bundle), target: bundleInside, writable: false }],
    reach,
  }
}

/** Hosts and ports of addresses; GOPROXY may hold several, and words. */
function servicesIn(texts: readonly string[]): Reach['services'] {
  return texts
    .flatMap((text) => text.split(/[,|]/))
    .flatMap((text) => {
      const url = URL.parse(text)
      if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return []
      return [{ host: url.hostname, port: Number(url.port || (url.protocol === 'http:' ? 80 : 443)) }]
    })
}

/** Where `sources(…)` says that packages of languages come from, as their tools ask for it. */
function registryEnvironment({ goProxy, npmRegistry, pipIndex }: Sources): Readonly<Record<string, string>> {
  return {
    ...(goProxy === undefined ? {} : { GOPROXY: goProxy }),
    ...(npmRegistry === undefined ? {} : { npm_config_registry: npmRegistry }),
    ...(pipIndex === undefined ? {} : { PIP_INDEX_URL: pipIndex }),
  }
}
