import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import { basename } from 'node:path'
import { YoeError } from '#engine/errors.ts'
import type { FeedEnvironment } from '#engine/formats.ts'
import type { FeedDeclaration } from '#engine/project/model.ts'
import { soundOptions } from '../shared/feed-fields.ts'
import { statePaths } from '../shared/feed-state.ts'
import { readTrust } from '../shared/module-file.ts'
import { sitesFor } from '../shared/sites.ts'
import { type AlpineFeedOptions, alpineFeedOptions } from './feed-options.ts'
import { apkArch } from './names.ts'
import type { TrustedKeys } from './signature.ts'

/** A feed as one environment sees it. */
export interface FeedPlace {
  readonly options: AlpineFeedOptions
  /** Alpine's spelling. */
  readonly arch: string
  /** Only these are believed about this feed. */
  readonly keys: TrustedKeys
  /** What was accepted of the feed, with these options and keys. */
  readonly accepted: string
  /** Of the question that is asked. */
  readonly key: string
}

/** @throws {YoeErrors} BAD_FIELD, KEY_INVALID */
export function feedPlace(
  declaration: FeedDeclaration,
  environment: Pick<FeedEnvironment, 'arch' | 'moduleRoot' | 'cacheRoot'>,
): FeedPlace {
  const options = optionsOf(declaration)
  const arch = apkArch(environment.arch)
  const { url, branch, sections } = options
  const sum = createHash('sha256').update(JSON.stringify([1, url, branch, sections, arch]))
  const keys = new Map<string, KeyObject>()
  for (const file of options.keys) {
    const pem = readKey(declaration, file, environment.moduleRoot)
    sum.update(`${file}\n`).update(pem)
    keys.set(basename(file), publicKey(declaration, file, pem))
  }
  const key = sum.digest('hex')
  return { options, arch, keys, key, accepted: statePaths(environment.cacheRoot, declaration.id, branch, key).accepted }
}

/** Where the newest date of a repository's index that was ever accepted is kept: its replay is noticed, whatever else changes. */
export function newestPath(cacheRoot: string, id: string, branch: string, path: string): string {
  return statePaths(cacheRoot, id, `${branch}/${path}`, '').newest
}

/** @throws {YoeErrors} */
export function optionsOf(declaration: FeedDeclaration): AlpineFeedOptions {
  return soundOptions(alpineFeedOptions(declaration.options, declaration.at))
}

/** See {@link sitesFor}. */
export function sitesOf(
  { url, branch }: AlpineFeedOptions,
  environment: Pick<FeedEnvironment, 'fetcher' | 'offline'>,
): readonly string[] {
  return sitesFor(url, environment).map((site) => `${site}/${branch}`)
}

function readKey(declaration: FeedDeclaration, file: string, moduleRoot: string): string {
  const missing = "put the public key there; Alpine's are in its package alpine-keys:"
  const outside = 'copy the key into the module'
  return readTrust(declaration, moduleRoot, { what: 'key', file, missing, outside }).toString('utf8')
}

function publicKey(declaration: FeedDeclaration, file: string, pem: string): KeyObject {
  const invalid = (why: string, cause?: unknown): YoeError =>
    new YoeError('KEY_INVALID', `feed ${declaration.id}: its key ${file} ${why}`, {
      hint: 'a key is a PEM file that begins with -----BEGIN PUBLIC KEY-----, of RSA with at least 2048 bits',
      at: declaration.at,
      cause,
    })
  let key: KeyObject
  try {
    if (pem.includes('PRIVATE')) throw invalid('is a private key, which does not belong into a module')
    key = createPublicKey(pem)
  } catch (failure) {
    throw failure instanceof YoeError ? failure : invalid('is no public key in PEM', failure)
  }
  if (key.asymmetricKeyType !== 'rsa') throw invalid(`is of type ${key.asymmetricKeyType}`)
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
  if (modulusLength < 2048 || modulusLength > 8192) throw invalid(`has ${modulusLength} bits`)
  // Lower ones let signatures be forged where a reader is careless about padding.
  if (publicExponent < 65_537n) throw invalid(`has the public exponent ${publicExponent}`)
  return key
}
