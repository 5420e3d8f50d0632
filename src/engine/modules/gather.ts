import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { YoeErrorCode, YoeErrorOptions } from '../errors.ts'
import { userErrors, YoeError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import { anchor } from './anchor.ts'
import type { ModuleReference } from './reference.ts'
import { shownPlace } from './reference.ts'
import type { Demand, ResolvedModule } from './resolve.ts'
import { resolveModules, shownPath } from './resolve.ts'
import type { ModuleSource } from './source.ts'

/** A module whose files are on this machine. */
export interface PresentModule {
  /** Absolute. */
  readonly root: string
  /** Of modules from repositories. */
  readonly commit?: string
  readonly deps: readonly ModuleReference[]
}

export interface Gathering {
  /** Absolute folder of the project. */
  readonly root: string
  /** Absolute folder of the modules that ship with this tool. */
  readonly shippedModules: string
  readonly source: ModuleSource
  /** The deps that the MODULE.star in a folder declares, as it says them; errors in it are told. */
  readonly readDeps: (name: string, root: string) => Promise<readonly ModuleReference[]>
  readonly fail: (failure: YoeError) => void
}

/** Brings all modules of a project onto this machine, and says which of them count, in rising priority. */
export async function gatherModules(
  listed: readonly ModuleReference[],
  gathering: Gathering,
): Promise<readonly ResolvedModule<PresentModule>[]> {
  const fail = (code: YoeErrorCode, message: string, options: YoeErrorOptions): void =>
    gathering.fail(new YoeError(code, message, options))
  const ofProject = listed.flatMap((reference) => anchor(reference, { root: gathering.root, from: undefined }) ?? [])
  return resolveModules(ofProject, {
    fail,
    open: async (demands) => {
      const present = await Promise.all(demands.map((demand) => find(demand, gathering)))
      const opened: (PresentModule | undefined)[] = []
      for (const [index, { reference }] of demands.entries()) {
        const found = present[index]
        opened.push(found === undefined ? undefined : await withDeps(reference, found, gathering, fail))
      }
      return opened
    },
  })
}

type Found = Omit<PresentModule, 'deps'>

async function find(demand: Demand, gathering: Gathering): Promise<Found | undefined> {
  const { reference, path } = demand
  const { name, from, at } = reference
  // Whoever lists a module knows why it is wanted.
  const why = path.length > 1 ? ` (${shownPath(path)})` : ''
  try {
    if (from.kind === 'git') return await gathering.source.checkout(name, from, at)
    const root = from.kind === 'shipped' ? join(gathering.shippedModules, name) : from.folder
    if (statSync(root, { throwIfNoEntry: false })?.isDirectory() === true) return { root }
    throw new YoeError(
      'MODULE_NOT_FOUND',
      from.kind === 'shipped' ? `yoe ships no module "${name}"` : `module "${name}": there is no folder ${root}`,
      { at, hint: from.kind === 'shipped' ? shippedHint(name, gathering.shippedModules) : undefined },
    )
  } catch (failure) {
    for (const error of userErrors(failure) ?? [failure]) {
      if (!(error instanceof YoeError) || error.code === 'CANCELLED' || error.fault === 'environment') throw failure
      const { code, message, hint, cause } = error
      const [first = '', ...more] = message.split('\n')
      gathering.fail(new YoeError(code, [`${first}${why}`, ...more].join('\n'), { hint, cause, at: error.at ?? at }))
    }
    return undefined
  }
}

function shippedHint(name: string, folder: string): string {
  const names = readdirSync(folder).toSorted()
  return didYouMean(name, names) ?? `there are: ${names.map((one) => `yoe:${one}`).join(', ')}`
}

async function withDeps(
  reference: ModuleReference,
  found: Found,
  gathering: Gathering,
  fail: (code: YoeErrorCode, message: string, options: YoeErrorOptions) => void,
): Promise<PresentModule> {
  const deps: ModuleReference[] = []
  for (const dep of await gathering.readDeps(reference.name, found.root)) {
    const anchored = anchor(dep, { root: found.root, from: reference.from })
    if (anchored !== undefined) deps.push(anchored)
    else {
      fail(
        'LOAD_OUTSIDE',
        `module "${dep.name}": its folder lies outside of ${shownPlace(reference.name, reference.from)}`,
        {
          at: dep.at,
          hint: 'a module from a repository names other repositories, or folders of its own one',
        },
      )
    }
  }
  return { ...found, deps }
}
