import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { copyFile, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { before, type TestContext, test } from 'node:test'
import { defaultLimits } from '#engine/build/worker.ts'
import { ending } from '../../support/processes.ts'
import { foreignEntries, path, run, scratch, unusable, worker, writableFolder } from './helpers.ts'

interface Finding {
  readonly verdict: string
  readonly name: string
  readonly detail: string
}

/** What a task tries, and how many of the tries have to be reported on. */
const atLeast = 60

let reason: string | false = false
before(async () => {
  reason = await unusable()
  process.env['YOE_TEST_SECRET'] = 'canary-secret'
})

const address = (server: Server): number => {
  const bound = server.address()
  return typeof bound === 'object' && bound !== null ? bound.port : 0
}

async function listen(t: TestContext, on: number | string): Promise<Server> {
  const server = createServer((socket) => socket.destroy())
  if (typeof on === 'number') server.listen(on, '127.0.0.1')
  else server.listen(on)
  await once(server, 'listening')
  t.after(() => server.close())
  return server
}

/** What the probe needs on the host, and its environment; `place` says where a folder is for the probe. */
async function stage(t: TestContext, identity: 'user' | 'install', place: (folder: string, at: string) => string) {
  const project = await scratch(t)
  const shown = await scratch(t)
  const writable = await writableFolder(t)
  await writeFile(join(project, 'canary'), 'secret')
  await writeFile(join(shown, 'file'), 'shown')
  await copyFile(join(import.meta.dirname, 'probe.pl'), join(shown, 'probe.pl'))
  const binaries = await foreignEntries(shown)
  const abstract = randomBytes(8).toString('hex')
  const udp = createSocket('udp4')
  udp.bind(0, '127.0.0.1')
  await once(udp, 'listening')
  t.after(() => udp.close())
  const tcp = await listen(t, 0)
  await listen(t, `\0${abstract}`)
  await listen(t, join(project, 'socket'))
  const neighbour = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
  t.after(() => neighbour.kill('SIGKILL'))
  const { stdout: segment } = await run('perl', ['-e', 'print shmget(0x796f65, 4096, 0666 | 01000)'])
  t.after(() => run('ipcrm', ['-m', segment]))
  const env = {
    PATH: path,
    PROBE_IDENTITY: identity,
    PROBE_CANARY: join(project, 'canary'),
    PROBE_PIDS: `${process.pid} ${neighbour.pid}`,
    PROBE_TCP: String(address(tcp)),
    PROBE_UDP: String(udp.address().port),
    PROBE_ABSTRACT: abstract,
    PROBE_UNIX: join(project, 'socket'),
    PROBE_SECRET: 'canary-secret',
    PROBE_READONLY: place(shown, '/shown'),
    PROBE_WRITABLE: place(writable, '/writable'),
    PROBE_BINARIES: binaries,
  }
  return { env, shown, writable }
}

const parse = (said: string): Finding[] =>
  said
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, verdict = '', name = '', detail = ''] = /^(safe|LEAK|skip) ([^:]*)(?:: (.*))?$/.exec(line) ?? []
      return { verdict: verdict === '' ? 'broken' : verdict, name, detail: verdict === '' ? line : detail }
    })

const of = (findings: readonly Finding[], ...verdicts: string[]): string[] =>
  findings.filter(({ verdict }) => verdicts.includes(verdict)).map(({ name, detail }) => `${name}: ${detail}`)

for (const identity of ['user', 'install'] as const)
  test(`a hostile task gets nowhere (${identity})`, async (t) => {
    if (reason !== false) return t.skip(reason)
    const { env, shown, writable } = await stage(t, identity, (_, at) => at)
    let said = ''
    const result = await worker.run({
      root: 'host',
      argv: ['perl', '/shown/probe.pl'],
      env,
      cwd: '/',
      mounts: [
        { source: shown, target: '/shown', writable: false },
        { source: writable, target: '/writable', writable: true },
      ],
      network: false,
      identity,
      limits: { ...defaultLimits, wallSeconds: 60 },
      output: (chunk) => {
        said += Buffer.from(chunk).toString()
      },
    })
    const findings = parse(said)
    assert.deepEqual(of(findings, 'LEAK', 'broken'), [])
    assert.deepEqual(result, { kind: 'exited', code: 0 })
    const safe = of(findings, 'safe').length
    assert.ok(safe >= atLeast, `only ${safe} checks`)
    t.diagnostic(`${safe} checks`)
  })

/** Runs the probe without our sandbox, which has to find these leaks at least. */
async function finds(
  t: TestContext,
  env: Readonly<Record<string, string>>,
  [program = '', ...argv]: readonly string[],
  expected: readonly string[],
): Promise<void> {
  const child = spawn(program, argv, {
    env: { ...env, YOE_TEST_SECRET: 'canary-secret' },
    stdio: ['ignore', 'pipe', 'inherit', process.stdin.fd],
  })
  const leaks = of(parse((await ending(child)).stdout), 'LEAK')
  t.diagnostic(`${leaks.length} leaks`)
  const names = leaks.map((leak) => leak.replace(/:.*/, ''))
  for (const name of expected) assert.ok(names.includes(name), `${name} is not found in ${names.join(', ')}`)
}

test('the same probe without a sandbox finds leaks', async (t) => {
  const { env } = await stage(t, 'user', (folder) => folder)
  await finds(
    t,
    env,
    ['perl', join(env.PROBE_READONLY, 'probe.pl')],
    [
      'F1 file of the project',
      'F1 write a read-only mount',
      'F2 secret in /proc',
      'F2 open descriptors',
      'F2 processes of the host',
      'F2 signals to the host',
      'F3 TCP to the host',
      'F3 UDP to the host',
      'F3 abstract socket',
      'F3 socket of the host',
      'F5 mount',
      'F5 ptrace',
      'F5 clone3',
      'filter',
      'no new privileges',
      'host name',
      'System V memory of the host',
    ],
  )
})

/** What people write who sandbox by hand. */
const byHand = [
  ...['--ro-bind', '/usr', '/usr', '--symlink', 'usr/lib', '/lib', '--symlink', 'usr/lib64', '/lib64'],
  ...['--symlink', 'usr/bin', '/bin', '--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp'],
]

test('the same probe under bubblewrap by hand finds leaks', async (t) => {
  if (reason !== false) return t.skip(reason)
  const { env, shown, writable } = await stage(t, 'user', (_, at) => at)
  const mounts = ['--ro-bind', shown, '/shown', '--bind', writable, '/writable']
  await finds(
    t,
    env,
    ['bwrap', ...byHand, ...mounts, 'perl', '/shown/probe.pl'],
    [
      'F2 open descriptors',
      'F2 processes of the host',
      'F3 TCP to the host',
      'F3 abstract socket',
      'F5 clone3',
      'F5 TIOCSTI',
      'filter',
      'host name',
      'System V memory of the host',
    ],
  )
})
