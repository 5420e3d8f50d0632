import { join, resolve } from 'node:path'
import { userErrors, YoeError, YoeErrors } from '#engine/errors.ts'
import type { Reporter } from '#engine/events.ts'
import type { Lock } from '#engine/modules/lock.ts'
import { keyOf, moduleEntry } from '#engine/modules/lock.ts'
import { isCommit } from '#engine/modules/reference.ts'
import { digestOf } from '#engine/plan/canonical.ts'
import type { Evaluated } from '#engine/project/evaluate.ts'
import type { Project } from '#engine/project/model.ts'
import { shippedModules } from './assets.ts'
import { checkCachePlace } from './cache-place.ts'
import { engineState } from './engine-state.ts'
import { pinImages } from './image-pins.ts'
import { keepProject, readKeptProject } from './kept-project.ts'
import { readLocal } from './local/file.ts'
import type { Local } from './local/settings.ts'
import { readLock } from './lock-file.ts'
import { pinSources } from './pins.ts'
import type { ProjectFile } from './project-file.ts'
import { buildFolder, locateProject } from './project-file.ts'

export interface WorkspaceOptions {
  readonly cwd: string
  /** A folder with a PROJECT.star, or a file that declares a project. */
  readonly project: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly offline: boolean
  /** Take only what `yoe.lock` has; undefined: what the environment says. */
  readonly locked?: boolean | undefined
  /** `--worker`: where tasks run; undefined: what the environment and local.star say. */
  readonly worker?: string | undefined
  /** `--remote-cache`: the caches shared with other machines, nearest first; undefined: what the environment and the project say. */
  readonly remoteCaches?: readonly string[] | undefined
  readonly report: Reporter
  readonly signal: AbortSignal
}

/** A project on this machine, and where its things lie. */
export interface Workspace extends WorkspaceOptions, ProjectFile {
  /** What this machine's developer chose. */
  readonly local: Local
  /** `$YOE_CACHE`, else that of local.star, else (once it is evaluated: {@link loadProject}) the project's, else `cache/`. */
  readonly cacheRoot: string
  /** A folder for every unit: `build/`, or for a project that is not PROJECT.star a folder in it. */
  readonly buildRoot: string
  /** `repo/`: package repositories. */
  readonly repoRoot: string
  /** Those of the project, once it is evaluated; see `declaredMirrors`. */
  readonly mirrors?: Readonly<Record<string, string>>
}

/** An evaluated project, and the workspace as it wants it. */
export interface Loaded extends Evaluated {
  readonly workspace: Workspace
}

/** Finds the project and reads its local.star. @throws {YoeErrors} PROJECT_NOT_FOUND, or what is wrong with local.star */
export function openWorkspace(options: WorkspaceOptions): Workspace {
  const { cwd, project, env } = options
  const file = locateProject(cwd, project, env)
  const { root, entry } = file
  const local = readLocal(root)
  return {
    ...options,
    ...file,
    local,
    cacheRoot: cacheFolder(cwd, root, env, local, undefined),
    buildRoot: join(root, 'build', buildFolder(entry)),
    repoRoot: join(root, 'repo'),
  }
}

/** @param declared `cache(path = …)` of the project, relative to its root */
function cacheFolder(
  cwd: string,
  root: string,
  env: WorkspaceOptions['env'],
  { settings }: Local,
  declared: string | undefined,
): string {
  const { YOE_CACHE: cache } = env
  if (cache !== undefined && cache !== '') return resolve(cwd, cache)
  return resolve(root, settings.cache ?? declared ?? 'cache')
}

/**
 * The evaluated project. The last evaluation is kept and used as long as everything that it looked at is as it was: then
 * no Starlark runs at all. Deleting what is kept changes nothing.
 *
 * @param machine undefined: that of local.star, else the project's default
 * @throws {YoeErrors} everything that is wrong with the project
 */
export async function loadProject(workspace: Workspace, machine: string | undefined): Promise<Loaded> {
  const { root, entry, local } = workspace
  const request = { root, entry, machine: machine ?? local.settings.machine, shippedModules: shippedModules() }
  const kept = (lock: Lock): string => keptPath(workspace, request.machine, lock)
  const state = readLock(workspace)
  const known = readKeptProject(kept(state.lock))
  if (known !== undefined && !(state.locked && lacksModules(state.lock, known.project))) {
    return loaded(workspace, known, state.lock)
  }
  const { evaluateSynced } = await import('./evaluating.ts')
  const settle = (project: Pick<Project, 'cache' | 'sources'>): Workspace => settled(workspace, project)
  const { evaluated, sync } = await evaluateSynced(request, settle, state).catch((failure: unknown) => {
    throw machine === undefined ? blamingLocal(failure, local) : failure
  })
  const lock = (await sync?.finish()) ?? state.lock
  await keepProject(kept(lock), evaluated)
  return loaded(workspace, evaluated, lock)
}

/** Not in the cache: where that is, the project itself may say. */
function keptPath({ root, entry }: Workspace, machine: string | undefined, lock: Lock): string {
  const request = { root, entry, machine: machine ?? '', shippedModules: shippedModules() }
  const key = digestOf('yoe-evaluated/1', { ...request, engine: engineState(), modules: lockedModules(lock) })
  return join(root, 'build', evaluatedFolder, key)
}

/** The project as it was when a command last evaluated it, though files may have changed since: for suggestions. */
export function knownProject(workspace: Workspace, machine: string | undefined): Project | undefined {
  const { lock } = readLock(workspace)
  const path = keptPath(workspace, machine ?? workspace.local.settings.machine, lock)
  return readKeptProject(path, true)?.project
}

function loaded(workspace: Workspace, evaluated: Evaluated, lock: Lock): Loaded {
  const project = pinImages(pinSources(evaluated.project, lock), lock)
  return { ...evaluated, project, workspace: settled(workspace, project) }
}

/** What an evaluation depends on of a lock. */
function lockedModules({ modules }: Lock): readonly string[] {
  return modules.map((entry) => `${keyOf(entry)} ${entry.commit}`)
}

/** Whether a module's ref means a commit that nothing locked. */
function lacksModules({ modules }: Lock, project: Project): boolean {
  const known = new Set(modules.map(keyOf))
  return project.modules.some(
    ({ origin }) => origin.kind === 'git' && !isCommit(origin.ref) && !known.has(keyOf(moduleEntry(origin, ''))),
  )
}

/** In `build/`: what commands need not work out again. No distro is called so. */
export const evaluatedFolder = '.evaluated'

/** The workspace with the cache and the mirrors that the project itself may name. @throws {YoeError} PERMISSION */
export function settled(workspace: Workspace, { cache, sources }: Pick<Project, 'cache' | 'sources'>): Workspace {
  const { cwd, root, env, local } = workspace
  const { mirrors = {} } = sources
  const cacheRoot = cacheFolder(cwd, root, env, local, cache.path)
  checkCachePlace(cacheRoot)
  return { ...workspace, mirrors, cacheRoot }
}

/** A machine that only local.star asked for is missing there. */
function blamingLocal(failure: unknown, { at }: Local): unknown {
  const place = at.get('machine')
  const errors = place === undefined ? undefined : userErrors(failure)
  if (errors === undefined) return failure
  return new YoeErrors(
    errors.map((error) =>
      error.code === 'MACHINE_NOT_FOUND' && error.at === undefined
        ? new YoeError(error.code, error.message, { at: place, hint: error.hint, cause: error })
        : error,
    ),
  )
}

/** Absolute path of a place of an evaluated project. */
export function placeResolver({
  project,
}: Pick<Evaluated, 'project'>): (place: { readonly module: string; readonly path: string }) => string {
  const roots = new Map([
    ['', project.root],
    ...project.modules.map((module): [string, string] => [module.name, module.root]),
  ])
  return (place) => {
    const root = roots.get(place.module)
    if (root === undefined) throw new TypeError(`no module ${place.module}`)
    return join(root, place.path)
  }
}
