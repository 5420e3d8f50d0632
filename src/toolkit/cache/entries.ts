import { userErrors } from '#engine/errors.ts'
import { entryName } from '#engine/store/cache.ts'
import type { SealedManifest, UnitManifest } from '#engine/store/manifest.ts'
import { Store } from '#engine/store/store.ts'
import type { Workspace } from '../workspace.ts'
import { loadProject } from '../workspace.ts'
import { layerOf } from './needs.ts'
import { sharedOf } from './shared.ts'

/** A result in the cache of this machine. */
export interface Entry {
  readonly unit: string
  readonly kind: 'package' | 'container' | 'image' | 'layer'
  /** Of a unit; of a layer, which one it is; null: it has none. */
  readonly version: string | null
  readonly arch: string
  readonly distro: string
  readonly hash: string
  /** Bytes of its files. */
  readonly size: number
  /** Milliseconds since 1970. */
  readonly builtAt: number
  readonly usedAt: number
  readonly builder: string
  /** Id of the key that signed it; null: none did. */
  readonly signedBy: string | null
  /** False: a file of it is missing, so it is built again. */
  readonly complete: boolean
  /** Shared caches that say that they have it, too. */
  readonly remotes: readonly string[]
}

/**
 * The results in the cache of this machine, newest first, of whatever project: a cache may serve several.
 * @param names of units; empty: all
 */
export async function listEntries(
  opened: Workspace,
  { machine, names }: { readonly machine: string | undefined; readonly names: readonly string[] },
): Promise<readonly Entry[]> {
  const { workspace, project } = await loadProject(opened, machine)
  const { report, cacheRoot } = workspace
  const store = await Store.open(cacheRoot, { report })
  const found: Omit<Entry, 'remotes'>[] = []
  for await (const { sealed, usedAt } of store.entries()) {
    if (typeof sealed === 'string') continue
    if (names.length === 0 || names.includes(sealed.manifest.unit)) found.push(await entryOf(store, sealed, usedAt))
  }
  const { shared } = await sharedOf(workspace, project)
  const remotes = new Map<string, string[]>()
  const wanted = found.map(({ arch, hash }) => entryName(arch, hash))
  for (const { store: remote, declaration } of wanted.length === 0 ? [] : shared) {
    try {
      for (const name of (await remote?.has(wanted)) ?? [])
        remotes.set(name, [...(remotes.get(name) ?? []), declaration.name])
    } catch (failure) {
      const [error] = userErrors(failure) ?? []
      if (error === undefined) throw failure
      report({ type: 'warning', message: `${remote}: ${error.message}`, hint: 'the list goes on without it' })
    }
  }
  return found
    .map((entry) => ({ ...entry, remotes: remotes.get(entryName(entry.arch, entry.hash)) ?? [] }))
    .toSorted((a, b) => b.builtAt - a.builtAt)
}

async function entryOf(store: Store, sealed: SealedManifest, usedAt: number): Promise<Omit<Entry, 'remotes'>> {
  const { manifest, signature } = sealed
  const { unit, arch, distro, hash, files, facts } = manifest
  const present = await Promise.all(files.map(({ sha256 }) => store.objects.has(sha256)))
  return {
    ...{ unit, ...naturesOf(manifest), arch, distro, hash },
    size: files.reduce((sum, { size }) => sum + size, 0),
    builtAt: facts.builtAt,
    usedAt: Math.round(usedAt),
    builder: facts.builder,
    signedBy: signature?.key ?? null,
    complete: present.every(Boolean),
  }
}

function naturesOf(manifest: UnitManifest): Pick<Entry, 'kind' | 'version'> {
  const layer = layerOf({ manifest })
  if (layer !== undefined) return { kind: 'layer', version: layer }
  const { unit, deps, units } = fieldsOf(manifest.inputs)
  const { version } = fieldsOf(unit)
  const kind = deps !== undefined ? 'package' : units !== undefined ? 'image' : 'container'
  return { kind, version: typeof version === 'string' ? version : null }
}

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}
