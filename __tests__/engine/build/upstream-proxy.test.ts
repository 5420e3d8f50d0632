/** Tasks with a network behind a company's proxy, which is the only way out and wants a password. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { before, type TestContext, test } from 'node:test'
import { proxyFor, type UpstreamProxies, upstreamProxies } from '#engine/build/upstream-proxy.ts'
import { bash, unusable } from './helpers.ts'

let reason: string | false = false
before(async () => {
  reason = await unusable()
})

const sandboxed = (name: string, body: (t: TestContext) => Promise<void>): void => {
  test(name, (t) => (reason === false ? body(t) : t.skip(reason)))
}

const password = 'p@ss word'
const expected = `Basic ${Buffer.from(`anna:${password}`).toString('base64')}`

interface Company {
  /** What a machine of the company has in its environment. */
  readonly proxies: UpstreamProxies
  /** What the proxy was asked for by somebody who knows the password: `GET http://world.test/a`. */
  readonly asked: string[]
}

/** A proxy that leads any name to one service of the world, and answers TRACE as the standard allows: with what it was sent. */
async function company(t: TestContext): Promise<Company> {
  const world = createServer((asked, answer) => answer.end(`answer to ${asked.url} of ${asked.headers.host}\n`))
  const asked: string[] = []
  const may = (one: IncomingMessage): boolean => {
    if (one.headers['proxy-authorization'] !== expected) return false
    asked.push(`${one.method} ${one.url}`)
    return true
  }
  const proxy = createServer((one, answer) => {
    if (!may(one)) return void answer.writeHead(407).end('who are you?\n')
    if (one.method === 'TRACE') return void answer.end(one.rawHeaders.join('\n'))
    answer.end(`through the proxy: ${one.url}\n`)
  })
  proxy.on('connect', (one, inside) => {
    if (!may(one)) return void inside.end('HTTP/1.1 407 Who are you\r\n\r\n')
    const outside = connect(portOf(world), '127.0.0.1', () => inside.write('HTTP/1.1 200 OK\r\n\r\n'))
    for (const [from, to] of [
      [inside, outside],
      [outside, inside],
    ] as const)
      from.on('error', () => to.destroy()).pipe(to)
  })
  for (const server of [world, proxy]) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => {
      server.closeAllConnections()
      server.close()
    })
  }
  const url = `http://anna:${encodeURIComponent(password)}@127.0.0.1:${portOf(proxy)}`
  const proxies = upstreamProxies({ HTTP_PROXY: url, https_proxy: url })
  assert.ok(proxies)
  return { proxies, asked }
}

function portOf(server: { address(): unknown }): number {
  const bound = server.address()
  return typeof bound === 'object' && bound !== null && 'port' in bound ? Number(bound.port) : 0
}

/** A request to the task's own proxy; `CONNECT` goes on with another inside the tunnel. */
const ask = (method: string, target: string): string => `perl -e '
use IO::Socket::INET; my ($to) = $ENV{http_proxy} =~ m{//([^/]+)};
my $s = IO::Socket::INET->new(PeerAddr => $to, Timeout => 5) or die; print $s "${method} ${target} HTTP/1.1\\r\\nHost: world.test\\r\\nConnection: close\\r\\n\\r\\n";
if ("${method}" eq "CONNECT") { my $first = <$s>; print $first; <$s>; if ($first =~ / 200 /) { print $s "GET /in HTTP/1.0\\r\\nHost: world.test\\r\\n\\r\\n" } }
local $/; print <$s>'`

for (const identity of ['user', 'install'] as const)
  sandboxed(`a task reaches the world through the proxy, and never learns its password (${identity})`, async (t) => {
    const { proxies, asked } = await company(t)
    const scripts = [
      ask('GET', 'http://world.test/a?b=c'),
      ask('CONNECT', 'world.test:443'),
      ask('TRACE', 'http://world.test/'),
      'env; cat /proc/*/environ /proc/*/cmdline | tr "\\0" "\\n"',
    ]
    const { said } = await bash(scripts.join('\n'), { identity, network: true, reach: { services: [], proxies } })
    assert.match(said, /^through the proxy: http:\/\/world\.test\/a\?b=c$/m)
    assert.match(said, /^HTTP\/1\.1 200 OK/m)
    assert.match(said, /^answer to \/in of world\.test$/m)
    assert.match(said, /^HTTP\/1\.1 405 /m)
    assert.deepEqual(asked, ['GET http://world.test/a?b=c', 'CONNECT world.test:443'])
    for (const secret of ['anna', 'p@ss', encodeURIComponent(password), expected.slice(6)])
      assert.ok(!said.includes(secret), `${secret} is in what a task sees`)
    // The naive way, this machine's own variables for tasks, gives it away.
    const { said: naive } = await bash('env', { env: { PATH: '/usr/bin:/bin', http_proxy: proxies.http ?? '' } })
    assert.match(naive, /anna/)
  })

sandboxed('the proxy is no way to this machine, its links, or the addresses that it has', async (t) => {
  const { proxies, asked } = await company(t)
  const own = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => address)
  const hosts = ['169.254.169.254', '0.0.0.0', '[fe80::1]', ...own.slice(0, 1)]
  const scripts = hosts.flatMap((host) => [ask('GET', `http://${host}/`), ask('CONNECT', `${host}:443`)])
  const { said } = await bash(scripts.join('\n'), { network: true, reach: { services: [], proxies } })
  assert.deepEqual(asked, [])
  assert.equal(
    said.split('\n').filter((line) => line.startsWith('yoe: no connection to ')).length,
    scripts.length,
    said,
  )
})

sandboxed('what no_proxy names is reached without the proxy', async (t) => {
  const { proxies, asked } = await company(t)
  const near = createServer((_, answer) => answer.end('near\n'))
  near.listen(0, '127.0.0.1')
  await once(near, 'listening')
  t.after(() => near.close())
  const reach = {
    services: [{ host: 'localhost', port: portOf(near) }],
    proxies: { ...proxies, except: 'localhost,.lan' },
  }
  const { said } = await bash(ask('GET', `http://localhost:${portOf(near)}/`), { network: true, reach })
  assert.match(said, /^near$/m)
  assert.deepEqual(asked, [])
})

sandboxed('a proxy that refuses, or is not there, is told without its password', async (t) => {
  const { proxies } = await company(t)
  const script = `${ask('CONNECT', 'world.test:443')}; ${ask('GET', 'http://world.test/')}`
  const wrong = {
    http: proxies.http?.replace('anna', 'otto'),
    https: proxies.https?.replace('anna', 'otto'),
    except: '',
  }
  const refused = await bash(script, { network: true, reach: { services: [], proxies: wrong } })
  assert.match(refused.said, /502 Refused.*yoe: world\.test: the proxy of this machine answers 407/s)
  const gone = 'http://otto:secret@127.0.0.1:1'
  const absent = await bash(script, {
    network: true,
    reach: { services: [], proxies: { http: gone, https: gone, except: '' } },
  })
  assert.match(absent.said, /yoe: world\.test: the proxy of this machine: connect ECONNREFUSED/)
  for (const { said } of [refused, absent]) assert.doesNotMatch(said, /otto|secret|p@ss/)
})

const env = { http_proxy: 'http://a:b@proxy.corp:3128', HTTPS_PROXY: 'proxy.corp', ALL_PROXY: 'http://all.corp' }
const chosen: readonly (readonly [
  variables: Readonly<Record<string, string>>,
  scheme: 'http' | 'https',
  host: string,
  want: string,
])[] = [
  [env, 'http', 'world.test', 'proxy.corp:3128 Basic YTpi'],
  [env, 'https', 'world.test', 'proxy.corp:80'],
  [{ ALL_PROXY: 'https://all.corp' }, 'https', 'world.test', 'secure all.corp:443'],
  [{ http_proxy: 'http://p' }, 'https', 'world.test', ''],
  [{ http_proxy: '' }, 'http', 'world.test', ''],
  [{ http_proxy: 'http://small', HTTP_PROXY: 'http://large' }, 'http', 'world.test', 'small:80'],
  [{ http_proxy: 'http://[::1]:8080' }, 'http', 'world.test', '::1:8080'],
  [{ http_proxy: 'socks5://s:1' }, 'http', 'world.test', 'http_proxy of this machine names no HTTP proxy'],
  [env, 'http', 'localhost', ''],
  [env, 'http', '127.0.0.9', ''],
  [{ ...env, no_proxy: '*' }, 'http', 'world.test', ''],
  [{ ...env, NO_PROXY: 'a.test, world.test' }, 'http', 'world.test', ''],
  [{ ...env, no_proxy: 'world.test' }, 'http', 'deep.world.test', ''],
  [{ ...env, no_proxy: '.world.test' }, 'http', 'deep.world.test', ''],
  [{ ...env, no_proxy: '*.world.test' }, 'http', 'deep.world.test', ''],
  [{ ...env, no_proxy: 'world.test' }, 'https', 'underworld.test', 'proxy.corp:80'],
  [{ ...env, no_proxy: 'world.test:80' }, 'http', 'world.test', ''],
  [{ ...env, no_proxy: 'world.test:8080' }, 'https', 'world.test', 'proxy.corp:80'],
  [{ ...env, no_proxy: '10.0.0.0/8' }, 'http', '10.1.2.3', ''],
  [{ ...env, no_proxy: '10.0.0.0/8' }, 'https', '11.1.2.3', 'proxy.corp:80'],
  [{ ...env, no_proxy: 'fd00::/8,::2' }, 'http', 'fd00::1', ''],
  [{ ...env, no_proxy: 'fd00::/8,::2' }, 'http', '::2', ''],
  [{ ...env, no_proxy: '10.0.0.0/99' }, 'https', '10.1.2.3', 'proxy.corp:80'],
]
for (const [variables, scheme, host, want] of chosen)
  test(`the proxy of ${scheme}://${host} with ${JSON.stringify(variables)}`, () => {
    let found: string
    try {
      const proxy = proxyFor(upstreamProxies(variables), scheme, host, scheme === 'http' ? 80 : 443)
      const { 'proxy-authorization': authorization = '' } = proxy?.authorization ?? {}
      found =
        proxy === undefined ? '' : `${proxy.secure ? 'secure ' : ''}${proxy.host}:${proxy.port} ${authorization}`.trim()
    } catch (failure) {
      found = failure instanceof Error ? failure.message : ''
    }
    assert.equal(found, want)
  })
