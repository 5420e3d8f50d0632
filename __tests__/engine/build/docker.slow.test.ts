import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { copyFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { dockerClient, dockerWorker } from '#engine/build/docker.ts'
import { hostFolders, RootImages, removeImages } from '#engine/build/docker-images.ts'
import { isGone, ownerLabel, removeOrphans, thisOwner } from '#engine/build/docker-orphans.ts'
import { defaultLimits } from '#engine/build/worker.ts'
import { dockerDaemon } from '../../support/docker-daemon.ts'
import { ending } from '../../support/processes.ts'
import { checkout } from '../../support/project.ts'
import { smallRoot } from './helpers.ts'
import { assertWorkerTests, workerTests } from './worker-tests.ts'

const containerPrograms = ['sh', 'env', 'unshare', 'setpriv', 'mount', 'chmod', 'cat', 'bash']

/** What a run of this root says. */
async function say(worker: ReturnType<typeof dockerWorker>, root: string, script: string): Promise<string> {
  let said = ''
  await worker.run({
    root,
    argv: ['bash', '-c', script],
    env: { PATH: '/usr/bin:/bin' },
    cwd: '/',
    mounts: [],
    network: false,
    identity: 'user',
    limits: defaultLimits,
    output: (chunk) => {
      said += Buffer.from(chunk).toString()
    },
  })
  return said
}

async function folder(t: TestContext): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'yoe-docker-test-'))
  t.after(() => rm(made, { recursive: true, force: true }))
  return made
}

test('under a Docker daemon', { timeout: 400_000 }, async (t) => {
  const daemon = await dockerDaemon(t)
  if ('why' in daemon) return t.skip(daemon.why)
  const { socket: socketPath } = daemon
  const docker = await dockerClient(socketPath)
  const records = await folder(t)

  await t.test('runs are what they are under bubblewrap: the same tests, the same probe', async () => {
    const child = spawn(process.execPath, workerTests(checkout), {
      stdio: ['ignore', 'pipe', 'pipe'],
      // NODE_TEST_CONTEXT, among others, has to stay here.
      env: { PATH: process.env['PATH'], TMPDIR: tmpdir(), YOE_TEST_DOCKER: socketPath, YOE_TEST_RECORDS: records },
      cwd: checkout,
    })
    const ran = await ending(child)
    assertWorkerTests(ran)
    t.diagnostic([...ran.stdout.matchAll(/^# (\d+ checks)$/gm)].map(([, checks]) => checks).join(', '))
  })

  await t.test('no container is left', async () => {
    await removeOrphans(docker)
    assert.deepEqual(await docker.listContainers({ all: true, filters: JSON.stringify({ label: ['io.yoe'] }) }), [])
  })

  await t.test('a root is imported once, and found again by its digest though its name moved', async (t) => {
    const dir = await folder(t)
    const records = join(dir, 'records')
    const [first, second] = [join(dir, 'first'), join(dir, 'second')]
    for (const [root, text] of [
      [first, 'one'],
      [second, 'two'],
    ] as const) {
      await smallRoot(root, containerPrograms)
      await writeFile(join(root, 'marker'), text)
    }
    const worker = dockerWorker({ socketPath, records })
    assert.equal(await say(worker, first, 'cat /marker'), 'one')
    const id = await new RootImages(docker, records).idOf(first)
    assert.equal(await new RootImages(docker, records).idOf(first), id)
    // Somebody points the name at another image: what a runner that trusts names would run.
    const [record] = await readdir(records)
    const other = await new RootImages(docker, records).idOf(second)
    assert.notEqual(other, id)
    await docker.getImage(other).tag({ repo: 'yoe-root', tag: record ?? '' })
    assert.equal((await docker.getImage(`yoe-root:${record}`).inspect()).Id, other)
    assert.equal(await say(dockerWorker({ socketPath, records }), first, 'cat /marker'), 'one')
    // … and removes the right one altogether.
    await docker.getImage(id).remove({ force: true })
    assert.equal(await say(dockerWorker({ socketPath, records }), first, 'cat /marker'), 'one')
  })

  await t.test('containers of processes that are gone are removed, those of others stay', async (t) => {
    const dir = await folder(t)
    const image = await new RootImages(docker, dir).hostId()
    const [namespace = '', pid = '', start = ''] = thisOwner().split(' ')
    assert.equal(isGone(thisOwner()), false)
    const owners = {
      mine: thisOwner(),
      reused: `${namespace} ${pid} ${Number(start) + 1}`,
      elsewhere: `pid:[1] ${pid} ${start}`,
      ended: `${namespace} 4194304 1`,
    }
    for (const [name, owner] of Object.entries(owners))
      await docker.createContainer({
        Image: image,
        name,
        Cmd: ['true'],
        Labels: { 'io.yoe': 'run', [ownerLabel]: owner },
      })
    assert.equal(await removeOrphans(docker), 2)
    const left = await docker.listContainers({ all: true, filters: JSON.stringify({ label: ['io.yoe=run'] }) })
    assert.deepEqual(left.flatMap(({ Names }) => Names).toSorted(), ['/elsewhere', '/mine'])
    for (const { Id } of left) await docker.getContainer(Id).remove({ force: true })
  })

  await t.test('the same probe in a container by hand finds leaks', async (t) => {
    const dir = await folder(t)
    await copyFile(join(import.meta.dirname, 'probe.pl'), join(dir, 'probe.pl'))
    const container = await docker.createContainer({
      Image: await new RootImages(docker, join(dir, 'records')).hostId(),
      Cmd: ['perl', '/probe/probe.pl'],
      Env: ['PROBE_IDENTITY=user', 'PROBE_READONLY=/probe', 'PROBE_WRITABLE=/tmp'],
      HostConfig: {
        Binds: [...(await hostFolders()).map((path) => `${path}:${path}:ro`), `${dir}:/probe`],
        NetworkMode: 'host',
      },
    })
    t.after(() => container.remove({ force: true }))
    const stream = await container.attach({ stream: true, stdout: true, stderr: true })
    let said = ''
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString('latin1')
    })
    await container.start()
    await container.wait()
    const leaks = [...said.matchAll(/LEAK ([^:\n]+)/g)].map(([, name]) => name)
    t.diagnostic(`${leaks.length} leaks`)
    for (const expected of [
      'F1 password hashes',
      'F1 write /',
      'F3 interfaces',
      'F8 device node',
      'F8 chown to another',
      'capabilities',
    ])
      assert.ok(leaks.includes(expected), `${expected} is not found in ${leaks.join(', ')}`)
  })

  await t.test('a daemon that is not there is told of, with what starts it', async (t) => {
    const dir = await folder(t)
    const absent = dockerWorker({ socketPath: join(dir, 'nothing'), records: dir })
    assert.deepEqual(await absent.probe(), {
      ok: false,
      reason: 'no Docker daemon answers',
      hint: 'sudo systemctl start docker',
    })
  })

  await t.test('images of roots are removed with the cache that made them', async (t) => {
    const dir = await folder(t)
    const id = await new RootImages(docker, records).hostId()
    await removeImages(docker, records)
    await assert.rejects(docker.getImage(id).inspect(), { statusCode: 404 })
    await writeFile(join(dir, 'gone'), `${id}\n`)
    await removeImages(docker, dir)
  })
})
