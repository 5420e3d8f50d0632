import { realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Arch, architectures } from '#engine/arch.ts'
import { YoeError } from '#engine/errors.ts'
import type { KeptIndex } from '#engine/formats.ts'
import { askFeeds } from './asking-feeds.ts'
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
 * @returns in the order of the feeds, whichever answers first
 * @throws {YoeErrors} everything that is wrong with the project; FEED_UNTRUSTED and whatever else feeds answer, in their
 *   order, once all were asked: the others are written
 */
export async function updateKeptIndexes(
  opened: Workspace,
  { arch, moduleDir }: { readonly arch: Arch | undefined; readonly moduleDir: string | undefined },
): Promise<readonly KeptFeedIndex[]> {
  const { project, workspace } = await loadProject(opened, undefined)
  const { cacheRoot, offline, report, signal } = workspace
  const fetcher = fetcherOf(workspace, project)
  const only = moduleDir === undefined ? undefined : realpathSync(resolve(moduleDir))
  const asked = project.feeds.flatMap((feed) => {
    const module = project.modules.find(({ name }) => name === feed.module)
    const moduleRoot = module?.root ?? project.root
    if (module?.origin.kind === 'git' || (only !== undefined && realpathSync(moduleRoot) !== only)) return []
    return (arch === undefined ? architectures : [arch]).map((one) => ({ feed, moduleRoot, arch: one }))
  })
  const answers = await askFeeds(asked, signal, async ({ feed, moduleRoot, arch: one }) => {
    const base = { arch: one, moduleRoot, cacheRoot, fetcher, offline, refresh: true, now: Date.now, report, signal }
    const kept = await formatOf(feed.distro).keepIndex?.(feed, base, arch !== undefined)
    return (kept ?? []).map((each) => ({ feed: feed.id, module: feed.module, ...each }))
  })
  const written = answers.flat()
  if (written.length > 0) return written
  throw new YoeError('USAGE', 'no module of this project keeps an index of a feed for such an architecture', {
    hint: 'index = "feeds/main" in alpine_feed(...), then yoe update-feeds --arch x86_64; yoe update feeds locks feeds without one',
  })
}
