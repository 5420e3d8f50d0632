import { join, resolve } from 'node:path'
import { userErrors, YoeError, YoeErrors } from '#engine/errors.ts'
import type { Reporter } from '#engine/events.ts'
import { digestOf } from '#engine/plan/canonical.ts'
import type { Evaluated, EvaluateRequest } from '#engine/project/evaluate.ts'
import { shippedModules } from './assets.ts'
import { engineState } from './engine-state.ts'
import { keepProject, readKeptProject } from './kept-project.ts'
import { readLocal } from './local/file.ts'
import type { Local } from './local/settings.ts'
import type { ProjectFile } from './project-file.ts'
import { buildFolder, locateProject } from './project-file.ts'

export interface WorkspaceOptions {
  readonly cwd: string
  /** A folder with a PROJECT.star, or a file that declares a project. */
  readonly project: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly offline: boolean
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
  const modules = shippedModules()
  const request = { root, entry, machine: machine ?? local.settings.machine, shippedModules: modules }
  const key = digestOf('yoe-evaluated/1', { ...request, engine: engineState(), machine: request.machine ?? '' })
  // Not in the cache: where that is, the project itself may say.
  const kept = join(root, 'build', evaluatedFolder, `${key}`)
  const known = readKeptProject(kept)
  if (known !== undefined) return { ...known, workspace: settled(workspace, known) }
  const evaluated = await evaluateAnew(request).catch((failure: unknown) => {
    throw machine === undefined ? blamingLocal(failure, local) : failure
  })
  await keepProject(kept, evaluated)
  return { ...evaluated, workspace: settled(workspace, evaluated) }
}

/** In `build/`: what commands need not work out again. No distro is called so. */
export const evaluatedFolder = '.evaluated'

function settled(workspace: Workspace, _evaluated: Evaluated): Workspace {
  const { cwd, root, env, local } = workspace
  return { ...workspace, cacheRoot: cacheFolder(cwd, root, env, local, undefined) }
}

async function evaluateAnew(request: Omit<EvaluateRequest, 'formatBuiltins'>): Promise<Evaluated> {
  const [{ evaluateProject }, { formatBuiltins }] = await Promise.all([
    import('#engine/project/evaluate.ts'),
    import('./formats.ts'),
  ])
  return evaluateProject({ ...request, formatBuiltins: await formatBuiltins() })
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
}: Evaluated): (place: { readonly module: string; readonly path: string }) => string {
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
