import type { Project } from '#engine/project/model.ts'
import { standingOf } from '#engine/store/named-keys.ts'
import { openPgpKeys } from '#feeds/keys/openpgp-rotation.ts'
import type { KeyOwner, KeyUse } from '#feeds/keys/project-keys.ts'
import { keyPath, loadKey } from '#feeds/keys/project-keys.ts'
import { rsaKeyFacts } from '#feeds/keys/rsa-rotation.ts'

/** A key that signs, or that is believed. */
export interface ListedKey {
  readonly fingerprint: string
  /** `signs`: its private half is on this machine, and others would believe it. */
  readonly standing: 'signs' | 'believed' | 'unnamed' | 'retired' | 'revoked'
  /** Its last day, UTC. */
  readonly until: string | null
  /** Where the project names it: `keys/cache.pub:2`; null: nowhere. */
  readonly at: string | null
}

export interface KeyListing {
  readonly use: KeyUse
  /** Of the key that this machine signs with; null: it has none. */
  readonly fingerprint: string | null
  /** Where its private half is, unless the environment brings it. Absolute. */
  readonly path: string
  readonly keys: readonly ListedKey[]
}

/** A project's keys of one kind: those that this machine has, and those that the project names. @throws {YoeError} KEY_INVALID */
export async function listKeys(owner: KeyOwner, project: Pick<Project, 'cache'>, use: KeyUse): Promise<KeyListing> {
  const own = await loadKey(owner, use)
  const fingerprint = own?.fingerprint ?? null
  const listing = { use, fingerprint, path: keyPath(owner, use) }
  if (use === 'cache') return { ...listing, keys: cacheKeys(fingerprint, project) }
  const read = use === 'apk' ? rsaKeyFacts : openPgpKeys
  const keys = own === undefined ? [] : await read(own.privateKey, 'use', owner.project)
  return {
    ...listing,
    keys: keys.map(({ ends, ...key }) => ({ ...key, until: ends === undefined ? null : lastDay(ends), at: null })),
  }
}

function cacheKeys(own: string | null, { cache }: Pick<Project, 'cache'>): readonly ListedKey[] {
  const now = Date.now()
  const named = (cache.signing ?? []).map((key): ListedKey => {
    const standing = standingOf(key, now)
    return {
      fingerprint: key.id,
      standing: standing === 'believed' && key.id === own ? 'signs' : standing,
      until: key.until ?? null,
      at: `${key.at.file}:${key.at.line}`,
    }
  })
  if (own === null || named.some(({ fingerprint }) => fingerprint === own)) return named
  // A project that names no keys believes this machine's on this machine.
  const standing = cache.signing === undefined ? 'signs' : 'unnamed'
  return [...named, { fingerprint: own, standing, until: null, at: null }]
}

/** The day that ends at that moment, or in which it lies. */
export function lastDay(end: number): string {
  return new Date(end - 1).toISOString().slice(0, 10)
}
