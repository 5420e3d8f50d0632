import { join } from 'node:path'
import type { Project } from '#engine/project/model.ts'
import type { Fetcher } from '#engine/source/fetcher.ts'
import type { Mirrors } from '#engine/source/mirrors.ts'
import { candidates } from '#engine/source/mirrors.ts'
import { hostMirrors } from '#feeds/debian/host-mirror.ts'
import { declaredMirrors } from './mirrors.ts'
import type { Workspace } from './workspace.ts'

/** The way to the network; what it is made of is loaded when something is fetched, which a warm command never does. */
export function fetcherOf(workspace: Workspace, project: Project): Fetcher {
  const mirrors = mirrorsOf(workspace, project)
  let loading: Promise<Fetcher> | undefined
  return {
    async fetch(request) {
      loading ??= import('#engine/source/download.ts').then(({ createFetcher }) =>
        createFetcher({ mirrors, offline: workspace.offline, temp: join(workspace.cacheRoot, 'tmp') }),
      )
      return (await loading).fetch(request)
    },
    locate: (url) => candidates([url], mirrors),
  }
}

/**
 * Where addresses are really asked for: YOE_MIRRORS, then `mirrors` of local.star and of the project, then what this
 * machine's own apt uses for a feed's distribution (whose sources lie there, too).
 */
function mirrorsOf(workspace: Workspace, project: Project): Mirrors {
  const ofHost = project.feeds.flatMap(({ distro, options }) => {
    const { url } = options
    return typeof url === 'string' ? hostMirrors(url, distro).map((to) => ({ from: url, to })) : []
  })
  return { ...declaredMirrors(workspace), near: ofHost }
}
