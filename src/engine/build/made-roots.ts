import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ImageSettings } from '../containers/manifest.ts'
import { imageText } from '../containers/reference.ts'
import { YoeError } from '../errors.ts'
import { step } from '../events.ts'
import type { ToolchainNode } from '../plan/graph.ts'
import type { ContainerImage, Dockerfile } from '../project/model.ts'
import { placeLabel } from '../project/place.ts'
import type { UnitManifest } from '../store/manifest.ts'
import type { Store } from '../store/store.ts'
import { type BuildContext, keyOf } from './context.ts'
import type { Produced, Results } from './executor.ts'
import type { UnitLog } from './unit-log.ts'
import { defaultLimits } from './worker.ts'

/** What a root is stored as. */
export const rootArchive = 'root.tar.zst'
/** How the image of a root is set, where it was one. */
const rootSettings = 'image.json'

const plain: ImageSettings = { env: [], entrypoint: [], cmd: [], workingDir: '', user: '' }

/** How a finished root is set: what its image said, nothing for one of packages. @throws {YoeError} STORE_DAMAGED */
export async function settingsOfRoot(store: Store, { files, unit }: UnitManifest): Promise<ImageSettings> {
  const file = files.find(({ name }) => name === rootSettings)
  if (file === undefined) return plain
  const path = await store.objects.path(file.sha256)
  if (path === undefined)
    throw new YoeError('STORE_DAMAGED', `the settings of ${unit} in the cache are damaged`, {
      hint: `yoe build --force ${unit} makes it anew`,
    })
  const { settingsOf } = await import('../containers/manifest.ts')
  const { env, entrypoint, cmd, workingDir, user } = JSON.parse(await readFile(path, 'utf8'))
  return settingsOf({ Env: env, Entrypoint: entrypoint, Cmd: cmd, WorkingDir: workingDir, User: user })
}

/** Brings an image of a registry here as a root file system. No daemon takes part. */
export async function pullRoot(
  context: BuildContext,
  node: ToolchainNode,
  image: ContainerImage,
  log: UnitLog,
): Promise<readonly Produced[]> {
  const [{ Registry }, { mergeLayers, readLayer }] = await Promise.all([
    import('../containers/registry.ts'),
    import('../containers/layers.ts'),
  ])
  const { store, fetcher, offline, report, signal, sourceDateEpoch } = context
  const title = imageText(image)
  log.note(`image ${title} sha256:${image.digest}`)
  try {
    const { config, layers } = await new Registry({ fetcher, store, offline, report, signal }).pull(image, node.arch)
    const workdir = await workFolder(store)
    await step(report, `unpack ${layers.length} layers`, () =>
      mergeLayers({
        layers: layers.map((path, index) => ({ content: readLayer(path, title), sha256: config.diffIds[index] })),
        title,
        temp: join(workdir, 'contents'),
        output: join(workdir, rootArchive),
        sourceDateEpoch,
        signal,
      }),
    )
    return produced(workdir, config.settings)
  } catch (failure) {
    throw placed(failure, node, image.at)
  }
}

/** Builds a Dockerfile by Docker, as a root file system. */
export async function dockerfileRoot(
  context: BuildContext,
  node: ToolchainNode,
  dockerfile: Dockerfile,
  results: Results,
  log: UnitLog,
): Promise<readonly Produced[]> {
  const [{ dockerClient }, { dockerObstacle }, { BuildFailed, dockerBuild }, { mergeLayers }] = await Promise.all([
    import('./docker.ts'),
    import('./hosttools.ts'),
    import('../containers/docker-build.ts'),
    import('../containers/layers.ts'),
  ])
  const { store, report, signal, sourceDateEpoch, absolute } = context
  const { unit, arch } = node
  const docker = await dockerClient()
  await docker.ping().catch((cause: unknown) => {
    const { reason, hint } = dockerObstacle(cause instanceof Error ? cause : new Error(String(cause)))
    throw new YoeError('TOOL_MISSING', `container "${unit.name}" is built by Docker: ${reason}`, {
      at: unit.at,
      unit: unit.name,
      hint,
      cause,
    })
  })
  const bases = new Map<string, { tar: string; settings: ImageSettings }>()
  for (const [from, base] of node.bases ?? []) {
    const manifest = await results.manifestOf(base)
    bases.set(from, { tar: await archiveOf(store, manifest), settings: await settingsOfRoot(store, manifest) })
  }
  const workdir = await workFolder(store)
  const place = { ...dockerfile.context, path: `${dockerfile.context.path}/${dockerfile.file}` }
  try {
    const settings = await step(report, `docker build ${unit.name}`, () =>
      dockerBuild({
        docker,
        context: absolute(dockerfile.context),
        file: dockerfile.file,
        tag: keyOf(context, node).hash,
        arch,
        network: dockerfile.network,
        bases,
        sourceDateEpoch,
        log: log.write,
        signal: AbortSignal.any([signal, AbortSignal.timeout(defaultLimits.wallSeconds * 1000)]),
        take: (tar) =>
          mergeLayers({
            layers: [{ content: tar }],
            title: unit.name,
            temp: join(workdir, 'contents'),
            output: join(workdir, rootArchive),
            sourceDateEpoch,
            signal,
          }),
      }),
    )
    return await produced(workdir, settings)
  } catch (failure) {
    if (signal.aborted) throw new YoeError('CANCELLED', `building ${unit.name} was cancelled`)
    if (!(failure instanceof BuildFailed) && !isRefusal(failure)) throw placed(failure, node, unit.at)
    const offline = dockerfile.network ? undefined : 'RUN has no network unless the container says network = True; '
    throw new YoeError('TASK_FAILED', `container "${unit.name}": ${firstLine(failure)}`, {
      at: { file: placeLabel(place), line: 1, column: 1 },
      unit: unit.name,
      log: log.excerpt(),
      hint: `${offline ?? ''}yoe log ${unit.name} shows all of it`,
      cause: failure,
    })
  }
}

/** A stored root's tar. @throws {YoeError} STORE_DAMAGED */
export async function archiveOf(store: Store, { files, unit }: UnitManifest): Promise<string> {
  const file = files.find(({ name }) => name === rootArchive)
  const tar = file === undefined ? undefined : await store.objects.path(file.sha256)
  if (tar !== undefined) return tar
  throw new YoeError('STORE_DAMAGED', `the root of ${unit} in the cache is damaged`, {
    hint: `yoe build --force ${unit} makes it anew`,
  })
}

async function workFolder(store: Store): Promise<string> {
  const folder = store.temp()
  await mkdir(folder, { recursive: true })
  return folder
}

async function produced(workdir: string, settings: ImageSettings): Promise<readonly Produced[]> {
  const path = join(workdir, rootSettings)
  await writeFile(path, `${JSON.stringify(settings, undefined, 1)}\n`)
  return [
    { name: rootArchive, path: join(workdir, rootArchive) },
    { name: rootSettings, path },
  ]
}

/** The daemon refused something before the build said so itself. */
const isRefusal = (failure: unknown): failure is Error => failure instanceof Error && 'statusCode' in failure

const firstLine = (failure: Error): string => failure.message.trim().split('\n')[0] ?? ''

function placed(failure: unknown, { unit }: ToolchainNode, at: ContainerImage['at']): unknown {
  if (!(failure instanceof YoeError) || failure.at !== undefined || failure.code === 'CANCELLED') return failure
  const { code, message, hint, cause } = failure
  return new YoeError(code, message, { at, unit: unit.name, hint, cause })
}
