import { createHash } from 'node:crypto'
import type { FeedEnvironment } from '#engine/formats.ts'
import type { FeedDeclaration } from '#engine/project/model.ts'
import { soundOptions } from '../shared/feed-fields.ts'
import { type StatePaths, statePaths } from '../shared/feed-state.ts'
import { readTrust } from '../shared/module-file.ts'
import { sitesFor } from '../shared/sites.ts'
import { type AptFeedOptions, aptFeedOptions } from './feed-options.ts'
import { debianArch } from './names.ts'
import type { PackagesFile } from './packages-file.ts'

/** A feed as one environment sees it. */
export interface FeedPlace {
  readonly options: AptFeedOptions
  /** Debian's spelling. */
  readonly arch: string
  readonly keyring: Uint8Array
  /** Of the question that is asked: with another declaration or keyring, another answer. */
  readonly key: string
  readonly paths: StatePaths
}

/** @throws {YoeErrors} BAD_FIELD, KEY_INVALID */
export function feedPlace(
  declaration: FeedDeclaration,
  environment: Pick<FeedEnvironment, 'arch' | 'moduleRoot' | 'cacheRoot'>,
): FeedPlace {
  const options = optionsOf(declaration)
  const arch = debianArch(environment.arch)
  const keyring = readTrust(declaration, environment.moduleRoot, {
    what: 'keyring',
    file: options.keyring,
    missing: "put the archive's OpenPGP keys there: gpg --export KEYID >",
    outside: 'copy the keys into the module',
  })
  const { url, archUrls, suite, components } = options
  const identity = JSON.stringify([1, url, archUrls, suite, components, arch])
  const key = createHash('sha256').update(identity).update(keyring).digest('hex')
  return { options, arch, keyring, key, paths: statePaths(environment.cacheRoot, declaration.id, suite, key) }
}

/** @throws {YoeErrors} */
export function optionsOf(declaration: FeedDeclaration): AptFeedOptions {
  return soundOptions(aptFeedOptions(declaration.options, declaration.at))
}

/**
 * See {@link sitesFor}. Everything of one reading comes from one of them.
 *
 * @param arch the archive of an architecture, where some have another
 */
export function sitesOf(
  { url, archUrls }: AptFeedOptions,
  environment: Pick<FeedEnvironment, 'fetcher' | 'offline'>,
  arch?: string,
): readonly string[] {
  return sitesFor((arch === undefined ? undefined : archUrls[arch]) ?? url, environment)
}

/** Where a file of an index is asked for: by its digest where the archive offers that. */
export function indexAddresses(
  sites: readonly string[],
  suite: string,
  { path, sha256 }: Pick<PackagesFile, 'path' | 'sha256'>,
  byHash: boolean,
): readonly string[] {
  const folder = path.slice(0, path.lastIndexOf('/'))
  return sites.flatMap((site) => {
    const plain = `${site}/dists/${suite}/${path}`
    return byHash ? [`${site}/dists/${suite}/${folder}/by-hash/SHA256/${sha256}`, plain] : [plain]
  })
}
