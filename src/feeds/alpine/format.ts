import type { PackageFormat } from '#engine/formats.ts'
import { deviceFiles, knowsKeys } from './device-feed.ts'
import { apkArch, apkVersion } from './names.ts'
import { onDevice } from './on-device.ts'
import { packageObject } from './package-object.ts'
import { alpineVersions } from './version.ts'

/** Alpine and its kin: .apk packages and their feeds. What a command does not use is not loaded. */
export const alpineFormat: PackageFormat = {
  name: 'apk',
  distros: ['alpine'],
  versions: alpineVersions,
  archName: apkArch,
  packageVersion: apkVersion,
  pack: async (input) => (await import('./pack.ts')).packApk(input),
  describe: async (path, unit) => (await import('./describe.ts')).describeApk(path, unit),
  compare: async (first, second) => (await import('./contents.ts')).compareApks(first, second),
  extract: async (input) => (await import('./extract.ts')).extractApks(input),
  refuseClashes: async (entries) => (await import('./file-clashes.ts')).refuseClashes(entries),
  libraries: async (path) => (await import('./installed.ts')).readLibraries(path),
  searchFolders: () => ({ libraries: ['usr/lib', 'lib'], includes: ['usr/include'] }),
  purlType: 'apk',
  licencesIn: (name) => `apk info --license ${name}`,
  publish: async (input) => (await import('./repository.ts')).publishRepository(input),
  deviceFiles,
  knowsKeys,
  publicKeyFile: async (project) => (await import('../keys/rsa.ts')).rsaKeyName(project),
  onDevice,
  resolver: async () => (await import('./closure.ts')).resolveAlpineClosure,
  openFeed: async (feed, environment) => (await import('./feed.ts')).openAlpineFeed(feed, environment),
  latestIndex: async (feed, environment) => (await import('./feed.ts')).latestAlpineIndex(feed, environment),
  knownFeed: async (feed, environment) => (await import('./feed-knowledge.ts')).knownAlpineFeed(feed, environment),
  learnFeed: async (text, cacheRoot) => (await import('./feed-knowledge.ts')).learnAlpineFeed(text, cacheRoot),
  keepIndex: async (feed, environment, anew) => (await import('./kept-index.ts')).keepIndex(feed, environment, anew),
  fetchPackage: async (feed, record, environment) =>
    (await import('./fetch-apk.ts')).fetchApk(feed, record, environment),
  packageObject,
  installRoot: async (input) => (await import('./install.ts')).installRoot(input),
}
