/** Roots that are images of a registry or built from a Dockerfile, and what others make of exported ones. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type Docker from 'dockerode'
import { dockerClient } from '#engine/build/docker.ts'
import { smallRoot } from '../engine/build/helpers.ts'
import { dockerDaemon } from '../support/docker-daemon.ts'
import { debianProject, scratch, testProject } from '../support/project.ts'
import { sha256, type TestRegistry, testRegistry } from '../support/registry.ts'
import { faultsOf } from '../support/schema.ts'

const programs = ['cut', 'sh', 'bash', 'cat', 'cp', 'mkdir', 'env', 'sort', 'id', 'ls', 'chmod']

/** A root of this machine's own programs, in two layers; `extra` is what the upper one has. */
async function layersOf(t: TestContext, extra: string): Promise<readonly Buffer[]> {
  const folder = scratch(t)
  const root = join(folder, 'root')
  mkdirSync(root)
  await smallRoot(root, programs)
  const upper = join(folder, 'upper')
  mkdirSync(join(upper, 'opt/bin'), { recursive: true })
  execFileSync('sh', ['-ec', `${extra}; chmod -R u+w .`], { cwd: upper })
  return [root, upper].map((path) =>
    gzipSync(execFileSync('tar', ['-C', path, '--owner=0', '--group=0', '-cf', '-', '.'], { maxBuffer: 2 ** 30 })),
  )
}

async function pushed(t: TestContext): Promise<TestRegistry> {
  const registry = await testRegistry(t)
  await put(t, registry, 'first')
  return registry
}

async function put(t: TestContext, registry: TestRegistry, word: string): Promise<void> {
  const layers = await layersOf(t, `printf '#!/bin/sh\\necho ${word}\\n' >opt/bin/speak; chmod 755 opt/bin/speak`)
  await registry.image('acme/words', '1', layers, {
    config: { Env: ['PATH=/opt/bin:/usr/bin:/bin', 'SAYS=hello there'] },
  })
}

const write = (name: string, container: string, command: string): string => `unit(
    name = "${name}", version = "1.0", license = "MIT", scope = "noarch", container = "${container}",
    tasks = [task("build", run = "mkdir -p $DESTDIR/usr/share/${name} && (${command}) >$DESTDIR/usr/share/${name}/said")],
)
`
const said = (root: string, name: string): string =>
  readFileSync(join(root, `build/debian/${name}.noarch/destdir/usr/share/${name}/said`), 'utf8')

const project = { 'PROJECT.star': debianProject }

const finished = (docker: Docker, stream: NodeJS.ReadableStream): Promise<void> =>
  new Promise((done, failed) => {
    docker.modem.followProgress(stream, (failure) => (failure === null ? done() : failed(failure)))
  })

test('an image of a registry: pinned where it is, kept when its tag moves, moved by yoe update', async (t) => {
  const registry = await pushed(t)
  const reference = `${registry.host}/acme/words:1`
  const made = testProject(t, {
    ...project,
    'units/u.star': write('words', reference, 'speak; echo $SAYS; echo $PATH | cut -d: -f2-'),
  })
  const first = await made.yoe(['build', 'words'])
  assert.equal(first.code, 0, first.stderr)
  assert.equal(said(made.root, 'words'), 'first\nhello there\n/opt/bin:/usr/bin:/bin\n')
  const lock = readFileSync(join(made.root, 'yoe.lock'), 'utf8')
  assert.match(lock, new RegExp(`^image name=${registry.host}/acme/words tag=1 sha256=[0-9a-f]{64}$`, 'm'))

  await put(t, registry, 'second')
  rmSync(join(made.root, 'cache'), { recursive: true })
  assert.equal((await made.yoe(['build', 'words', '--locked'])).code, 0)
  assert.match(said(made.root, 'words'), /^first\n/)
  const updated = await made.yoe(['update', 'images', '--json'])
  assert.equal(updated.code, 0, updated.stderr)
  assert.deepEqual(faultsOf('update', JSON.parse(updated.stdout)), [])
  assert.deepEqual(
    JSON.parse(updated.stdout).changes.map((one: { kind: string; from: string; ref: string }) => [
      one.kind,
      one.from,
      one.ref,
    ]),
    [['image', `${registry.host}/acme/words`, '1']],
  )
  const why = await made.yoe(['build', 'words'])
  assert.match(said(made.root, 'words'), /^second\n/, why.stderr)
  // What is here needs no registry, and what is not locked is an error where only that counts.
  assert.equal((await made.yoe(['build', 'words', '--force', '--offline'])).code, 0)
  rmSync(join(made.root, 'yoe.lock'))
  made.write({ 'yoe.lock': 'yoe.lock 1\n' })
  const stale = await made.yoe(['plan', 'words', '--locked'])
  assert.equal(stale.code, 2)
  assert.match(
    stale.stderr,
    /error\[LOCK_STALE\]: units\/u\.star:\d+: the image .* is not in yoe\.lock\n {2}hint: yoe update 127/,
  )
})

test('a task of its own container, and an image that has nothing for the architecture', async (t) => {
  const registry = await pushed(t)
  const reference = `${registry.host}/acme/words:1`
  const made = testProject(t, {
    ...project,
    'machines/m.star': 'machine(name = "risc", arch = "riscv64")\n',
    'containers/c.star': `container(name = "words", image = "${reference}")\ncontainer(name = "other", image = "${reference}", provides = ["speech"])\n`,
    'units/u.star': `unit(name = "two", version = "1.0", license = "MIT", scope = "noarch", container = "words", tasks = [
      task("a", run = "speak >said"),
      task("b", container = "speech", run = "mkdir -p $DESTDIR/usr/share/two; cat said said >$DESTDIR/usr/share/two/said"),
    ])\n`,
  })
  const ran = await made.yoe(['build', 'two'])
  assert.equal(ran.code, 0, ran.stderr)
  assert.equal(said(made.root, 'two'), 'first\nfirst\n')
  const risc = await made.yoe(['container', 'build', 'words', '--machine', 'risc'])
  assert.notEqual(risc.code, 0)
  assert.match(risc.stderr, /has nothing for riscv64\n {2}hint: it is there for amd64|programs of riscv64 don't run/)
})

test('under a Docker daemon', { timeout: 300_000 }, async (t) => {
  const daemon = await dockerDaemon(t)
  if ('why' in daemon) return t.skip(daemon.why)
  const env = { DOCKER_HOST: `unix://${daemon.socket}` }
  const docker = await dockerClient(daemon.socket)
  const registry = await pushed(t)
  const made = testProject(t, {
    ...project,
    'containers/over.star': 'container(name = "over", dockerfile = "Dockerfile")\n',
    'containers/over/Dockerfile': `FROM ${registry.host}/acme/words:1 AS first
RUN speak >/opt/said && chmod 600 /opt/said
FROM ${registry.host}/acme/words:1
COPY --from=first /opt/said /opt/kept
COPY sub /opt/sub
ENV SAYS="more words" EXTRA=x
`,
    'containers/over/sub/file': 'beside\n',
    'containers/upper.star': 'container(name = "upper", dockerfile = "Dockerfile")\n',
    'containers/upper/Dockerfile': 'FROM yoe/over\nRUN cat /opt/kept /opt/sub/file >/opt/all && id >>/opt/all\n',
    'units/u.star': write('words', 'upper', 'cat /opt/all; echo $SAYS $EXTRA'),
  })
  const key = async (): Promise<string> => (await made.yoe(['plan', 'words', '--json'], { env })).stdout

  await t.test('Dockerfiles on images and on each other; nothing of it stays in the daemon', async () => {
    const ran = await made.yoe(['build', 'words'], { env })
    assert.equal(ran.code, 0, ran.stderr)
    assert.equal(said(made.root, 'words'), 'first\nbeside\nuid=0 gid=0 groups=0\nmore words x\n')
    assert.deepEqual(await docker.listImages({ all: true }), [])
    assert.deepEqual(await docker.listContainers({ all: true }), [])
  })

  await t.test('a second build gives the same root', async () => {
    const states = async () =>
      JSON.parse((await made.yoe(['container', 'export', 'upper', '--out', 'x.tar', '--json'], { env })).stdout)
    await states()
    const before = sha256(readFileSync(join(made.root, 'x.tar')))
    const again = await made.yoe(['container', 'build', 'upper', '--force'], { env })
    assert.equal(again.code, 0, again.stderr)
    await states()
    assert.equal(sha256(readFileSync(join(made.root, 'x.tar'))), before)
  })

  await t.test('what lies in the folder decides, and a comment beside it does not', async () => {
    const before = await key()
    made.write({ 'containers/beside.txt': 'x' })
    assert.equal(await key(), before)
    made.write({ 'containers/over/sub/file': 'other\n' })
    assert.notEqual(await key(), before)
  })

  await t.test('RUN has no network, and a failure shows where', async () => {
    made.write({
      'containers/over/Dockerfile': `FROM ${registry.host}/acme/words:1\nRUN ls /sys/class/net && exit 7\n`,
    })
    const ran = await made.yoe(['build', 'over'], { env })
    assert.equal(ran.code, 1)
    assert.match(
      ran.stderr,
      /error\[TASK_FAILED\]: containers\/over\/Dockerfile:1: container "over": The command .* returned a non-zero code: 7/,
    )
    assert.match(ran.stderr, /hint: RUN has no network unless the container says network = True/)
    const log = readFileSync(join(made.root, 'build/debian/over.x86_64/build.log'), 'utf8')
    assert.match(log, /^lo$/m)
    assert.doesNotMatch(log, /^(eth|en)/m)
    assert.deepEqual(await docker.listContainers({ all: true }), [])
  })

  await t.test('docker load and skopeo take an exported one, with its settings', async () => {
    const out = join(made.root, 'words.tar')
    made.write({
      'containers/w.star': `container(name = "words-image", version = "1.0+x", image = "${registry.host}/acme/words:1")\n`,
    })
    const exported = await made.yoe(['container', 'export', 'words-image', '--out', out, '--json'], { env })
    assert.equal(exported.code, 0, exported.stderr)
    assert.deepEqual(faultsOf('container', JSON.parse(exported.stdout)), [])
    const { name } = JSON.parse(exported.stdout)
    assert.equal(name, 'yoe/words-image:1.0-x')
    await finished(docker, await docker.loadImage(out))
    const { Config, Architecture, Created } = await docker.getImage(name).inspect()
    assert.deepEqual(
      [Architecture, Created, Config.Env],
      ['amd64', '2024-01-01T00:00:00Z', ['PATH=/opt/bin:/usr/bin:/bin', 'SAYS=hello there']],
    )
    let spoken = ''
    const heard = new Writable({
      write(chunk: Buffer, _, done) {
        spoken += chunk.toString()
        done()
      },
    })
    await docker.run(name, ['speak'], heard, { Tty: true, HostConfig: { NetworkMode: 'none', AutoRemove: true } })
    assert.equal(spoken.trim(), 'first')
    const seen = JSON.parse(execFileSync('skopeo', ['inspect', '--config', `oci-archive:${out}`], { encoding: 'utf8' }))
    assert.equal(seen.config.Env[1], 'SAYS=hello there')
    const folder = scratch(t)
    chmodSync(folder, 0o755)
    execFileSync('tar', ['-xf', out, '-C', folder])
    execFileSync('umoci', ['unpack', '--rootless', '--image', `${folder}:1.0-x`, join(folder, 'bundle')])
    assert.ok(existsSync(join(folder, 'bundle/rootfs/opt/bin/speak')))
  })
})

test('without a daemon a Dockerfile says what to type, and packages build on', async (t) => {
  const made = testProject(t, {
    ...project,
    'containers/over.star': 'container(name = "over", dockerfile = "Dockerfile")\n',
    'containers/over/Dockerfile': 'FROM scratch\nCOPY x /x\n',
    'containers/over/x': '',
  })
  const ran = await made.yoe(['container', 'build', 'over'], { env: { DOCKER_HOST: 'unix:///nonexistent/socket' } })
  assert.equal(ran.code, 3)
  assert.match(
    ran.stderr,
    /error\[TOOL_MISSING\]: containers\/over\.star:1: container "over" is built by Docker: no Docker daemon answers\n {2}hint: sudo systemctl start docker\n/,
  )
  assert.equal(ran.stderr.trim().split('\n').at(-1)?.startsWith('  hint'), true)
})
