import type { Machine, PackageUnit } from '#engine/project/model.ts'

const at = { file: 'units/app.star', line: 3, column: 1 }

/** A package unit with nothing special about it. */
export function packageUnit(fields: Partial<PackageUnit> = {}): PackageUnit {
  return {
    kind: 'package',
    name: 'app',
    version: '1.0',
    release: 0,
    description: 'An application',
    license: 'MIT',
    module: '',
    at,
    builtVia: [],
    scope: 'arch',
    patches: [],
    deps: [],
    distroDeps: {},
    runtimeDeps: [],
    distroRuntimeDeps: {},
    provides: [],
    replaces: [],
    conflicts: [],
    services: [],
    conffiles: [],
    environment: {},
    container: 'toolchain',
    containerArch: 'target',
    shell: 'bash',
    cacheDirs: {},
    tasks: [],
    subpackages: [],
    extraSubpackages: {},
    permissions: {},
    qaSkip: {},
    tests: [],
    upstreamTests: false,
    extra: {},
    extensions: [],
    ...fields,
  }
}

/** A machine with nothing special about it. */
export function machineOf(fields: Partial<Machine> = {}): Machine {
  return {
    name: 'board',
    module: '',
    at: { file: 'machines/board.star', line: 1, column: 1 },
    arch: 'x86_64',
    description: '',
    distroKernels: {},
    packages: [],
    distroPackages: {},
    partitions: [],
    ...fields,
  }
}
