import { existsSync } from 'node:fs'
import type { Position } from '#engine/errors.ts'
import { YoeError } from '#engine/errors.ts'
import { step } from '#engine/events.ts'
import { checkoutFolder, checkoutModule } from '#engine/modules/checkout.ts'
import type { Lock, Locked, ModuleLock } from '#engine/modules/lock.ts'
import { keyOf, lockFile, moduleEntry } from '#engine/modules/lock.ts'
import type { GitModule } from '#engine/modules/reference.ts'
import { canonicalUrl, isCommit, shownPlace } from '#engine/modules/reference.ts'
import type { Checkout, ModuleSource } from '#engine/modules/source.ts'
import { askRef } from '#engine/source/git-refs.ts'
import { candidates } from '#engine/source/mirrors.ts'
import { Store } from '#engine/store/store.ts'
import type { LockState } from './lock-file.ts'
import { addToLock } from './lock-file.ts'
import { declaredMirrors } from './mirrors.ts'
import type { Workspace } from './workspace.ts'

export interface SyncOptions {
  /** Whether a module's ref is asked for anew although it is locked. Default: never. */
  readonly move?: (name: string) => boolean
  /** Compare files that are there already with their commits. */
  readonly verify?: boolean
}

/** A module of a repository that was asked for, and what its ref means. */
export interface SyncedModule {
  readonly name: string
  readonly module: GitModule
  readonly commit: string
  /** What the ref turned out to be when it was asked for; undefined when it was locked, or is a commit. */
  readonly asked: 'tag' | 'branch' | undefined
  /** Its files had to be brought here. */
  readonly fetched: boolean
}

/** Brings modules of repositories into the cache: at the locked commit, else at the one that their ref is at now. */
export class ModuleSync implements ModuleSource {
  readonly #workspace: Workspace
  readonly #state: LockState
  readonly #options: SyncOptions
  readonly #synced = new Map<string, SyncedModule>()
  /** What goes on in each repository. */
  readonly #busy = new Map<string, Promise<unknown>>()
  #store: Promise<Store> | undefined

  constructor(workspace: Workspace, state: LockState, options: SyncOptions = {}) {
    this.#workspace = workspace
    this.#state = state
    this.#options = options
  }

  /** Every module that was asked for, in the order in which it came. */
  get synced(): readonly SyncedModule[] {
    return [...this.#synced.values()]
  }

  /** What the lock should say of them. */
  get entries(): readonly ModuleLock[] {
    return this.synced.flatMap(({ module, commit }) => (isCommit(module.ref) ? [] : [moduleEntry(module, commit)]))
  }

  checkout(name: string, module: GitModule, at: Position): Promise<Checkout> {
    const url = canonicalUrl(module.url)
    const before = this.#busy.get(url) ?? Promise.resolve()
    const mine = before.then(() => this.#checkout(name, module, at))
    this.#busy.set(
      url,
      mine.catch(() => {}),
    )
    return mine
  }

  async #checkout(name: string, module: GitModule, at: Position): Promise<Checkout> {
    const locked = this.#entry(module)
    const kept = this.#options.move?.(name) === true ? undefined : locked
    const { commit, kind } = await this.#commit(name, module, kept, at)
    const { cacheRoot, report } = this.#workspace
    const root = checkoutFolder(cacheRoot, name, module.path, commit)
    let fetched = false
    if (this.#options.verify === true || !existsSync(root)) {
      const title = `Fetch module ${name} at ${module.ref}`
      fetched = await step(report, title, () => this.#fetch(name, module, commit, kept))
    }
    this.#synced.set(keyOf(moduleEntry(module, commit)), { name, module, commit, asked: kind, fetched })
    if (kind === 'branch' && locked === undefined && this.#options.move === undefined) {
      report({
        type: 'warning',
        message: `module "${name}" follows the branch ${module.ref}, which nothing locked: it is at ${commit.slice(0, 12)} now`,
        at,
        hint: this.#state.writable
          ? `yoe.lock keeps it there; yoe update ${name} moves it`
          : 'yoe update writes yoe.lock; commit it',
      })
    }
    return { root, commit }
  }

  #entry(module: GitModule): Locked<ModuleLock> | undefined {
    const key = keyOf(moduleEntry(module, ''))
    return this.#state.lock.modules.find((entry) => keyOf(entry) === key)
  }

  async #commit(
    name: string,
    module: GitModule,
    kept: ModuleLock | undefined,
    at: Position,
  ): Promise<{ readonly commit: string; readonly kind: 'tag' | 'branch' | undefined }> {
    if (isCommit(module.ref)) return { commit: module.ref, kind: undefined }
    if (kept !== undefined) return { commit: kept.commit, kind: undefined }
    if (this.#state.locked) throw this.#stale(name, module, at)
    const { offline, signal } = this.#workspace
    const question = { url: module.url, candidates: this.#candidates(module.url), offline, signal }
    return step(this.#workspace.report, `Ask for ${module.ref} of module ${name}`, () =>
      askRef(question, module.ref),
    ).catch((failure: unknown) => {
      throw named(name, failure)
    })
  }

  #stale(name: string, module: GitModule, at: Position): YoeError {
    const url = canonicalUrl(module.url)
    const other = this.#state.lock.modules.find((entry) => entry.url === url && entry.path === module.path)
    const place = shownPlace(name, module)
    const message =
      other === undefined
        ? `module "${name}" is not in yoe.lock: ${place}`
        : `yoe.lock has ${other.ref} of module "${name}", and ${at.file}:${at.line} asks for ${module.ref}`
    return new YoeError('LOCK_STALE', message, {
      at: other === undefined ? at : { file: lockFile, line: other.line, column: 1 },
      hint: `yoe update ${name}, and commit yoe.lock`,
    })
  }

  async #fetch(
    name: string,
    module: GitModule,
    commit: string,
    locked: Locked<ModuleLock> | undefined,
  ): Promise<boolean> {
    const { cacheRoot, offline, signal, report } = this.#workspace
    const { verify = false } = this.#options
    try {
      this.#store ??= Store.open(cacheRoot, { report })
      const store = await this.#store
      const { url, path } = module
      return await checkoutModule({
        store,
        name,
        url,
        candidates: this.#candidates(url),
        path,
        commit,
        offline,
        signal,
        verify,
      })
    } catch (failure) {
      if (!(failure instanceof YoeError) || failure.code !== 'FETCH_FAILED' || locked === undefined)
        throw named(name, failure)
      throw new YoeError('FETCH_FAILED', `module "${name}": ${failure.message}`, {
        at: { file: lockFile, line: locked.line, column: 1 },
        hint: offline
          ? failure.hint
          : `if ${module.ref} has moved and that commit is gone: yoe update ${name}; else check the address`,
        cause: failure,
      })
    }
  }

  #candidates(url: string): readonly string[] {
    return moduleAddresses(this.#workspace, url)
  }

  /** Writes down what was not locked. @returns the lock as it is then */
  async finish(): Promise<Lock> {
    const { lock, writable } = this.#state
    const missing = this.entries.filter((entry) => !lock.modules.some((known) => keyOf(known) === keyOf(entry)))
    if (missing.length === 0 || !writable) return lock
    return writeDown(this.#workspace, lock, missing)
  }
}

/** Where a module's repository is asked for, best first. */
export function moduleAddresses(workspace: Workspace, url: string): readonly string[] {
  return candidates([url], declaredMirrors(workspace))
}

/** Says which module a failure is about. @param place where it is asked for, of a failure that says no place itself */
export function named(name: string, failure: unknown, place?: Position): unknown {
  if (!(failure instanceof YoeError) || failure.fault === 'environment' || failure.code === 'CANCELLED') return failure
  const { code, message, hint, at = place, cause } = failure
  return new YoeError(code, `module "${name}": ${message}`, { hint, at, cause })
}

/** Adds to yoe.lock and says so; a project that can't be written to is built all the same. */
export async function writeDown(
  workspace: Workspace,
  lock: Lock,
  missing: Parameters<typeof addToLock>[1],
): Promise<Lock> {
  const { report } = workspace
  try {
    const after = await addToLock(workspace, missing)
    const count = (kind: 'module' | 'source' | 'image'): string => {
      const number = missing.filter((entry) => entry.kind === kind).length
      return number === 0 ? '' : `${number} ${kind}${number === 1 ? '' : 's'}`
    }
    const what = [count('module'), count('source'), count('image')].filter((text) => text !== '').join(' and ')
    report({
      type: 'notice',
      message: `yoe.lock keeps ${what} where ${missing.length === 1 ? 'it is' : 'they are'} now: commit it`,
    })
    return after
  } catch (failure) {
    if (!(failure instanceof YoeError) || failure.code !== 'PERMISSION') throw failure
    report({
      type: 'warning',
      message: `yoe.lock can't be written, so nothing keeps refs where they are: ${failure.message}`,
    })
    return lock
  }
}
