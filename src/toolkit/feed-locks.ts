import { YoeError } from '#engine/errors.ts'
import type { LockedIndex } from '#engine/formats.ts'
import { lockFile } from '#engine/modules/lock.ts'
import type { FeedDeclaration } from '#engine/project/model.ts'
import { readLock } from './lock-file.ts'
import type { Workspace } from './workspace.ts'

/** What a project's lock says of its feeds. */
export interface FeedLocks {
  /** A feed that is not locked is an error: somebody locks feeds, and this one is missing. */
  readonly mustBeLocked: boolean
  /** @param arch as the format spells it; undefined for a feed that is not locked */
  indexOf(feed: FeedDeclaration, arch: string): LockedIndex | undefined
}

/**
 * Which indices feeds must have.
 * @param refresh newer ones are wanted
 * @throws {YoeError} USAGE when both are wanted
 */
export function feedLocks(workspace: Workspace, refresh: boolean): FeedLocks {
  const { lock, locked } = readLock(workspace)
  if (refresh && locked && lock.feeds.length > 0) {
    throw new YoeError('USAGE', '--refresh asks for newer package lists, and --locked takes those of yoe.lock', {
      hint: 'yoe update feeds moves yoe.lock; --no-locked tries newer lists out',
    })
  }
  return {
    mustBeLocked: locked && lock.feeds.length > 0,
    indexOf: (feed, arch) => {
      const entries = lock.feeds.filter((entry) => entry.id === feed.id && entry.arch === arch)
      const [first] = entries
      if (first === undefined) return undefined
      const at = { file: lockFile, line: first.line, column: 1 }
      if (first.suite === releaseOf(feed)) return { files: entries, at }
      const message = `yoe.lock has suite ${first.suite} of feed ${feed.id}, and ${feed.at.file}:${feed.at.line} asks for ${releaseOf(feed) ?? 'none'}`
      const hint = 'yoe update feeds'
      if (locked) throw new YoeError('LOCK_STALE', message, { at, hint })
      workspace.report({ type: 'warning', message, at, hint })
      return undefined
    },
  }
}

/** What a feed calls the release that it follows: `trixie`, `v3.21`. */
export function releaseOf({ options }: Pick<FeedDeclaration, 'options'>): string | undefined {
  const said = options['suite'] ?? options['branch']
  return typeof said === 'string' ? said : undefined
}
