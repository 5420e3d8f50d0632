import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { SigningKey } from '#engine/formats.ts'
import type { Project } from '#engine/project/model.ts'
import { writeFailure } from '#engine/store/disk.ts'
import { lockFile } from '#engine/store/lock.ts'
import type { NamedKey } from '#engine/store/named-keys.ts'
import { standingOf } from '#engine/store/named-keys.ts'
import { replaceFile } from '#engine/store/replace-file.ts'
import { generateCacheKey, parseCacheSigner } from '#engine/store/signing.ts'
import { replaceKeyFile } from '#feeds/keys/key-file.ts'
import type { KeyOwner } from '#feeds/keys/project-keys.ts'
import { loadKey, ownKeyPath } from '#feeds/keys/project-keys.ts'
import { standsIn, withKey, withMark } from './key-list.ts'

/** What came of a rotation. */
export interface CacheRotation {
  readonly fresh: { readonly id: string; readonly publicKey: string }
  /** The key that it replaces, and its last day; without a day it is revoked, or retired already. */
  readonly old: { readonly id: string; readonly until: string | undefined }
  /** The list of public keys, relative to the project: to be committed. */
  readonly list: string
  /** Absolute: the new private key. */
  readonly path: string
}

/**
 * Makes another cache key. The list that the project names gets its public half, and a last day for the old key, before
 * the private half takes the old one's place: whatever stops this half way, this machine's key is one that is named.
 *
 * @param until the last day of the old key
 * @throws {YoeError} KEY_INVALID when the project names no list, or not this machine's key
 */
export async function rotateCacheKey(
  owner: KeyOwner,
  project: Pick<Project, 'cache' | 'root'>,
  until: string,
): Promise<CacheRotation> {
  const path = ownKeyPath(owner, 'cache')
  await presentKey(owner)
  // Two that rotate at once would each lose the other's key. The folder is there: the key lies in it.
  await using _alone = await lockFile(join(dirname(path), '.rotating'))
  const { fingerprint: id } = await presentKey(owner)
  const { key, text } = await listedKey(project, id)
  const pair = generateCacheKey()
  const leaves = key.revoked !== true && key.until === undefined
  const list = withKey(leaves ? withMark(text, key, `until=${until}`) : text, pair.publicKey)
  await writeList(project, key.at.file, list)
  await replaceKeyFile(path, `${pair.privateKey}\n`, owner.projectRoot)
  return {
    fresh: { id: parseCacheSigner(pair.privateKey).keyId, publicKey: pair.publicKey },
    old: { id, until: leaves ? until : key.until },
    list: key.at.file,
    path,
  }
}

async function presentKey(owner: KeyOwner): Promise<SigningKey> {
  const own = await loadKey(owner, 'cache')
  if (own !== undefined) return own
  throw new YoeError('KEY_INVALID', 'this machine has no cache key to replace', {
    hint: 'rotate where the key is, or make the first one: yoe key generate cache',
  })
}

/** What came of a revocation. */
export interface CacheRevocation {
  readonly id: string
  readonly list: string
  /** Ids of the keys that are still believed. */
  readonly left: readonly string[]
}

/**
 * Marks a public key as revoked: nothing that it ever signed is believed from then on.
 *
 * @param wanted a key's id, or its beginning
 * @throws {YoeError} KEY_INVALID when the project does not name it, or not in a list
 */
export async function revokeCacheKey(
  project: Pick<Project, 'cache' | 'root'>,
  wanted: string,
): Promise<CacheRevocation> {
  const { key, text } = await listedKey(project, wanted)
  if (key.revoked !== true) await writeList(project, key.at.file, withMark(text, key, 'revoked'))
  const left = (project.cache.signing ?? []).filter(
    (each) => each.id !== key.id && standingOf(each, Date.now()) === 'believed',
  )
  return { id: key.id, list: key.at.file, left: left.map(({ id }) => id) }
}

/** A key that a list of the project names, and the list's text. @throws {YoeError} KEY_INVALID */
async function listedKey(
  { cache: { signing }, root }: Pick<Project, 'cache' | 'root'>,
  wanted: string,
): Promise<{ readonly key: NamedKey; readonly text: string }> {
  if (signing === undefined)
    throw new YoeError('KEY_INVALID', 'this project names no cache keys', {
      hint: 'mkdir -p keys && yoe key export cache > keys/cache.pub, and write in PROJECT.star: cache = cache(signing = "keys/cache.pub")',
    })
  const found = signing.filter(({ id }) => id === wanted || (wanted.length >= 6 && id.startsWith(wanted)))
  const [key] = found
  if (key === undefined || found.length > 1)
    throw new YoeError(
      'KEY_INVALID',
      `the project names ${key === undefined ? 'no' : 'several'} cache keys "${wanted}"`,
      {
        hint: `it names: ${signing.map(({ id }) => id).join(', ')}`,
      },
    )
  const text = await readFile(join(root, key.at.file), 'utf8')
  if (!standsIn(text, key))
    throw new YoeError('KEY_INVALID', `key ${key.id} is named in a .star file, which is not changed for you`, {
      at: key.at,
      hint: 'move it into a file of its own: signing = "keys/cache.pub"',
    })
  return { key, text }
}

async function writeList({ root }: Pick<Project, 'root'>, file: string, text: string): Promise<void> {
  const path = join(root, file)
  try {
    await replaceFile(path, text)
  } catch (failure) {
    throw await writeFailure(failure, path)
  }
}
