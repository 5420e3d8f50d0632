import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type Docker from 'dockerode'
import { YoeError } from '../errors.ts'
import { refuseLink } from './bwrap.ts'
import { groupOf } from './cgroup.ts'
import { type ContainerIds, containerOptions } from './docker-container.ts'
import { entryFailed } from './docker-entry.ts'
import { RootImages, removeImages } from './docker-images.ts'
import { removeContainer, removeOrphans } from './docker-orphans.ts'
import { startDockerRelay } from './docker-relay.ts'
import { openEgress } from './egress.ts'
import { diagnose, dockerObstacle } from './hosttools.ts'
import { rootRange, self, writePlainMaps, writeRootMaps } from './identity.ts'
import { cleanLine } from './log.ts'
import { refuseCancelled, Supervision } from './supervision.ts'
import { openTree } from './tree.ts'
import { descendants, tooMuchMemory } from './watch.ts'
import type { Run, RunResult, Usability, Worker } from './worker.ts'

export interface DockerOptions {
  /** Folder for notes of which image each root became; in the cache. */
  readonly records: string
  /** Path of the daemon's socket; otherwise what DOCKER_HOST says, or Docker's own place. */
  readonly socketPath?: string | undefined
}

/** A daemon, connected to when first asked for. */
interface Daemon {
  readonly docker: Docker
  readonly images: RootImages
}

/**
 * Runs commands in containers of a Docker daemon of this machine: the same root, mounts, identity, refusals and limits as
 * under bubblewrap. Containers get no capability, no device, no network, and never an id that is anybody outside.
 */
export function dockerWorker(options: DockerOptions): Worker {
  let daemon: Promise<Daemon> | undefined
  let probed: Promise<Usability> | undefined
  const connect = (): Promise<Daemon> => {
    daemon ??= openDaemon(options)
    return daemon
  }
  return {
    name: 'docker',
    probe: () => {
      probed ??= probe(connect)
      return probed
    },
    run: async (run) => runInDocker(run, await connect()),
    prepareWritable: (tree) => openTree(tree, 'rw'),
    prepareReadable: (tree) => openTree(tree, 'r'),
  }
}

/** Whether a daemon answers, without asking it for more. */
export async function dockerAnswers(): Promise<Usability> {
  try {
    const docker = await dockerClient()
    await answering(() => docker.ping())
    return { ok: true }
  } catch (failure) {
    if (!(failure instanceof YoeError)) throw failure
    return { ok: false, reason: failure.message, hint: failure.hint ?? 'yoe doctor' }
  }
}

/** Removes the images that roots became; without a daemon that answers there is nothing that can be removed. */
export async function removeRecordedImages(records: string): Promise<void> {
  if ((await dockerAnswers()).ok) await removeImages(await dockerClient(), records)
}

/** A client of the daemon. */
export async function dockerClient(socketPath?: string): Promise<Docker> {
  const { default: Client } = await import('dockerode')
  return new Client(socketPath === undefined ? undefined : { socketPath })
}

async function openDaemon({ records, socketPath }: DockerOptions): Promise<Daemon> {
  const docker = await dockerClient(socketPath)
  await answering(() => removeOrphans(docker))
  return { docker, images: new RootImages(docker, records) }
}

/** @throws {YoeError} SANDBOX_UNAVAILABLE for what the daemon, or nobody, answered */
async function answering<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (cause) {
    if (cause instanceof YoeError) throw cause
    const { reason, hint } = dockerObstacle(cause instanceof Error ? cause : new Error(String(cause)))
    throw new YoeError('SANDBOX_UNAVAILABLE', reason, { hint, cause })
  }
}

async function probe(connect: () => Promise<Daemon>): Promise<Usability> {
  const folder = await mkdtemp(join(tmpdir(), 'yoe-probe-'))
  try {
    const daemon = await connect()
    const info: unknown = await answering(() => daemon.docker.info())
    const rootless = JSON.stringify(info).includes('name=rootless')
    if (rootless)
      return {
        ok: false,
        reason: 'the Docker daemon runs without root, and has no ids to give to runs',
        hint: 'use bubblewrap, which needs no daemon: sudo apt-get install bubblewrap',
      }
    const secret = randomBytes(8).toString('hex')
    await writeFile(join(folder, 'here'), secret)
    for (const identity of ['user', 'install'] as const) {
      let said = ''
      const mounts = [{ source: folder, target: '/mnt', writable: false }]
      await openTree(folder, 'r')
      const result = await runInDocker(
        {
          root: 'host',
          argv: ['cat', '/mnt/here'],
          env: {},
          cwd: '/',
          mounts,
          network: false,
          identity,
          limits: probeLimits,
          output: (chunk) => {
            said += Buffer.from(chunk).toString()
          },
        },
        daemon,
      )
      if (result.kind !== 'exited' || result.code !== 0 || said !== secret)
        return {
          ok: false,
          reason: `a container did not see a folder of this machine: ${cleanLine(said)}`,
          hint: 'the daemon has to run on this machine: unset DOCKER_HOST',
        }
    }
    return { ok: true }
  } catch (failure) {
    if (!(failure instanceof YoeError)) throw failure
    return { ok: false, reason: failure.message, hint: failure.hint ?? 'yoe doctor' }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const probeLimits = {
  wallSeconds: 60,
  silenceSeconds: 60,
  processes: 64,
  memoryBytes: 2 ** 30,
  fileBytes: 2 ** 20,
  scratchEntries: 1000,
  logBytes: 2 ** 20,
  outputBytes: 2 ** 20,
}

async function runInDocker(run: Run, daemon: Daemon): Promise<RunResult> {
  refuseCancelled(run)
  if (run.terminal === true)
    throw new YoeError('SANDBOX_UNAVAILABLE', 'a container has no terminal', { hint: '--worker bwrap gives it one' })
  for (const { source } of run.mounts) await refuseLink(source)
  const { docker, images } = daemon
  const who = await self()
  const ids: ContainerIds = who.root ? { uid: rootRange.first, gid: rootRange.first } : who
  const token = `yoe-${randomBytes(8).toString('hex')}`
  await using egress = run.network ? await openEgress(run, who.root ? ids.uid : undefined) : undefined
  const container = await answering(async () => {
    const image = run.root === 'host' ? await images.hostId() : await images.idOf(run.root)
    const env = { ...egress?.environment, ...run.env }
    return docker.createContainer(await containerOptions({ ...run, env }, image, ids, token))
  })
  const supervision = new Supervision(run, () => {
    container.kill({ signal: 'SIGKILL' }).catch(() => {}) // It has ended by itself.
  })
  let stopRelay = async (): Promise<void> => {}
  const lead = async (): Promise<void> => {
    if (egress !== undefined)
      stopRelay = await startDockerRelay(docker, images, container.id, egress, ids, supervision.crossed)
  }
  try {
    const code = await answering(() => start(run, container, token, supervision, lead))
    const { OOMKilled } = (await answering(() => container.inspect())).State
    if (OOMKilled) supervision.crossed(tooMuchMemory(run.limits), 'memory')
    const result = supervision.result(
      code === entryFailed && /^unshare: |^mount: |^sh: /m.test(supervision.tail) ? undefined : code,
    )
    if (result !== undefined) return result
    const { reason, hint } = diagnose(supervision.tail)
    throw new YoeError('SANDBOX_UNAVAILABLE', `no sandbox could be made in a container: ${cleanLine(reason)}`, { hint })
  } finally {
    supervision.stop()
    await stopRelay()
    await removeContainer(docker, container.id)
  }
}

/**
 * Starts a container and waits for its end.
 *
 * @param lead makes its way to the network, where it has one
 * @returns its exit status
 */
async function start(
  run: Run,
  container: Docker.Container,
  token: string,
  supervision: Supervision,
  lead: () => Promise<void>,
): Promise<number> {
  const stream = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true })
  const printed = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      supervision.received(chunk)
      done()
    },
  })
  const drained = new Promise<void>((resolve, reject) => {
    container.modem.demuxStream(stream, printed, printed)
    stream.once('end', resolve)
    stream.once('close', resolve)
    stream.once('error', reject)
  })
  const ended: Promise<{ StatusCode: number }> = container.wait({ condition: 'next-exit' })
  ended.catch(() => {})
  await container.start()
  const first = await firstProcess(container, token)
  if (first !== undefined) {
    supervision.started(first, await groupOf(first))
    if (run.identity === 'install') await giveIds(first)
    await lead()
  }
  stream.write('go\n')
  stream.end(run.stdin ?? '')
  const { StatusCode } = await ended
  await drained
  return StatusCode
}

/**
 * The host's number of a container's first process; undefined when it has ended. The daemon says that it started before
 * it became the entry.
 *
 * @throws {YoeError} SANDBOX_UNAVAILABLE when it is not among the processes seen here
 */
async function firstProcess(container: Docker.Container, token: string): Promise<number | undefined> {
  for (let tries = 0; tries < 500; tries++) {
    const { Pid } = (await container.inspect()).State
    if (Pid === 0) return undefined
    const line = await readFile(`/proc/${Pid}/cmdline`, 'latin1').catch(() => '')
    if (line.split('\0').includes(token)) return Pid
    await sleep(10)
  }
  throw new YoeError('SANDBOX_UNAVAILABLE', "processes of the Docker daemon's containers can't be seen from here", {
    hint: 'the daemon has to run on this machine: unset DOCKER_HOST',
  })
}

/** Waits for the user namespace that an installing container's entry makes, and writes its ids from outside. */
async function giveIds(first: number): Promise<void> {
  const namespaceOf = (pid: number): Promise<string> => readlink(`/proc/${pid}/ns/user`).catch(() => '')
  const outer = await namespaceOf(first)
  for (let tries = 0; tries < 500; tries++) {
    for (const pid of descendants(first).slice(1)) {
      const inner = await namespaceOf(pid)
      if (inner === '' || inner === outer) continue
      const who = await self()
      await (who.root ? writeRootMaps(pid) : writePlainMaps(pid, who))
      return
    }
    await sleep(10)
  }
}
