import { bareUnit } from '#engine/project/bare-unit.ts'
import type { ImageUnit, Machine, PackageUnit, Project, ToolchainUnit } from '#engine/project/model.ts'

const at = { file: 'units/app.star', line: 3, column: 1 }

/** A package unit with nothing special about it. */
export function packageUnit(fields: Partial<PackageUnit> = {}): PackageUnit {
  return { ...bareUnit('app', '1.0', at), description: 'An application', license: 'MIT', ...fields }
}

/** What every unit says, of one that is not a package. */
const plain = { version: '1', release: 0, description: '', license: '', module: '', builtVia: [] }

/** An image with nothing in it. */
export function imageUnit(fields: Partial<ImageUnit> = {}): ImageUnit {
  return {
    ...plain,
    kind: 'image',
    name: 'image',
    at: { file: 'images/image.star', line: 3, column: 1 },
    artifacts: [],
    distroArtifacts: {},
    exclude: [],
    timezone: 'UTC',
    locale: 'C.UTF-8',
    services: [],
    users: [],
    overlays: [],
    checks: [],
    ...fields,
  }
}

/** A toolchain of packages of a feed. */
export function toolchainUnit(name: string, packages: readonly string[], provides: readonly string[]): ToolchainUnit {
  return { ...plain, kind: 'toolchain', name, at, packages, provides }
}

/** A project that has nothing. */
export function emptyProject(fields: Partial<Project> = {}): Project {
  return {
    name: 'demo',
    version: '1.0',
    description: '',
    root: '/project',
    at: { file: 'PROJECT.star', line: 1, column: 1 },
    defaults: {},
    cache: {},
    sources: { mirrors: {} },
    pins: [],
    modules: [],
    machines: [],
    units: [],
    feeds: [],
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
