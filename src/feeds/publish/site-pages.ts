import {
  type FeedFolder,
  type FeedPage,
  feedsOf,
  folders,
  movedToFolder,
  renderPage,
  renderSite,
  type SiteFeeds,
  useOf,
} from './page.ts'

/** A place that has pages. */
export interface PagePlace {
  /** Undefined: there is no such file. */
  read(path: string): Promise<string | undefined>
  write(path: string, html: string): Promise<void>
}

const pageIn = (folder: FeedFolder): string => `${folder}/index.html`

/**
 * Puts the page of a feed where people look first. Of a site that has several feeds that page says how to use each of them,
 * and each has its own in its folder.
 *
 * @param own what is kept of this feed, see {@link SiteFeeds}
 */
export async function putPages(place: PagePlace, page: Omit<FeedPage, 'feeds'>, own: readonly string[]): Promise<void> {
  const others = await otherPages(place, page.folder)
  const feeds: SiteFeeds = {
    ...Object.fromEntries([...others].map(([folder, { words }]) => [folder, words])),
    [page.folder]: own,
  }
  const whole: FeedPage = { ...page, feeds }
  if (others.size === 0) return place.write('index.html', renderPage(whole))
  for (const [folder, { html }] of others) if (html !== undefined) await place.write(pageIn(folder), html)
  await place.write(pageIn(page.folder), renderPage(whole, true))
  const uses = [...others].flatMap(([folder, { html, there }]) => useOf(folder, html ?? there ?? '') ?? [])
  await place.write('index.html', renderSite(page.project, feeds, [page, ...uses]))
}

interface OtherPage {
  readonly words: readonly string[]
  /** What lies in its folder. */
  readonly there: string | undefined
  /** What has to be put there: it was the only feed until now. */
  readonly html: string | undefined
}

/** The feeds of a site but one: whoever published it may have known less than all of its pages together. */
async function otherPages(place: PagePlace, own: FeedFolder): Promise<ReadonlyMap<FeedFolder, OtherPage>> {
  const front = (await place.read('index.html')) ?? ''
  const known = feedsOf(front) ?? {}
  const isAlone = Object.keys(known).length === 1
  const found = new Map<FeedFolder, OtherPage>()
  for (const folder of folders) {
    if (folder === own) continue
    const there = await place.read(pageIn(folder))
    const words = known[folder] ?? feedsOf(there ?? '')?.[folder]
    if (words === undefined) continue
    const html = there === undefined && isAlone ? movedToFolder(front) : undefined
    found.set(folder, { words, there, html })
  }
  return found
}
