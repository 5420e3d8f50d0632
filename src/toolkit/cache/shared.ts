import { YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { Project } from '#engine/project/model.ts'
import type { RemoteStore } from '#engine/store/remote.ts'
import type { RemoteCache } from '#engine/store/remotes/declaration.ts'
import type { CacheTrust } from '../cache-trust.ts'
import { cacheTrustOf } from '../cache-trust.ts'
import { openRemotes, remoteCachesOf, writePolicy } from '../remotes.ts'
import type { Workspace } from '../workspace.ts'

/** A shared cache that a project, a flag or the environment names. */
export interface Shared {
  readonly declaration: RemoteCache
  /** Undefined: it is not asked offline. */
  readonly store: RemoteStore | undefined
  readonly writes: boolean
  /** Why this run may write to it, or not. */
  readonly why: string
}

/**
 * The shared caches of a project, nearest first, and whom it believes.
 *
 * @param deleting entries are to be removed, which takes no signature
 * @throws {YoeError} USAGE, KEY_INVALID
 */
export async function sharedOf(
  workspace: Workspace,
  project: Project,
  deleting = false,
): Promise<{ readonly shared: readonly Shared[]; readonly trust: CacheTrust }> {
  const { report } = workspace
  const trust = await cacheTrustOf({ workspace, project }, 'trusted', report)
  const writing = { trusted: true, signs: deleting || trust.signer !== undefined, report }
  const shared = await Promise.all(
    remoteCachesOf(workspace, project).map(async (declaration): Promise<Shared> => {
      const [store] = await openRemotes([declaration], workspace, writing)
      return { declaration, store, ...writePolicy(declaration, writing) }
    }),
  )
  return { shared, trust }
}

/** The shared cache of a name. @throws {YoeError} USAGE */
export function sharedNamed(shared: readonly Shared[], name: string): Shared & { readonly store: RemoteStore } {
  const found = shared.find(({ declaration }) => declaration.name === name)
  if (found?.store !== undefined) return { ...found, store: found.store }
  const known = shared.map(({ declaration }) => declaration.name)
  if (found !== undefined)
    throw new YoeError('USAGE', `the shared cache "${name}" is not asked offline`, { hint: 'leave out --offline' })
  throw new YoeError('USAGE', `there is no shared cache "${name}"`, {
    hint:
      didYouMean(name, known) ??
      (known.length === 0 ? 'cache(remote = […]) of the project names them' : `there are: ${known.join(', ')}`),
  })
}
