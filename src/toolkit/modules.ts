import { relative } from 'node:path'
import { userErrors, YoeError, YoeErrors } from '#engine/errors.ts'
import type { Lock } from '#engine/modules/lock.ts'
import { keyOf, moduleEntry } from '#engine/modules/lock.ts'
import { isCommit, repositoryOf } from '#engine/modules/reference.ts'
import { compareVersions, parseVersion } from '#engine/modules/version.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { ModuleInfo, ModuleRequirement } from '#engine/project/model.ts'
import { shippedModules } from './assets.ts'
import { readLock } from './lock-file.ts'
import type { SyncedModule, SyncOptions } from './module-sync.ts'
import type { Workspace } from './workspace.ts'
import { loadProject, settled } from './workspace.ts'

/** One module of a project, for people and scripts. */
export interface ModuleState {
  readonly name: string
  readonly description: string
  /** `shipped`, `local` or `git`. */
  readonly kind: ModuleInfo['origin']['kind']
  /** `yoe:NAME`, a folder relative to the project, or the repository and the folder in it. */
  readonly from: string
  /** Of modules from repositories. */
  readonly ref?: string
  readonly commit?: string
  /** Whether yoe.lock has the commit, or the ref is one. */
  readonly locked?: boolean
  /** Listed by the project, as opposed to asked for by a module. */
  readonly listed: boolean
  /** Absolute. */
  readonly root: string
  /** Where it is asked for first. */
  readonly at: ModuleInfo['at']
  readonly requires: readonly ModuleRequirement[]
  /** Modules that ask for it. */
  readonly requiredBy: readonly string[]
}

/** The modules of a project in rising priority; those that are missing are fetched. */
export async function listModules(workspace: Workspace): Promise<readonly ModuleState[]> {
  const { project } = await loadProject(workspace, undefined)
  return modulesOf(project.modules, readLock(workspace).lock, project.root)
}

function modulesOf(modules: readonly ModuleInfo[], lock: Lock, root: string): readonly ModuleState[] {
  const locked = new Set(lock.modules.map(keyOf))
  return modules.map((module): ModuleState => {
    const { name, description, origin, listed, requires, at } = module
    const base = { name, description, kind: origin.kind, listed, root: module.root, at, requires }
    const requiredBy = modules
      .filter((other) => other.requires.some((dep) => dep.name === name))
      .map((other) => other.name)
    if (origin.kind !== 'git') {
      const from = origin.kind === 'local' ? relative(root, origin.folder) || '.' : repositoryOf(name, origin)
      return { ...base, from, requiredBy }
    }
    const { ref, commit } = origin
    const known = isCommit(ref) || locked.has(keyOf(moduleEntry(origin, '')))
    return { ...base, from: repositoryOf(name, origin), ref, commit, locked: known, requiredBy }
  })
}

/** A module by its name, with or without `@` and `module-`. @throws {YoeError} MODULE_NOT_FOUND */
export function findModule<M extends { readonly name: string }>(modules: readonly M[], asked: string): M {
  const name = asked.replace(/^@/, '')
  const found = [name, `module-${name}`].flatMap((one) => modules.find((module) => module.name === one) ?? [])[0]
  if (found !== undefined) return found
  const names = modules.map((module) => module.name)
  throw new YoeError('MODULE_NOT_FOUND', `this project has no module "${name}"`, {
    hint: didYouMean(name, names) ?? `there are: ${names.join(', ') || 'none'}`,
  })
}

/** Evaluates PROJECT.star and the modules, whatever is wrong with units. */
export async function syncWith(
  workspace: Workspace,
  options: SyncOptions,
  state = readLock(workspace),
): Promise<{
  readonly modules: readonly ModuleInfo[]
  readonly synced: readonly SyncedModule[]
  /** As the project wants it. */
  readonly workspace: Workspace
  finish(): Promise<Lock>
}> {
  const { evaluateSyncedModules } = await import('./evaluating.ts')
  const { root, entry } = workspace
  const request = { root, entry, machine: undefined, shippedModules: shippedModules() }
  let wanted = workspace
  const { modules, sync } = await evaluateSyncedModules(
    request,
    (project) => {
      wanted = settled(workspace, project)
      return wanted
    },
    state,
    options,
  )
  return {
    modules,
    synced: sync?.synced ?? [],
    workspace: wanted,
    finish: async () => (await sync?.finish()) ?? state.lock,
  }
}

export interface SyncedState extends ModuleState {
  /** Its files had to be brought here, or brought again. */
  readonly fetched: boolean
}

/** Brings all modules here, and makes sure that their files are those of their commits. */
export async function syncModules(workspace: Workspace): Promise<readonly SyncedState[]> {
  const { modules, synced, finish } = await syncWith(workspace, { verify: true })
  const states = modulesOf(modules, await finish(), workspace.root)
  const fetched = new Set(synced.filter((one) => one.fetched).map(({ name }) => name))
  return states.map((state) => ({ ...state, fetched: fetched.has(state.name) }))
}

/** What the repository of a module has by now. */
export interface ModuleUpdate {
  readonly name: string
  readonly from: string
  readonly ref: string
  readonly commit: string
  /** Where the ref is now, when that is somewhere else. */
  readonly moved?: string
  /** The ref is a tag: those are not meant to move. */
  readonly tag: boolean
  /** The newest version above the ref, when that is a version. */
  readonly newer?: string
}

/** Asks the repositories of all modules what is new. @throws {YoeErrors} FETCH_FAILED for each that does not answer */
export async function checkUpdates(opened: Workspace): Promise<readonly ModuleUpdate[]> {
  const { modules, workspace } = await syncWith(opened, {})
  const [{ listRefs }, { moduleAddresses, named }] = await Promise.all([
    import('#engine/source/git-refs.ts'),
    import('./module-sync.ts'),
  ])
  const { offline, signal } = workspace
  const asked = await Promise.allSettled(
    modules
      .flatMap(({ name, origin, at }) => (origin.kind === 'git' ? [{ name, origin, at }] : []))
      .map(async ({ name, origin, at }): Promise<ModuleUpdate> => {
        const { url, ref, commit } = origin
        const question = { url, candidates: moduleAddresses(workspace, url), offline, signal }
        const { tags, branches } = await listRefs(question).catch((failure: unknown) => {
          throw named(name, failure, at)
        })
        const now = tags.get(ref) ?? branches.get(ref)
        const newer = newestAbove(ref, [...tags.keys()])
        return {
          name,
          from: repositoryOf(name, origin),
          ref,
          commit,
          tag: tags.has(ref),
          ...(now === undefined || now === commit ? {} : { moved: now }),
          ...(newer === undefined ? {} : { newer }),
        }
      }),
  )
  const errors = asked.flatMap((each) => {
    if (each.status === 'fulfilled') return []
    const known = userErrors(each.reason)
    if (known === undefined) throw each.reason
    return known
  })
  if (errors.length > 0) throw new YoeErrors(errors)
  return asked.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
}

/** The highest version among tags that is above a version; releases before ones on the way to them. */
function newestAbove(ref: string, tags: readonly string[]): string | undefined {
  const mine = parseVersion(ref)
  if (mine === undefined) return undefined
  const above = tags.flatMap((tag) => {
    const version = parseVersion(tag)
    if (version === undefined || compareVersions(version, mine) <= 0) return []
    return version.pre.length > 0 && mine.pre.length === 0 ? [] : [{ tag, version }]
  })
  return above.sort((a, b) => compareVersions(a.version, b.version)).at(-1)?.tag
}
