import type { PackedPackage, SigningKey } from '#engine/formats.ts'
import type { PublicKeyFile } from '#engine/project/settings.ts'
import type { KeyUse } from '../keys/project-keys.ts'
import type { KeyringInput } from '../shared/keyring-package.ts'
import type { BucketPublish } from './bucket.ts'
import type { DirectoryPublish } from './directory.ts'
import type { Imported, SiteImport } from './live-site.ts'
import type { FeedFolder } from './page.ts'

/** How packages of one format come to devices: all that differs between formats. */
export interface Publisher {
  readonly keyUse: KeyUse
  /** A feed's folder at the place where it is published. */
  readonly folder: FeedFolder
  /** How names of package files end. */
  readonly extension: string
  /** The program that devices install with. */
  readonly tool: string
  /** A key that nobody keeps. */
  generateKey(project: string): Promise<SigningKey>
  /** Made of those files that have keys of this format. @throws {YoeError} KEY_INVALID when one can't be read */
  keyringPackage(input: KeyringInput): Promise<PackedPackage>
  /** What stands for each key that is in a keyring package of these files. */
  trustedKeys(files: readonly PublicKeyFile[]): Promise<readonly string[]>
  /** What stands for each key that signs now, likewise. */
  signingKeys(key: SigningKey): Promise<readonly string[]>
  publishDirectory(input: DirectoryPublish): Promise<{ readonly packages: number }>
  publishBucket(input: BucketPublish): Promise<{ readonly packages: number }>
  importSite(site: SiteImport): Promise<Imported | undefined>
  /** The file at the place's top that devices trust; of several, the one that is enough. */
  keyFile(project: string, key: SigningKey): Promise<string>
  /** What to type on a device to use a feed. @param url where it is served, without a slash at its end */
  installSnippet(feed: {
    readonly project: string
    readonly suite: string
    readonly url: string
    readonly key: SigningKey | undefined
  }): Promise<readonly string[]>
}
