import type {
  Bootloader,
  ImageUnit,
  ImageUser,
  Kernel,
  Machine,
  PackageUnit,
  Partition,
  PublicConfig,
  Task,
  ToolchainUnit,
} from '../project/model.ts'

/**
 * Every field of a declaration either decides about a result (`in`), or does not, or does so by way of something else
 * that is in the key (`out`); `scoped` ones decide about units whose scope is the machine. A field in no table does not
 * compile, and one without a row in the table of mutations fails a test (__tests__/engine/plan/mutations.test.ts).
 */
export type FieldPolicy<T> = { readonly [field in keyof Required<T>]: 'in' | 'out' | 'scoped' }

export const packageFields: FieldPolicy<PackageUnit> = {
  kind: 'in',
  name: 'in',
  version: 'in',
  release: 'in',
  description: 'in',
  license: 'in', // packages are checked for it
  module: 'out',
  at: 'out',
  builtVia: 'out',
  distros: 'out', // the effective distro is in
  scope: 'in',
  source: 'in',
  patches: 'in',
  deps: 'out', // as hashes of what they resolved to
  distroDeps: 'out',
  runtimeDeps: 'out', // as what they resolved to
  distroRuntimeDeps: 'out',
  provides: 'in',
  replaces: 'in',
  conflicts: 'in',
  services: 'in',
  conffiles: 'in',
  environment: 'in',
  publicConfig: 'out', // as the configuration of the units that it flows to
  container: 'out', // as the toolchain's hash
  containerArch: 'out', // likewise
  shell: 'in',
  cacheDirs: 'out', // they make a build quicker, not different
  limits: 'out', // a build within them makes the same as one within others
  tasks: 'in',
  subpackages: 'in',
  extraSubpackages: 'in',
  permissions: 'in',
  qaSkip: 'in',
  tests: 'out', // they look at the result and do not change it
  upstreamTests: 'in',
  extra: 'in',
  extensions: 'out', // what they add is in the fields that they add to
}

export const toolchainFields: FieldPolicy<ToolchainUnit> = {
  kind: 'in',
  name: 'in',
  version: 'out',
  release: 'out',
  description: 'out',
  license: 'out',
  module: 'out',
  at: 'out',
  builtVia: 'out',
  distros: 'in',
  packages: 'out', // as the closure
  image: 'out', // as its digest
  dockerfile: 'out', // as what the folder holds, and the hashes of its bases
  provides: 'out',
}

export const imageFields: FieldPolicy<ImageUnit> = {
  kind: 'in',
  name: 'in',
  version: 'in',
  release: 'in',
  description: 'out',
  license: 'out',
  module: 'out',
  at: 'out',
  builtVia: 'out',
  distros: 'out',
  artifacts: 'out', // as the closure
  distroArtifacts: 'out',
  exclude: 'out',
  hostname: 'in',
  timezone: 'in',
  locale: 'in',
  services: 'in',
  users: 'in',
  overlays: 'in',
  partitions: 'in',
  checks: 'out', // they look at the result and do not change it
}

export const machineFields: FieldPolicy<Machine> = {
  name: 'in', // the default host name
  module: 'out',
  at: 'out',
  arch: 'in',
  description: 'out',
  kernel: 'out', // field by field, below
  distroKernels: 'out', // as the kernel for the distro
  bootloader: 'out', // field by field, below
  publicConfig: 'out', // as the configuration of units
  packages: 'out',
  distroPackages: 'out',
  partitions: 'out', // field by field, below: of images, since no unit sees them
  qemu: 'out',
}

export const kernelFields: FieldPolicy<Kernel> = {
  unit: 'out', // as a package of the closure
  provides: 'out', // as what the name means
  cmdline: 'out', // whole for images; its console for units whose scope is the machine
  repo: 'scoped',
  branch: 'scoped',
  tag: 'scoped',
  defconfig: 'scoped',
  deviceTrees: 'scoped',
}

export const bootloaderFields: FieldPolicy<Bootloader> = {
  kind: 'scoped',
  unit: 'out', // as a package of the closure
  repo: 'scoped',
  branch: 'scoped',
  tag: 'scoped',
  defconfig: 'scoped',
}

export const partitionFields: FieldPolicy<Partition> = {
  label: 'in',
  type: 'in',
  size: 'in',
  root: 'in',
  contents: 'in',
  at: 'out',
}

export const userFields: FieldPolicy<ImageUser> = {
  name: 'in',
  uid: 'in',
  groups: 'in',
  shell: 'in',
  home: 'in',
  password: 'in',
  authorizedKeys: 'in',
}

export const taskFields: FieldPolicy<Task> = {
  name: 'in',
  container: 'out', // as the root's hash
  steps: 'in',
  network: 'in',
  at: 'out',
}

/** Of a machine and of units alike: in the key of every unit that it flows to. */
export const configFields: FieldPolicy<PublicConfig> = {
  cflags: 'in',
  cxxflags: 'in',
  cppflags: 'in',
  ldflags: 'in',
  includePaths: 'in',
  environment: 'in',
}
