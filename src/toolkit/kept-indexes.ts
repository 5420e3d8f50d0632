import { realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Arch, architectures } from '#engine/arch.ts'
import { YoeError } from '#engine/errors.ts'
import type { KeptIndex } from '#engine/formats.ts'
import { fetcherOf } from './fetching.ts'
import { formatOf } from './formats.ts'
import type { Workspace } from './workspace.ts'
import { loadProject } from './workspace.ts'

export interface KeptFeedIndex extends KeptIndex {
  readonly feed: string
  /** Of the module. */
  readonly module: string
}

/**
 * Brings the indices that modules keep in their folders to what their repositories have now. Modules that were fetched are
 * left alone: what is written there would be lost.
 *
 * @param arch only this one, also where a module has no index for it; undefined: those that modules have
 * @param moduleDir only the module that lies there
 * @throws {YoeErrors} everything that is wrong with the project; FEED_UNTRUSTED and whatever else feeds answer
 */
export async function updateKeptIndexes(
  opened: Workspace,
  { arch, moduleDir }: { readonly arch: Arch | undefined; readonly moduleDir: string | undefined },
): Promise<readonly KeptFeedIndex[]> {
  const { project, workspace } = await loadProject(opened, undefined)
  const { cacheRoot, offline, report, signal } = workspace
  const fetcher = fetcherOf(workspace, project)
  const only = moduleDir === undefined ? undefined : realpathSync(resolve(moduleDir))
  const written: KeptFeedIndex[] = []
  let known = 0
  for (const feed of project.feeds) {
    const module = project.modules.find(({ name }) => name === feed.module)
    const moduleRoot = module?.root ?? project.root
    if (module?.origin.kind === 'git' || (only !== undefined && realpathSync(moduleRoot) !== only)) continue
    const { keepIndex } = formatOf(feed.distro)
    for (const one of arch === undefined ? architectures : [arch]) {
      const base = { arch: one, moduleRoot, cacheRoot, fetcher, offline, refresh: true, now: Date.now, report, signal }
      const kept = await keepIndex?.(feed, base, arch !== undefined)
      known += kept?.length ?? 0
      for (const index of kept ?? []) written.push({ feed: feed.id, module: feed.module, ...index })
    }
  }
  if (known > 0) return written
  throw new YoeError('USAGE', 'no module of this project keeps an index of a feed for such an architecture', {
    hint: 'index = "feeds/main" in alpine_feed(...), then yoe update-feeds --arch x86_64; yoe update feeds locks feeds without one',
  })
}
