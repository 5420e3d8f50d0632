import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createTcp } from 'node:net'
import { before, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { forbiddenAddresses } from '#engine/build/egress.ts'
import { bash, run, unusable } from './helpers.ts'

let reason: string | false = false
before(async () => {
  reason = await unusable()
})

const sandboxed = (name: string, body: (t: TestContext) => Promise<void>): void => {
  test(name, (t) => (reason === false ? body(t) : t.skip(reason)))
}

/** A service of this machine's loopback that answers every request with its path. */
async function service(t: TestContext): Promise<number> {
  const server = createServer((asked, answer) => answer.end(`answer to ${asked.url}\n`))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const bound = server.address()
  return typeof bound === 'object' && bound !== null ? bound.port : 0
}

// Perl: every Debian root has it. Speaks HTTP, straight or by the proxy that the environment names.
const get = `
use IO::Socket::INET;
sub ask { my ($to, $line) = @_; my $s = IO::Socket::INET->new(PeerAddr => $to, Timeout => 5) or return "no connection\\n"; print $s "$line\\r\\n\\r\\n"; local $/; my $all = <$s> // ''; $all =~ s/.*?\\r\\n\\r\\n//s if $all =~ m{^HTTP/1.1 200 OK\\r\\n.*\\S}s; return $all }
my ($proxy) = ($ENV{http_proxy} // '') =~ m{^http://([^/]+)};
my ($how, $to, $path) = @ARGV;
print $how eq 'straight' ? ask($to, "GET $path HTTP/1.0\\r\\nHost: $to") : $how eq 'connect' ? ask($proxy, "CONNECT $to HTTP/1.1\\r\\nHost: $to") : ask($proxy, "GET http://$to$path HTTP/1.0\\r\\nHost: $to");
`
const ask = (how: 'straight' | 'proxy' | 'connect', to: string, path = '/'): string =>
  `perl -e '${get.replaceAll("'", "'\\''")}' ${how} ${to} ${path}`

for (const identity of ['user', 'install'] as const) {
  sandboxed(`a network leads neither to this machine nor to its own links (${identity})`, async (t) => {
    const port = await service(t)
    const others = [`127.0.0.1:${port}`, `localhost:${port}`, '169.254.169.254:80', `[::ffff:127.0.0.1]:${port}`]
    const script = others.flatMap((to) => [ask('proxy', to), ask('connect', to)])
    const { result, said } = await bash([ask('straight', `127.0.0.1:${port}`), ...script].join('\n'), {
      identity,
      network: true,
    })
    assert.deepEqual(result, { kind: 'exited', code: 0 })
    assert.match(said, /^no connection$/m)
    assert.doesNotMatch(said, /answer to/)
    // Said in the log, too, by whoever refused: once for each.
    const told = said.split('\n').filter((line) => line.startsWith('yoe: no connection to '))
    assert.equal(told.length, 8, said)
    // The naive network, which is the host's, gives everything away.
    const { stdout } = await run('bash', ['-c', ask('straight', `127.0.0.1:${port}`)])
    assert.match(stdout, /answer to/)
  })

  sandboxed(
    `a registry on this machine that the user named is reached, and nothing beside it (${identity})`,
    async (t) => {
      const [registry, other] = [await service(t), await service(t)]
      const { said } = await bash(
        [
          ask('straight', `127.0.0.1:${registry}`, '/a'),
          ask('proxy', `127.0.0.1:${registry}`, '/b'),
          ask('straight', `127.0.0.1:${other}`, '/c'),
          ask('proxy', `127.0.0.1:${other}`, '/d'),
        ].join('\n'),
        { identity, network: true, reach: { services: [{ host: '127.0.0.1', port: registry }] } },
      )
      assert.match(said, /answer to \/a/)
      assert.match(said, /answer to \/b/)
      assert.doesNotMatch(said, /answer to \/[cd]/)
    },
  )
}

sandboxed('a task without a network has no proxy', async (t) => {
  const port = await service(t)
  const { said } = await bash(`env; cat /proc/net/tcp; ${ask('straight', '127.0.0.1:3128')}`, {
    reach: { services: [{ host: '127.0.0.1', port }] },
  })
  assert.doesNotMatch(said, /proxy/i)
  assert.match(said, /no connection/)
})

sandboxed('tunnels carry bytes both ways, to the end of each', async (t) => {
  const echo = createTcp({ allowHalfOpen: true }, (socket) => socket.pipe(socket))
  echo.listen(0, '127.0.0.1')
  await once(echo, 'listening')
  t.after(() => echo.close())
  const bound = echo.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0
  const program = `use IO::Socket::INET; my ($p) = $ENV{https_proxy} =~ m{//([^/]+)};
    my $s = IO::Socket::INET->new($p) or die; print $s "CONNECT 127.0.0.1:${port} HTTP/1.1\\r\\n\\r\\n"; <$s>; <$s>;
    if (fork) { my $n = 0; while (sysread($s, my $b, 65536)) { $n += length $b } wait; print "$n\\n" }
    else { my $b = "x" x 65536; syswrite($s, $b) for 1..160; shutdown($s, 1) }`
  const { said } = await bash(`perl -e '${program}'`, {
    network: true,
    reach: { services: [{ host: '127.0.0.1', port }] },
  })
  assert.equal(said.trim(), String(160 * 65_536))
})

sandboxed('nothing of a way out is left when its run was killed', async () => {
  const cancel = new AbortController()
  const running = bash('echo up; sleep 100', {
    network: true,
    signal: cancel.signal,
    output: () => cancel.abort(),
  })
  await assert.rejects(running, { code: 'CANCELLED' })
  const left = (): Promise<boolean> =>
    run('pgrep', ['--parent', String(process.pid), '--full', 'yoe-net-']).then(
      () => true,
      () => false,
    )
  // Killed is not yet gone.
  for (let tries = 0; tries < 100 && (await left()); tries++) await sleep(20)
  assert.equal(await left(), false)
})

const addresses: [address: string, family: 'ipv4' | 'ipv6', forbidden: boolean][] = [
  ['127.0.0.1', 'ipv4', true],
  ['127.8.8.8', 'ipv4', true],
  ['0.0.0.0', 'ipv4', true],
  ['169.254.169.254', 'ipv4', true],
  ['224.0.0.251', 'ipv4', true],
  ['255.255.255.255', 'ipv4', true],
  ['192.0.2.7', 'ipv4', true],
  ['192.0.2.8', 'ipv4', false],
  ['10.1.2.3', 'ipv4', false],
  ['93.184.215.14', 'ipv4', false],
  ['::1', 'ipv6', true],
  ['::', 'ipv6', true],
  ['fe80::1', 'ipv6', true],
  ['ff02::1', 'ipv6', true],
  ['::ffff:127.0.0.1', 'ipv6', true],
  ['::ffff:169.254.169.254', 'ipv6', true],
  ['2606:2800::1', 'ipv6', false],
]
test('which addresses are this machine, its links, or nobody', () => {
  const own = { address: '192.0.2.7', netmask: '255.255.255.0', mac: '', internal: false, cidr: null } as const
  const list = forbiddenAddresses({ eth0: [{ ...own, family: 'IPv4' }] })
  for (const [address, family, forbidden] of addresses) assert.equal(list.check(address, family), forbidden, address)
})
