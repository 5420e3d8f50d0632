import type { Project } from '#engine/project/model.ts'
import type { KeyUse } from '#feeds/keys/project-keys.ts'
import { formatOf, publisherOf } from '../formats.ts'

/** The keys that a project needs: one for the packages of each format that it has feeds of, and the cache's. */
export async function keyUsesOf({ feeds, defaults }: Pick<Project, 'feeds' | 'defaults'>): Promise<readonly KeyUse[]> {
  const distros = new Set([
    ...feeds.map(({ distro }) => distro),
    ...(defaults.distro === undefined ? [] : [defaults.distro]),
  ])
  const uses = await Promise.all([...distros].map(async (distro) => (await publisherOf(formatOf(distro))).keyUse))
  const ofFeeds = (['feed', 'apk'] as const).filter((use) => uses.includes(use))
  return [...(ofFeeds.length === 0 ? (['feed'] as const) : ofFeeds), 'cache']
}
