import { resolve } from 'node:path'
import { Bundle, damaged } from '#engine/bundle/read.ts'
import type { Taken } from '#engine/bundle/take.ts'
import { takeBundle } from '#engine/bundle/take.ts'
import { userErrors, YoeError } from '#engine/errors.ts'
import type { Lock } from '#engine/modules/lock.ts'
import { entriesOf, lockFile, parseLock } from '#engine/modules/lock.ts'
import { inOrder, manifestArch } from '#engine/plan/graph.ts'
import { fetchSource } from '#engine/source/fetch.ts'
import { revokedIds } from '#engine/store/named-keys.ts'
import { Store } from '#engine/store/store.ts'
import { declaredProject } from '../declared-project.ts'
import { fetcherOf } from '../fetching.ts'
import { formatOf } from '../formats.ts'
import { addToLock, readLock } from '../lock-file.ts'
import { makePlan } from '../planning.ts'
import type { Workspace } from '../workspace.ts'
import { loadProject } from '../workspace.ts'
import { bundleTrust } from './keys.ts'
import type { BundleSummary } from './summary.ts'
import { partsOfBundle } from './summary.ts'

export interface ImportOptions {
  /** As typed. */
  readonly path: string
  /** A file with public keys, or one key; undefined: those of the project. */
  readonly verify: string | undefined
  /** Take it whoever signed it. */
  readonly unsigned: boolean
}

/** How far a target of the bundle is built already in this project. */
export interface Fit {
  readonly target: string
  readonly machine: string
  readonly distro: string
  /** Units, images and roots that it is made of, and how many of them are here. */
  readonly needed: number
  readonly here: number
}

export interface Imported extends Taken {
  readonly project: string
  readonly signer: string | null
  readonly fits: readonly Fit[]
}

/**
 * Takes a bundle into the project's cache: all of it, or what was taken when it stopped, never anything that is not what
 * its digest says.
 *
 * @throws {YoeError} BUNDLE_INVALID, BUNDLE_UNTRUSTED, DISK_FULL
 */
export async function importBundle(opened: Workspace, options: ImportOptions): Promise<Imported> {
  const { workspace, project } = await declaredProject({ ...opened, offline: true })
  const { report, signal, cwd } = workspace
  const { path } = options
  await using bundle = await Bundle.open(resolve(cwd, path))
  const { index, signer = null } = bundle
  const trust = { ...(await bundleTrust({ project, workspace }, options.verify)), unsigned: options.unsigned }
  const doubt = bundle.distrust(trust)
  if (doubt !== undefined)
    throw new YoeError('BUNDLE_UNTRUSTED', `${path} is not taken: ${doubt}`, {
      hint: 'name its key with --verify KEY, if that is who should have made it; --unsigned takes it from anybody',
    })
  const lock = lockOf(path, index.lock)
  const store = await Store.open(workspace.cacheRoot, { report, revoked: revokedIds(project.cache.signing) })
  try {
    const taken = await takeBundle(store, bundle, path, { trust, report, signal })
    for (const { feed, distro, text } of index.lists) {
      const reason = text === '' ? undefined : await formatOf(distro).learnFeed(text, workspace.cacheRoot)
      if (reason !== undefined) throw damaged(path, `feed ${feed}: ${reason}`)
    }
    if (index.project !== project.name)
      report({
        type: 'warning',
        message: `${path} was made for the project ${index.project}, and this is ${project.name}`,
        hint: 'import it where that project is',
      })
    else await mergeLock(workspace, lock)
    const fits = await fitsOf(workspace, bundle, store)
    return { project: index.project, signer, ...taken, fits }
  } finally {
    await store.release()
  }
}

/** What a bundle is, without taking anything of it. @throws {YoeError} BUNDLE_INVALID */
export async function inspectBundle(path: string): Promise<BundleSummary> {
  await using bundle = await Bundle.open(path)
  const { index, signer = null, size } = bundle
  const { project, targets, objects } = index
  return { project, targets, signer, size, objects: objects.length, parts: partsOfBundle(index) }
}

function lockOf(path: string, text: string): Lock | undefined {
  try {
    return text === '' ? undefined : parseLock(text)
  } catch (failure) {
    const [error] = userErrors(failure) ?? []
    if (error === undefined) throw failure
    throw damaged(path, `its ${lockFile}: ${error.message}`)
  }
}

/** A project that was never locked gets what the bundle was made with. */
async function mergeLock(workspace: Workspace, lock: Lock | undefined): Promise<void> {
  const before = readLock(workspace)
  if (lock === undefined || !before.writable) return
  const after = await addToLock(workspace, entriesOf(lock))
  if (entriesOf(after).length > entriesOf(before.lock).length)
    workspace.report({ type: 'notice', message: `${lockFile} keeps what the bundle was made with` })
}

/** Makes sources ready, and says how much of the targets is here; a project that can't be planned is told so. */
async function fitsOf(workspace: Workspace, { index }: Bundle, store: Store): Promise<readonly Fit[]> {
  const { report } = workspace
  try {
    await readySources(workspace, index, store)
    const fits: Fit[] = []
    for (const { name, machine, distro } of index.targets) {
      const plan = await makePlan(workspace, { machine, distro, targets: [name] })
      const nodes = inOrder(plan.targets)
      let here = 0
      for (const node of nodes) {
        const key = plan.keys.get(node)
        if (key !== undefined && (await store.manifest(manifestArch(node), key.hash)) !== undefined) here++
      }
      fits.push({ target: name, machine, distro, needed: nodes.length, here })
    }
    return fits
  } catch (failure) {
    const [error] = userErrors(failure) ?? []
    if (error === undefined || error.code === 'CANCELLED') throw failure
    const { message, hint, at } = error
    report({
      type: 'warning',
      message: `the bundle is in the cache, but this project can't be built with it alone: ${message}`,
      ...(hint === undefined ? {} : { hint }),
      ...(at === undefined ? {} : { at }),
    })
    return []
  }
}

/** Unpacks the commits of units' sources, and notes that this project wants its sources. */
async function readySources(workspace: Workspace, { files, commits }: Bundle['index'], store: Store): Promise<void> {
  const { project } = await loadProject(workspace, undefined)
  const { report, signal, buildRoot } = workspace
  const known = new Set([...files.map(({ sha256 }) => sha256), ...commits.map(({ commit }) => commit)])
  const environment = { store, fetcher: fetcherOf(workspace, project), offline: true, report, signal, buildRoot }
  for (const unit of project.units) {
    if (unit.kind !== 'package' || unit.source === undefined || unit.source.kind === 'path') continue
    const id = unit.source.kind === 'archive' ? unit.source.sha256 : unit.source.commit
    if (id !== undefined && known.has(id)) await fetchSource(unit.source, environment)
  }
}
