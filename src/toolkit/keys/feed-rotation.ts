import { dirname, join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import { lockFile } from '#engine/store/lock.ts'
import { readKeyFile, replaceKeyFile } from '#feeds/keys/key-file.ts'
import { type KeyFacts, revokedOpenPgpKey, rotatedOpenPgpKey } from '#feeds/keys/openpgp-rotation.ts'
import type { KeyOwner } from '#feeds/keys/project-keys.ts'
import { ownKeyPath } from '#feeds/keys/project-keys.ts'

/** What came of a rotation of the feed's key. */
export interface FeedRotation {
  readonly fresh: string
  /** Keys that sign beside it until they end, and revoked ones. */
  readonly old: readonly KeyFacts[]
  /** Absolute: the private keys. */
  readonly path: string
}

/**
 * Makes another feed key. The old one stays in the same file and signs as well until its last day, so that devices that
 * know only the old one get the new one by an ordinary update.
 *
 * @param until milliseconds since 1970: the end of the last day
 * @throws {YoeError} KEY_INVALID
 */
export async function rotateFeedKey(owner: KeyOwner, until: number): Promise<FeedRotation> {
  return changed(owner, async (text, path) => {
    const { armored, fresh, old } = await rotatedOpenPgpKey(text, path, owner.project, until)
    return { armored, result: { fresh, old, path } }
  })
}

/**
 * @param wanted a fingerprint or its end
 * @throws {YoeError} KEY_INVALID when it is the only one
 */
export async function revokeFeedKey(
  owner: KeyOwner,
  wanted: string,
): Promise<{ readonly fingerprint: string; readonly path: string }> {
  return changed(owner, async (text, path) => {
    const { armored, fingerprint } = await revokedOpenPgpKey(text, path, wanted)
    return { armored, result: { fingerprint, path } }
  })
}

async function changed<T>(
  owner: KeyOwner,
  change: (text: string, path: string) => Promise<{ readonly armored: string; readonly result: T }>,
): Promise<T> {
  const path = ownKeyPath(owner, 'feed')
  await present(owner, path)
  await using _alone = await lockFile(join(dirname(path), '.rotating'))
  const { armored, result } = await change(await present(owner, path), path)
  await replaceKeyFile(path, armored, owner.projectRoot)
  return result
}

async function present({ projectRoot }: KeyOwner, path: string): Promise<string> {
  const text = await readKeyFile(path, projectRoot)
  if (text !== undefined) return text
  throw new YoeError('KEY_INVALID', 'this machine has no feed key', {
    hint: 'go where the key is, or make the first one: yoe key generate feed',
  })
}
