import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type Docker from 'dockerode'
import type { Arch } from '../arch.ts'
import { YoeError } from '../errors.ts'
import { tarEnd, tarHeader, tarPadding } from '../image/tar-write.ts'
import { readZstd } from '../image/zstd.ts'
import { walkTree } from '../source/walk.ts'
import { withBases } from './dockerfile.ts'
import { type ImageSettings, platformOf, settingsOf } from './manifest.ts'

export interface DockerBuild {
  readonly docker: Docker
  /** Absolute folder: all that instructions see of this machine. */
  readonly context: string
  /** Below it. */
  readonly file: string
  /** Names what Docker gets to keep for the time of the build. */
  readonly tag: string
  readonly arch: Arch
  readonly network: boolean
  /** What the names of bases mean: root file systems as zstd tars, and how they are set. */
  readonly bases: ReadonlyMap<string, { readonly tar: string; readonly settings: ImageSettings }>
  /** Seconds since 1970: the time of every file of the context. */
  readonly sourceDateEpoch: number
  readonly log: (text: Uint8Array) => void
  readonly signal: AbortSignal
  /** Takes the finished root file system: one tar, layers laid over each other. */
  readonly take: (tar: AsyncIterable<Uint8Array>) => Promise<void>
}

/** A build said that it failed. */
export class BuildFailed extends Error {
  override readonly name = 'BuildFailed'
}

/** Marks what is ours, so that a later run can clear up after one that was killed. */
const label = { 'io.yoe': 'build' }
const dockerfileName = '.yoe.Dockerfile'

/**
 * Builds a Dockerfile by Docker's own builder, without privileges, with no network unless asked for, and with no other
 * images than the ones given: Docker fetches nothing. Nothing of it stays in the daemon.
 *
 * @throws {BuildFailed} what Docker said; YoeError BAD_FIELD for a .dockerignore; what `take` throws
 */
export async function dockerBuild(input: DockerBuild): Promise<ImageSettings> {
  const { docker, arch, tag, signal, take } = input
  const images: string[] = []
  let container: string | undefined
  try {
    const names = new Map<string, string>()
    for (const [from, base] of input.bases) {
      const name = `yoe-base:${tag.slice(0, 40)}-${names.size}`
      names.set(from, name)
      images.push(name)
      await importBase(docker, name, base, arch)
    }
    const text = withBases(await readFile(join(input.context, input.file), 'utf8'), (from) => names.get(from))
    const name = `yoe-build:${tag.slice(0, 40)}`
    images.push(name)
    const stream = await docker.buildImage(Readable.from(contextTar(input, text)), {
      t: name,
      dockerfile: dockerfileName,
      networkmode: input.network ? 'default' : 'none',
      nocache: true,
      rm: true,
      forcerm: true,
      platform: platformOf(arch),
      labels: label,
      buildargs: input.network ? buildProxies(process.env, input.log) : {},
      abortSignal: signal,
    })
    await follow(stream, (text) => {
      // Of stages nothing has a name in the end.
      for (const [, id = ''] of Buffer.from(text)
        .toString()
        .matchAll(/^ ---> ([0-9a-f]{12,64})$/gm))
        images.push(id)
      input.log(text)
    })
    const settings = settingsOf((await docker.getImage(name).inspect()).Config)
    const made = await docker.createContainer({ Image: name, Cmd: ['/'], Labels: label, platform: platformOf(arch) })
    container = made.id
    const exported = await made.export({ abortSignal: signal })
    await take(Readable.from(exported))
    return settings
  } finally {
    if (container !== undefined)
      await docker
        .getContainer(container)
        .remove({ force: true })
        .catch(() => {})
    // Names first; then layers, the last ones first, since each needs those before it.
    const named = images.filter((image) => image.includes(':'))
    const layers = images.filter((image) => !image.includes(':')).toReversed()
    for (const image of [...named, ...layers])
      await docker
        .getImage(image)
        .remove({ force: true })
        .catch(() => {})
  }
}

async function importBase(
  docker: Docker,
  name: string,
  { tar, settings }: { readonly tar: string; readonly settings: ImageSettings },
  arch: Arch,
): Promise<void> {
  const [repo = '', tag = ''] = name.split(':')
  const changes = [
    'LABEL io.yoe=build',
    ...settings.env.map((line) => `ENV ${line.replace(/=(.*)$/s, (_, value: string) => `=${quoted(value)}`)}`),
    ...(settings.workingDir === '' ? [] : [`WORKDIR ${settings.workingDir}`]),
    ...(settings.user === '' ? [] : [`USER ${settings.user}`]),
    ...(settings.entrypoint.length === 0 ? [] : [`ENTRYPOINT ${JSON.stringify(settings.entrypoint)}`]),
    ...(settings.cmd.length === 0 ? [] : [`CMD ${JSON.stringify(settings.cmd)}`]),
  ]
  await follow(
    await docker.importImage(Readable.from(readZstd(tar)), { repo, tag, changes, platform: platformOf(arch) }),
    () => {},
  )
}

const quoted = (value: string): string => `"${value.replaceAll(/["\\$]/g, '\\$&')}"`

/**
 * As Docker hands them on by itself: they are in no image. An address with a password is not handed on, since every
 * command of the Dockerfile could read it.
 */
export function buildProxies(env: Readonly<Record<string, string | undefined>>, log: (text: Uint8Array) => void) {
  const given: Record<string, string> = {}
  for (const name of ['http_proxy', 'https_proxy', 'no_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY']) {
    const value = env[name]
    if (value === undefined) continue
    if (value.includes('@'))
      log(
        Buffer.from(
          `${name} of this machine holds a password: the build does not get it; Docker's own setting may (proxies in daemon.json)\n`,
        ),
      )
    else given[name] = value
  }
  return given
}

/** What the daemon tells, line by line, to the log. @throws {BuildFailed} */
async function follow(stream: NodeJS.ReadableStream, log: (text: Uint8Array) => void): Promise<void> {
  let rest = ''
  let failure: string | undefined
  const tell = (line: string): void => {
    if (line.trim() === '') return
    const message: unknown = JSON.parse(line)
    if (typeof message !== 'object' || message === null) return
    if ('stream' in message && typeof message.stream === 'string') log(Buffer.from(message.stream))
    if ('error' in message && typeof message.error === 'string') failure = message.error
  }
  for await (const chunk of stream) {
    rest += Buffer.isBuffer(chunk) ? chunk.toString('utf8') : String(chunk)
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) tell(line)
  }
  tell(rest)
  if (failure === undefined) return
  log(Buffer.from(`${failure}\n`))
  throw new BuildFailed(failure)
}

/** The folder as its content identity has it: equal digests give equal bytes. */
async function* contextTar(
  { context, sourceDateEpoch: mtime }: DockerBuild,
  dockerfile: string,
): AsyncGenerator<Buffer> {
  const text = Buffer.from(dockerfile)
  yield tarHeader({ path: dockerfileName, type: 'file', mode: 0o644, mtime, size: text.length })
  yield text
  yield tarPadding(text.length)
  for (const entry of walkTree(context)) {
    const path = Buffer.from(entry.path).toString('latin1')
    if (entry.path === '.dockerignore' || entry.path.endsWith('/.dockerignore'))
      throw new YoeError('BAD_FIELD', `${entry.path} beside the Dockerfile is not read: all of the folder counts`, {
        hint: 'remove it, and keep in the folder only what the image needs',
      })
    if (entry.kind === 'folder') yield tarHeader({ path, type: 'directory', mode: 0o755, mtime })
    else if (entry.kind === 'link')
      yield tarHeader({ path, type: 'symlink', mode: 0o777, mtime, link: Buffer.from(entry.target).toString('latin1') })
    else {
      const file = join(context, entry.path)
      const { size } = await stat(file)
      yield tarHeader({ path, type: 'file', mode: entry.executable ? 0o755 : 0o644, mtime, size })
      let left = size
      for await (const chunk of createReadStream(file)) {
        const bytes = Buffer.from(chunk).subarray(0, left)
        left -= bytes.length
        yield bytes
      }
      if (left > 0) throw new YoeError('BAD_FIELD', `${file} became shorter while it was read`)
      yield tarPadding(size)
    }
  }
  yield tarEnd
}
