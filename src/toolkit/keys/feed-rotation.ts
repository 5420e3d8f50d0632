import { dirname, join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import { lockFile } from '#engine/store/lock.ts'
import { readKeyFile, replaceKeyFile } from '#feeds/keys/key-file.ts'
import { type KeyFacts, revokedOpenPgpKey, rotatedOpenPgpKey } from '#feeds/keys/openpgp-rotation.ts'
import type { KeyOwner } from '#feeds/keys/project-keys.ts'
import { ownKeyPath, rsaPassphrase } from '#feeds/keys/project-keys.ts'
import { revokedRsaKey, rotatedRsaKey } from '#feeds/keys/rsa-rotation.ts'

/** What came of a rotation of the feed's key. */
export interface FeedRotation {
  readonly fresh: string
  /** Keys that sign beside it until they end, and revoked ones. */
  readonly old: readonly KeyFacts[]
  /** Absolute: the private keys. */
  readonly path: string
}

/** Which feeds: those of apt, or those of apk and the packages in them. */
export type FeedKeyUse = 'feed' | 'apk'

/**
 * Makes another feed key. The old one stays in the same file and signs as well until its last day, so that devices that
 * know only the old one get the new one by an ordinary update.
 *
 * @param until the last day, UTC
 * @throws {YoeError} KEY_INVALID
 */
export async function rotateFeedKey(owner: KeyOwner, use: FeedKeyUse, until: string): Promise<FeedRotation> {
  const { project } = owner
  return changed(owner, use, async (text, path) => {
    if (use === 'apk') {
      const made = await rotatedRsaKey(text, path, project, until, rsaPassphrase(owner))
      return { text: made.text, result: { fresh: made.fresh, old: made.old, path } }
    }
    const end = Date.parse(`${until}T00:00:00Z`) + 86_400_000
    const { armored, fresh, old } = await rotatedOpenPgpKey(text, path, project, end)
    return { text: armored, result: { fresh, old, path } }
  })
}

/**
 * @param wanted a fingerprint or its end
 * @throws {YoeError} KEY_INVALID when it is the only one
 */
export async function revokeFeedKey(
  owner: KeyOwner,
  use: FeedKeyUse,
  wanted: string,
): Promise<{ readonly fingerprint: string; readonly path: string }> {
  return changed(owner, use, async (text, path) => {
    if (use === 'apk') {
      const left = await revokedRsaKey(text, path, owner.project, wanted, rsaPassphrase(owner))
      return { text: left.text, result: { fingerprint: left.fingerprint, path } }
    }
    const { armored, fingerprint } = await revokedOpenPgpKey(text, path, wanted)
    return { text: armored, result: { fingerprint, path } }
  })
}

async function changed<T>(
  owner: KeyOwner,
  use: FeedKeyUse,
  change: (text: string, path: string) => Promise<{ readonly text: string; readonly result: T }>,
): Promise<T> {
  const path = ownKeyPath(owner, use)
  await present(owner, use, path)
  await using _alone = await lockFile(join(dirname(path), '.rotating'))
  const { text, result } = await change(await present(owner, use, path), path)
  await replaceKeyFile(path, text, owner.projectRoot)
  return result
}

async function present({ projectRoot }: KeyOwner, use: FeedKeyUse, path: string): Promise<string> {
  const text = await readKeyFile(path, projectRoot)
  if (text !== undefined) return text
  throw new YoeError('KEY_INVALID', `this machine has no ${use} key`, {
    hint: `go where the key is, or make the first one: yoe key generate ${use}`,
  })
}
