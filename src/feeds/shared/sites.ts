import { YoeError } from '#engine/errors.ts'
import type { Reporter } from '#engine/events.ts'
import type { FeedEnvironment } from '#engine/formats.ts'
import { NotThere } from '#engine/source/fetcher.ts'

/** Where an address is asked for, best first: its mirrors, then itself; offline, those that are folders of this machine. */
export function sitesFor(
  url: string,
  { fetcher, offline }: Pick<FeedEnvironment, 'fetcher' | 'offline'>,
): readonly string[] {
  const sites = fetcher.locate?.(url) ?? [url]
  return offline ? sites.filter((site) => site.startsWith('file:')) : sites
}

/**
 * Asks the sites of a feed one after the other, until one gives what is good. That a mirror does not have it is no fault of
 * anybody's while another one does; all else is told once for each site.
 *
 * @param told sites of which something was told already
 * @returns undefined when there is no site
 * @throws {YoeError} what the most telling of them came to: not to be reached says less than to be wrong
 */
export async function firstGood<T>(
  sites: readonly string[],
  { report, told }: { readonly report: Reporter; readonly told: Set<string> },
  ask: (site: string) => Promise<T>,
): Promise<{ readonly value: T; readonly site: string } | undefined> {
  const failures: YoeError[] = []
  for (const [index, site] of sites.entries()) {
    try {
      return { value: await ask(site), site }
    } catch (failure) {
      if (!(failure instanceof YoeError) || isFinal(failure)) throw failure
      failures.push(failure)
      const next = sites[index + 1]
      if (next === undefined || failure instanceof NotThere || told.has(site)) continue
      told.add(site)
      report({ type: 'notice', message: `${failure.message}; trying ${next}` })
    }
  }
  const worst =
    failures.find(({ code }) => code !== 'FETCH_FAILED') ??
    failures.find((failure) => !(failure instanceof NotThere)) ??
    failures[0]
  if (worst !== undefined) throw worst
  return undefined
}

/** What no other site makes better. */
export function isFinal(failure: YoeError): boolean {
  return failure.code === 'CANCELLED' || failure.fault === 'environment'
}
