import type { PackageNode } from '#engine/plan/graph.ts'
import { packageUnit } from '../../support/units.ts'

const at = { file: 'units/u.star', line: 1, column: 1 }

/** A unit without tasks, built from others. */
export function packageNode(name: string, ...sysroot: PackageNode[]): PackageNode {
  return {
    kind: 'package',
    id: `debian/${name}.x86_64`,
    arch: 'x86_64',
    distro: 'debian',
    unit: packageUnit({ name, version: '1', at }),
    toolchain: undefined,
    sysroot,
    sysrootFeed: [],
    inRoots: [],
    runtimeDeps: [],
    containers: new Map(),
    config: { cflags: [], cxxflags: [], cppflags: [], ldflags: [], includePaths: [], environment: {} },
    machine: undefined,
  }
}
