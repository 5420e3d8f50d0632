import type { Arch } from '#engine/arch.ts'
import type { ExtractInput, PackageFormat } from '#engine/formats.ts'
import { deviceFiles, knowsKeys } from './device-feed.ts'
import { debianArch, debianVersion } from './names.ts'
import { onDevice } from './on-device.ts'
import { debianVersions } from './version.ts'

/** GNU triplets of Debian's multiarch folders. */
const triplets: Readonly<Record<Arch, string>> = {
  x86_64: 'x86_64-linux-gnu',
  arm64: 'aarch64-linux-gnu',
  riscv64: 'riscv64-linux-gnu',
}

/** Debian and its kin: .deb packages and apt feeds. What a command does not use is not loaded. */
export const debianFormat: PackageFormat = {
  name: 'debian',
  distros: ['debian', 'ubuntu'],
  versions: debianVersions,
  archName: debianArch,
  packageVersion: debianVersion,
  openFeed: async (feed, environment) => (await import('./feed.ts')).openAptFeed(feed, environment),
  latestIndex: async (feed, environment) => (await import('./feed.ts')).latestAptIndex(feed, environment),
  knownFeed: async (feed, environment) => (await import('./feed-knowledge.ts')).knownAptFeed(feed, environment),
  learnFeed: async (text, cacheRoot) => (await import('./feed-knowledge.ts')).learnAptFeed(text, cacheRoot),
  fetchPackage: async (feed, record, environment) =>
    (await import('./fetch-deb.ts')).fetchDeb(feed, record, environment),
  pack: async (input) => (await import('./pack.ts')).packDeb(input),
  describe: async (path, unit) => (await import('./describe.ts')).describeDeb(path, unit),
  compare: async (first, second) => (await import('./compare.ts')).compareDebs(first, second),
  extract: async (input: ExtractInput) => (await import('./extract.ts')).extractDebs(input),
  refuseClashes: async (entries) => (await import('./file-clashes.ts')).refuseClashes(entries),
  libraries: async (path) => (await import('./libraries.ts')).readLibraries(path),
  searchFolders: (arch) => ({
    libraries: ['usr/lib', `usr/lib/${triplets[arch]}`],
    includes: ['usr/include', `usr/include/${triplets[arch]}`],
  }),
  purlType: 'deb',
  licencesIn: (name) => `/usr/share/doc/${name}/copyright`,
  publish: async (input) => (await import('./repository.ts')).publishRepository(input),
  deviceFiles,
  knowsKeys,
  publicKeyFile: async (project) => `${project}.asc`,
  onDevice,
  installRoot: async (input) => (await import('./install.ts')).installRoot(input),
}
