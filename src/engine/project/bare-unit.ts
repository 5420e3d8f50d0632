import type { Position } from '../errors.ts'
import type { PackageUnit } from './model.ts'

/** What `unit(name, version)` declares: every other field at its default. */
export function bareUnit(name: string, version: string, at: Position): PackageUnit {
  return {
    kind: 'package',
    name,
    version,
    release: 0,
    description: '',
    license: '',
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
  }
}
