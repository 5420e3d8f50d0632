import type { PackageNode } from '../plan/graph.ts'
import type { Json } from '../project/model.ts'
import type { BuildContext } from './context.ts'
import { inside } from './environment.ts'

/**
 * What a task's function with a parameter is given, as the fields of a struct. All of it is in the unit's key, or, as
 * `nproc`, the same as what commands see.
 *
 * @param env the environment of the task's commands
 */
export function functionContext(
  { project, processors }: Pick<BuildContext, 'project' | 'processors'>,
  { unit, arch, machine }: PackageNode,
  env: Readonly<Record<string, string>>,
): Readonly<Record<string, Json>> {
  return {
    name: unit.name,
    version: unit.version,
    release: unit.release,
    arch: unit.scope === 'noarch' ? null : arch,
    machine: machine?.name ?? null,
    project: project.name,
    srcdir: inside.source,
    destdir: inside.destdir,
    sysroot: inside.sysroot,
    prefix: env['PREFIX'] ?? '',
    nproc: processors,
    env,
    extra: unit.extra,
  }
}
