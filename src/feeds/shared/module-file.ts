import { readFileSync, realpathSync } from 'node:fs'
import { join, sep } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { FeedDeclaration } from '#engine/project/model.ts'

/** A file with keys, as the declaration of a feed names it. */
export interface TrustFile {
  /** `key`, for messages. */
  readonly what: string
  /** Relative to the module's folder. */
  readonly file: string
  /** What to do where it can't be read; its absolute path follows. */
  readonly missing: string
  /** What to do where it lies elsewhere. */
  readonly outside: string
}

/**
 * Reads what a feed is trusted by, which must lie in the module that declares it, links followed.
 *
 * @param moduleRoot absolute
 * @throws {YoeError} KEY_INVALID
 */
export function readTrust({ id, at }: FeedDeclaration, moduleRoot: string, trust: TrustFile): Buffer {
  const { what, file, missing, outside } = trust
  try {
    const root = realpathSync(moduleRoot)
    const path = realpathSync(join(root, file))
    if (path.startsWith(`${root}${sep}`)) return readFileSync(path)
  } catch (cause) {
    const hint = `${missing} ${join(moduleRoot, file)}`
    throw new YoeError('KEY_INVALID', `feed ${id}: its ${what} ${file} can't be read`, { hint, at, cause })
  }
  const hint = `${outside}: a module brings its own trust`
  throw new YoeError('KEY_INVALID', `feed ${id}: its ${what} ${file} lies outside of the module`, { hint, at })
}
