import { bareUnit } from '#engine/project/bare-unit.ts'
import type { Machine, PackageUnit } from '#engine/project/model.ts'

const at = { file: 'units/app.star', line: 3, column: 1 }

/** A package unit with nothing special about it. */
export function packageUnit(fields: Partial<PackageUnit> = {}): PackageUnit {
  return { ...bareUnit('app', '1.0', at), description: 'An application', license: 'MIT', ...fields }
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
