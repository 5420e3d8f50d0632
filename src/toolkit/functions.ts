import type { PackageUnit } from '#engine/project/model.ts'
import type { TaskFunctions } from '#engine/project/task-functions.ts'
import type { Plan } from './planning.ts'

/** The functions of a unit's tasks, from its files: what is kept of a project is data. */
export async function openFunctions({ project, machine }: Plan, unit: PackageUnit): Promise<TaskFunctions> {
  const [{ openTaskFunctions }, { formatBuiltins }] = await Promise.all([
    import('#engine/project/task-functions.ts'),
    import('./formats.ts'),
  ])
  // As it is declared: a plan's machine has the kernel of one distro.
  const declared = project.machines.find(({ name, module }) => name === machine.name && module === machine.module)
  return openTaskFunctions({ project, machine: declared, formatBuiltins: await formatBuiltins() }, unit)
}
