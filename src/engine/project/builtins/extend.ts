import { defaulting, required } from '../arguments.ts'
import { unitName } from '../names.ts'
import { list, made, named } from '../readers.ts'
import type { Builtin } from './builtin.ts'
import { declaring } from './builtin.ts'
import { taskKind } from './task.ts'
import { addableFields, distrosOf, identityFields } from './unit.ts'

/**
 * `extend(name, …)`: adds to a unit that is declared in the same module, before or after. For classes that compose: one
 * makes the unit, another adds a service to it.
 * @see seed, Class Composition
 */
export const extend: Builtin = declaring(
  'units',
  {
    fields: {
      name: required(named(unitName)),
      distro: identityFields.distro,
      distros: identityFields.distros,
      ...addableFields,
      tasks: defaulting(list(made(taskKind)), []),
    },
    positional: ['name'],
  },
  ({ runtime_deps: runtimeDeps, tasks, distro, distros, ...fields }, invocation, context) => {
    const { at, file, via } = invocation
    const only = distrosOf({ name: fields.name, distro, distros }, invocation, context)
    context.declarations.additions.push({
      ...fields,
      ...(only === undefined ? {} : { distros: only }),
      runtimeDeps,
      tasks: tasks.map(({ remove: _, ...task }) => task),
      module: file.module,
      at,
      via,
    })
  },
)
