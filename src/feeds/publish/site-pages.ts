import { type FeedPage, feedsOf, renderPage, type SiteFeeds } from './page.ts'

/** A place that has pages. */
export interface PagePlace {
  /** Undefined: there is no such file. */
  read(path: string): Promise<string | undefined>
  write(path: string, html: string): Promise<void>
}

/**
 * Puts the page of a feed where people look first. A site that has feeds of several formats has a page for each in its
 * folder, too, and all of them lead to each other.
 */
export async function putPages(place: PagePlace, page: Omit<FeedPage, 'feeds'>, own: readonly string[]): Promise<void> {
  const before: SiteFeeds = feedsOf((await place.read('index.html')) ?? '') ?? {}
  const whole: FeedPage = { ...page, feeds: { ...before, [page.folder]: own } }
  if (Object.keys(whole.feeds).length > 1 || page.folder !== 'debian')
    await place.write(`${page.folder}/index.html`, renderPage(whole, true))
  await place.write('index.html', renderPage(whole))
}
