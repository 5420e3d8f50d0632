import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { replaceFile } from '#engine/build/folders.ts'
import { YoeError } from '#engine/errors.ts'
import type { Reporter } from '#engine/events.ts'
import { digestOf } from '#engine/plan/canonical.ts'
import type { Evaluated } from '#engine/project/evaluate.ts'
import { stillTrue } from '#engine/project/files.ts'
import { version } from '#engine/version.ts'
import { shippedModules } from './assets.ts'
import { openKept, sealKept } from './kept.ts'

/** Raised when an evaluated project of an older version of this file must not be believed. */
const evaluatedRevision = 2

export interface WorkspaceOptions {
  readonly cwd: string
  /** A folder with a PROJECT.star, or that file. */
  readonly project: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly offline: boolean
  readonly report: Reporter
  readonly signal: AbortSignal
}

/** A project on this machine, and where its things lie. */
export interface Workspace extends WorkspaceOptions {
  /** Absolute folder of PROJECT.star. */
  readonly root: string
  /** `$YOE_CACHE`, by default `cache/` of the project. */
  readonly cacheRoot: string
  /** `build/`: a folder for every unit. */
  readonly buildRoot: string
  /** `repo/`: package repositories. */
  readonly repoRoot: string
}

/** Finds the project: the option, `$YOE_PROJECT`, or upwards from here. @throws {YoeError} PROJECT_NOT_FOUND */
export function openWorkspace(options: WorkspaceOptions): Workspace {
  const root = locate(options)
  const { YOE_CACHE: cache } = options.env
  return {
    ...options,
    root,
    cacheRoot: cache === undefined || cache === '' ? join(root, 'cache') : resolve(options.cwd, cache),
    buildRoot: join(root, 'build'),
    repoRoot: join(root, 'repo'),
  }
}

function locate({ cwd, project, env }: WorkspaceOptions): string {
  const named = project ?? env['YOE_PROJECT']
  if (named !== undefined && named !== '') {
    const path = resolve(cwd, named)
    const folder = basename(path) === 'PROJECT.star' ? dirname(path) : path
    if (existsSync(join(folder, 'PROJECT.star'))) return folder
    throw new YoeError('PROJECT_NOT_FOUND', `there is no PROJECT.star in ${folder}`, {
      hint: 'name the folder that holds it',
    })
  }
  for (let folder = cwd; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'PROJECT.star'))) return folder
    if (folder === dirname(folder)) break
  }
  throw new YoeError('PROJECT_NOT_FOUND', `neither ${cwd} nor a folder above it has a PROJECT.star`, {
    hint: 'yoe init NAME makes a new project; --project DIR names one elsewhere',
  })
}

/**
 * The evaluated project. The last evaluation is kept and used as long as everything that it looked at is as it was: then
 * no Starlark runs at all. Deleting what is kept changes nothing.
 *
 * @param machine overrides the project's default; undefined: the default
 * @throws {YoeErrors} everything that is wrong with the project
 */
export async function loadProject(workspace: Workspace, machine: string | undefined): Promise<Evaluated> {
  const modules = shippedModules()
  const key = digestOf('yoe-evaluated/1', {
    version,
    evaluatedRevision,
    root: workspace.root,
    machine: machine ?? '',
    modules,
  })
  const kept = join(workspace.cacheRoot, 'evaluated', `${key}.json`)
  const known = await readEvaluated(kept)
  if (known !== undefined && stillTrue(known.facts)) return known
  const [{ evaluateProject }, { formatBuiltins }] = await Promise.all([
    import('#engine/project/evaluate.ts'),
    import('./formats.ts'),
  ])
  const evaluated = await evaluateProject({
    root: workspace.root,
    machine,
    shippedModules: modules,
    formatBuiltins: await formatBuiltins(),
  })
  await keep(kept, evaluated)
  return evaluated
}

async function readEvaluated(path: string): Promise<Evaluated | undefined> {
  try {
    const body = openKept(await readFile(path, 'utf8'))
    if (body === undefined) return undefined
    // Written by this very version for this very folder, and whole; `facts` decides about the rest.
    const document: Evaluated = JSON.parse(body)
    return document
  } catch {
    return undefined
  }
}

/** An accelerator: a cache that can't be written to (a read-only checkout) is no failure. */
async function keep(path: string, evaluated: Evaluated): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true })
    await replaceFile(path, sealKept(JSON.stringify(evaluated)))
  } catch (failure) {
    if (!(failure instanceof Error && 'code' in failure)) throw failure
  }
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
