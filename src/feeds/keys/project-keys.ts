import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { SigningKey } from '#engine/formats.ts'
import { generateCacheKey, parseCacheSigner } from '#engine/store/signing.ts'
import { createKeyFile, readKeyFile } from './key-file.ts'
import { forbidCoreDumps } from './no-core-dump.ts'
import { generateOpenPgpKey, readOpenPgpKey } from './openpgp.ts'
import { generateRsaKey, readRsaKey } from './rsa.ts'

/** Whose keys, and where they may come from. */
export interface KeyOwner {
  readonly project: string
  /** Absolute folder of PROJECT.star. */
  readonly projectRoot: string
  /** Looked up: XDG_CONFIG_HOME, HOME, and each key's variable, which holds its text or its path. */
  readonly env: Readonly<Record<string, string | undefined>>
}

/**
 * `feed` signs package feeds of apt (OpenPGP), `apk` those of apk and the packages in them (RSA); `cache` signs manifests
 * of built units (Ed25519). Whoever has the one does not thereby have the other: CI jobs that fill caches publish nothing.
 */
export type KeyUse = 'feed' | 'apk' | 'cache'

interface Kind {
  readonly variable: string
  /** What a key's text holds and no path does. */
  readonly marker: string
  readonly extension: string
  generate(project: string, forOldClients: boolean): Promise<SigningKey>
  read(text: string, where: string, owner: KeyOwner): Promise<SigningKey>
}

const passphraseVariable = 'YOE_APK_SIGNING_PASSPHRASE'

const kinds: Readonly<Record<KeyUse, Kind>> = {
  feed: {
    variable: 'YOE_SIGNING_KEY',
    marker: '-----BEGIN',
    extension: '.asc',
    generate: (project) => generateOpenPgpKey(project),
    read: readOpenPgpKey,
  },
  apk: {
    variable: 'YOE_APK_SIGNING_KEY',
    marker: '-----BEGIN',
    extension: '.rsa',
    generate: (project, forOldClients) => generateRsaKey(project, new Date(), forOldClients),
    read: (text, where, { project, env }) => readRsaKey(text, where, project, env[passphraseVariable]),
  },
  cache: {
    variable: 'YOE_CACHE_SIGNING_KEY',
    marker: 'ed25519-private:',
    extension: '.cache.key',
    generate: async () => cacheKey(generateCacheKey().privateKey),
    read: async (text) => cacheKey(text),
  },
}

function cacheKey(text: string): SigningKey {
  const { publicKey, keyId } = parseCacheSigner(text)
  return { privateKey: text.trim(), publicKey, fingerprint: keyId }
}

/** The file that holds a project's key unless the environment names another. Absolute. */
export function keyPath({ project, env }: KeyOwner, use: KeyUse): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(project)) {
    throw new YoeError('BAD_NAME', `"${project}" can't be the name of a key file`, {
      hint: 'use letters, digits and . _ -',
    })
  }
  const config = env['XDG_CONFIG_HOME']
  // As the XDG specification has it, a relative path is ignored.
  const home = config !== undefined && isAbsolute(config) ? config : join(env['HOME'] ?? homedir(), '.config')
  return join(home, 'yoe', 'keys', project + kinds[use].extension)
}

/**
 * The project's private key from the environment or its file.
 *
 * @returns undefined when there is none anywhere
 * @throws {YoeError} KEY_INVALID when it can't be used, is readable by others or lies inside the project
 */
export async function loadKey(owner: KeyOwner, use: KeyUse): Promise<SigningKey | undefined> {
  const kind = kinds[use]
  const given = owner.env[kind.variable]?.trim()
  if (given?.includes(kind.marker)) return readKey(kind, `${given}\n`, kind.variable, owner)
  const path = given === undefined || given === '' ? keyPath(owner, use) : resolve(given)
  const text = await readKeyFile(path, owner.projectRoot)
  if (text !== undefined) return readKey(kind, text, path, owner)
  if (given === undefined || given === '') return undefined
  // Not what it says: a key that was pasted wrong is still a secret.
  throw new YoeError('KEY_INVALID', `${kind.variable} is neither a key nor a file that exists`, {
    hint: `set ${kind.variable} to a key's text or file, or unset it`,
  })
}

function readKey(kind: Kind, text: string, where: string, owner: KeyOwner): Promise<SigningKey> {
  forbidCoreDumps()
  return kind.read(text, where, owner)
}

/** What opens the private keys of apk that are protected by one. */
export function rsaPassphrase({ env }: KeyOwner): string | undefined {
  return env[passphraseVariable]
}

/**
 * The file that a new key takes the place of: the one that the environment names, else the usual one. Absolute.
 *
 * @throws {YoeError} KEY_INVALID when the environment has the key itself, which nobody here can change
 */
export function ownKeyPath(owner: KeyOwner, use: KeyUse): string {
  const { variable, marker } = kinds[use]
  const given = owner.env[variable]?.trim() ?? ''
  if (!given.includes(marker)) return given === '' ? keyPath(owner, use) : resolve(given)
  throw new YoeError('KEY_INVALID', `the ${use} key comes from ${variable}, where it can't be replaced`, {
    hint: `do it where the key is a file: unset ${variable}`,
  })
}

/** What CI systems call the secret. */
export function keyVariable(use: KeyUse): string {
  return kinds[use].variable
}

/** {@link loadKey}, or a fresh key kept in its file. @param forOldClients of apk: see {@link generateRsaKey} */
export async function ensureKey(
  owner: KeyOwner,
  use: KeyUse,
  forOldClients = false,
): Promise<{ readonly key: SigningKey; readonly created: boolean }> {
  const existing = await loadKey(owner, use)
  if (existing !== undefined) return { key: existing, created: false }
  const kind = kinds[use]
  const fresh = await kind.generate(owner.project, forOldClients)
  const path = keyPath(owner, use)
  const text = await createKeyFile(path, `${fresh.privateKey.trim()}\n`, owner.projectRoot)
  return { key: await readKey(kind, text, path, owner), created: text.trim() === fresh.privateKey.trim() }
}
