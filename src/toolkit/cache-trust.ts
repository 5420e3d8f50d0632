import type { Reporter } from '#engine/events.ts'
import type { Scope, Trust } from '#engine/store/manifest.ts'
import type { NamedKey } from '#engine/store/named-keys.ts'
import { revokedIds, standingOf, trustIn } from '#engine/store/named-keys.ts'
import type { CacheSigner } from '#engine/store/signing.ts'
import { parseCacheKey, parseCacheSigner } from '#engine/store/signing.ts'
import type { KeyOwner } from '#feeds/keys/project-keys.ts'
import { loadKey } from '#feeds/keys/project-keys.ts'
import type { Plan } from './planning.ts'

/** Whom a run believes about what other machines built, and as whom it signs what it builds itself. */
export interface CacheTrust {
  readonly trust: Trust
  /** Undefined: this run has no key that others would believe. */
  readonly signer: CacheSigner | undefined
  /** Ids of keys whose signature is worth nothing on this machine either: somebody else may have them. */
  readonly revoked: ReadonlySet<string>
}

/** Of a plan, what keys depend on. */
export interface KeyPlace {
  readonly project: Pick<Plan['project'], 'name' | 'cache'>
  readonly workspace: Pick<Plan['workspace'], 'root' | 'env'>
}

/** Whose keys a project's keys are. */
export function keyOwner({ project, workspace }: KeyPlace): KeyOwner {
  return { project: project.name, projectRoot: workspace.root, env: workspace.env }
}

/**
 * The keys that the project names are believed, and no others. A project that names none believes its own private key where
 * a run has it, and otherwise those who may write to the store, as far as the store vouches for them.
 *
 * @param scope `untrusted`: anybody can start such a run, and it never signs
 * @throws {YoeError} KEY_INVALID
 */
export async function cacheTrustOf(plan: KeyPlace, scope: Scope, report: Reporter): Promise<CacheTrust> {
  const found = await loadKey(keyOwner(plan), 'cache')
  const own = found === undefined ? undefined : parseCacheSigner(found.privateKey)
  const untrusted = scope === 'untrusted'
  if (untrusted && own !== undefined) {
    report({
      type: 'warning',
      message: `a run that anybody can start has the cache's private key ${own.keyId}; it is not used`,
      hint: 'give YOE_CACHE_SIGNING_KEY to trusted events only, and replace the key: yoe key rotate cache',
    })
  }
  const named = plan.project.cache.signing
  if (named === undefined) {
    const keys = own === undefined ? [] : [parseCacheKey(own.publicKey)]
    const trust = { keys, unsigned: untrusted || own === undefined }
    return { trust, signer: untrusted ? undefined : own, revoked: new Set() }
  }
  const now = Date.now()
  const useful = untrusted || own === undefined ? undefined : believed(own, named, now, report)
  return {
    trust: { ...trustIn(named, now), unsigned: untrusted },
    signer: useful,
    revoked: revokedIds(named),
  }
}

/** The key, if others would believe it. */
function believed(
  own: CacheSigner,
  named: readonly NamedKey[],
  now: number,
  report: Reporter,
): CacheSigner | undefined {
  const entry = named.find(({ id }) => id === own.keyId)
  const standing = entry === undefined ? undefined : standingOf(entry, now)
  if (standing === 'believed') return own
  const [first] = named
  const where = entry?.at ?? first?.at
  const place = where === undefined ? 'the project' : `${where.file}:${where.line}`
  const why =
    entry === undefined
      ? 'is not one that the project names'
      : standing === 'revoked'
        ? 'is revoked'
        : `was retired on ${entry.until}`
  report({
    type: 'warning',
    message: `this machine's cache key ${own.keyId} ${why} (${place}); what is built here is not sent to shared caches`,
    hint:
      entry === undefined
        ? `name it in the project: ${own.publicKey}`
        : 'put the present private key there: yoe key show cache says where',
  })
  return undefined
}
