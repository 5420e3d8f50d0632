import { existsSync } from 'node:fs'
import { chmod, chown, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { YoeError } from '../errors.ts'
import type { DevSource } from '../plan/dev-source.ts'
import type { PackageNode } from '../plan/graph.ts'
import type { PackageUnit } from '../project/model.ts'
import { placeLabel } from '../project/place.ts'
import type { RemoteSource } from '../source/fetch.ts'
import { fetchSource } from '../source/fetch.ts'
import { repositoryOf } from '../source/git.ts'
import { withCommit } from '../source/git-repository.ts'
import { copyTree, treeDigest } from '../source/tree.ts'
import { unpackArchive } from '../source/unpack.ts'
import type { Upstream } from '../source/work-tree.ts'
import { headOf, importUpstream, patchesId, readPrepared, sourceId, writePrepared } from '../source/work-tree.ts'
import { editsIn, recordProducts, startProducts } from '../source/work-tree-edits.ts'
import { TreeGit } from '../source/work-tree-git.ts'
import { commitPatches, type PatchFile } from '../source/work-tree-patches.ts'
import { syncTree } from '../source/work-tree-sync.ts'
import type { BuildContext } from './context.ts'
import { keyOf } from './context.ts'
import { tasksOf } from './debug-info.ts'
import { inside } from './environment.ts'
import type { NodeFolders } from './folders.ts'
import { firstTask, Progress, partsOf, readWorkState } from './resume.ts'
import type { TaskSource } from './run-tasks.ts'
import { removeTree } from './tree.ts'
import type { UnitLog } from './unit-log.ts'

/** A unit's source, ready for its tasks. */
export interface PreparedSource extends TaskSource {
  /** After the last task, however it ended. */
  done(): Promise<void>
}

/**
 * Prepares a unit's source: a copy of a folder of the project; or a git work tree of what an archive or a commit holds,
 * with the unit's patches as commits; or, in dev state, the copy of its work tree that earlier builds worked in.
 *
 * @param toolchain root whose programs unpack
 * @throws {YoeError} SOURCE_STATE when the work tree holds edits that would be lost
 */
export async function prepareSource(
  context: BuildContext,
  node: PackageNode,
  toolchain: string,
  folders: NodeFolders,
  log: UnitLog,
): Promise<PreparedSource> {
  const { source } = node.unit
  const plain = { folder: folders.source, mounts: [], env: {}, done: async () => {} }
  if (source === undefined || source.kind === 'path') {
    await emptyFolder(folders.source)
    await removeTree(folders.git)
    if (source !== undefined) await copyTree(context.absolute(source.place), folders.source, context.sourceDateEpoch)
    return plain
  }
  const { dev } = keyOf(context, node)
  if (dev !== undefined) return prepareWork(context, node, source, dev, folders, log)
  await removeTree(folders.work)
  await prepareTree(context, node, source, toolchain, folders, log)
  await startProducts(folders)
  const git = new TreeGit(folders.git, folders.source)
  const done = async (): Promise<void> => {
    await reclaim(folders)
    await recordProducts(git, folders)
  }
  return { folder: folders.source, ...visible(source, folders), done }
}

/**
 * What tasks see of a tree's repository. Of git sources it is all, unchangeable, so that `git describe` answers as in a
 * clone; an archive has no history, and what looks for one finds none, as where the archive is unpacked by hand.
 */
export function visible(source: RemoteSource, folders: NodeFolders): Pick<TaskSource, 'mounts' | 'env'> {
  // Nobody but yoe says where the repository is: the user's git believes this file.
  const pointer = { source: join(folders.source, '.git'), target: `${inside.source}/.git`, writable: false }
  if (source.kind === 'archive') return { mounts: [pointer], env: {} }
  return {
    mounts: [pointer, { source: folders.git, target: `${inside.source}.git`, writable: false }],
    // It may belong to another id than that of the run.
    env: {
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'safe.directory',
      GIT_CONFIG_VALUE_0: '*',
      GIT_OPTIONAL_LOCKS: '0',
    },
  }
}

/**
 * Makes a unit's work tree anew from its declared source and patches.
 * @throws {YoeError} SOURCE_STATE; TASK_FAILED for a patch that does not apply; FETCH_FAILED, …
 */
export async function prepareTree(
  context: BuildContext,
  node: PackageNode,
  source: RemoteSource,
  toolchain: string,
  folders: NodeFolders,
  log: UnitLog,
): Promise<void> {
  await refuseToLose(node, folders)
  await rm(join(folders.git, 'yoe.json'), { force: true })
  await emptyFolder(folders.source)
  const upstream = await unpackUpstream(context, node, source, toolchain, folders.source, log)
  const git = await importUpstream(folders, upstream, context.signal)
  await reclaim(folders)
  const base = await git.run(['rev-parse', 'HEAD'])
  const prepared = { source: upstream.id, version: node.unit.version, upstream: base }
  // Already a tree that somebody may work in: a patch that does not apply is mended there.
  await writePrepared(folders, { ...prepared, patches: patchesId([]), head: base })
  const patches = patchesOf(context, node.unit)
  if (patches.length === 0) return
  log.note(patches.length === 1 ? 'one patch' : `${patches.length} patches`)
  const head = await commitPatches(git, folders, patches, context.signal)
  await writePrepared(folders, { ...prepared, patches: digestOfPatches(patches), head })
}

/** The identity of patches as they are now. */
export function digestOfPatches(patches: readonly PatchFile[]): string {
  return patchesId(patches.map(({ path }) => treeDigest(path, undefined)))
}

/** The unit's patches, as files. */
export function patchesOf(context: Pick<BuildContext, 'absolute'>, { patches }: PackageUnit): readonly PatchFile[] {
  return patches.map((place) => ({ path: context.absolute(place), label: placeLabel(place) }))
}

/** Unpacks a unit's declared source into an empty folder. */
export async function unpackUpstream(
  context: BuildContext,
  { unit }: PackageNode,
  source: RemoteSource,
  toolchain: string,
  dest: string,
  log: UnitLog,
): Promise<Upstream> {
  const { worker, signal } = context
  const { archive, title } = await fetchSource(source, context)
  log.note(`unpack ${title}`)
  // A commit's tree has no folder around it.
  await unpackArchive({ worker, root: toolchain, archive, title, dest, strip: source.kind === 'archive', signal })
  const base = { name: unit.name, version: unit.version, id: sourceId(source) }
  if (source.kind === 'archive' || source.commit === undefined) return base
  const repository = await repositoryWith(context, source, source.commit)
  const tag = source.refKind === 'tag' ? source.ref : undefined
  return { ...base, ...(repository === undefined ? {} : { real: { repository, commit: source.commit, tag } }) }
}

/** The repository of the cache that has a commit; what is kept of its tree may have outlived it. */
async function repositoryWith(
  { store, fetcher, offline, signal }: BuildContext,
  { url }: Extract<RemoteSource, { kind: 'git' }>,
  commit: string,
): Promise<string | undefined> {
  const place = repositoryOf(store, url)
  if (existsSync(join(place.folder, 'refs', 'yoe', commit))) return place.folder
  const candidates = fetcher.locate?.(url) ?? [url]
  try {
    return await withCommit({ url, commit, candidates, store, offline, signal, ...place }, async ({ folder }) => folder)
  } catch (failure) {
    if (!(failure instanceof YoeError) || failure.code !== 'FETCH_FAILED') throw failure
    return undefined // then its history is not to be seen
  }
}

/** Edits in a pinned tree were made after its last build, and nobody has taken note of them. */
async function refuseToLose({ unit }: PackageNode, folders: NodeFolders): Promise<void> {
  const prepared = readPrepared(folders)
  if (prepared === undefined || !existsSync(join(folders.source, '.git'))) return
  const git = new TreeGit(folders.git, folders.source)
  const edits = await editsIn(git, folders)
  const moved = headOf(folders) !== prepared.head
  if (edits.length === 0 && !moved) return
  const what = moved
    ? 'commits'
    : edits
        .slice(0, 3)
        .map(({ path }) => path)
        .join(', ') + (edits.length > 3 ? ', …' : '')
  throw new YoeError('SOURCE_STATE', `${folders.source} has edits of yours that this build would lose: ${what}`, {
    at: unit.at,
    unit: unit.name,
    hint: `yoe dev ${unit.name} keeps them and builds with them; yoe dev pin ${unit.name} --discard drops them`,
  })
}

/** Runs of root belong to somebody else; git refuses to work in a tree whose top is not the user's. */
export async function reclaim({ source }: NodeFolders): Promise<void> {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0]
  if (uid === 0) for (const path of [source, join(source, '.git')]) await chown(path, uid, gid)
}

/** The folder itself stays: somebody may have a shell in it. */
async function emptyFolder(path: string): Promise<void> {
  const names = await readdir(path).catch(() => [])
  if (names.length > 1000) await removeTree(path)
  else if (names.length > 0) await removeTree(...names.map((name) => join(path, name)))
  await mkdir(path, { recursive: true })
  // Whatever the umask: tasks see the modes, and runs of root belong to somebody else.
  await chmod(path, 0o755)
}

/** The copy of a work tree that tasks of a unit in dev state run in, with what they made there before. */
async function prepareWork(
  context: BuildContext,
  node: PackageNode,
  source: RemoteSource,
  dev: DevSource,
  folders: NodeFolders,
  log: UnitLog,
): Promise<PreparedSource> {
  const { root, work, destdir } = folders
  const record = join(root, 'work.files')
  const { base, tasks } = partsOf(keyOf(context, node).inputs, tasksOf(node.unit))
  const before = readWorkState(root)
  const keep = context.clean !== true && before?.base === base && existsSync(record) && existsSync(work)
  if (keep) await context.worker.prepareWritable(work)
  else {
    await removeTree(work)
    await rm(record, { force: true })
  }
  const changed = await syncTree(folders.source, work, record)
  // Whoever saves a file while it is copied builds again; what was copied must be what the key says.
  if (treeDigest(folders.source, context.store.root, { anyLink: true }) !== dev.content) {
    throw new YoeError('SOURCE_STATE', `${folders.source} changed while ${node.unit.name} was about to be built`, {
      unit: node.unit.name,
      hint: `yoe build ${node.unit.name}`,
    })
  }
  log.note(keep ? `${changed.length} files changed in the source` : 'a new copy of the source')
  const first = keep ? firstTask(before, tasks, changed) : 0
  const state = { base, content: dev.content, tasks: keep ? (before?.tasks ?? []) : [], complete: false }
  const progress = new Progress(root, destdir, state, first, tasks)
  return { folder: work, ...visible(source, folders), progress, done: async () => {} }
}
