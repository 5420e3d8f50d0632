import type { FunctionIdentity, StarlarkFunction } from 'starlark-wasm'
import { StarlarkError } from 'starlark-wasm'
import type { Files } from './builtins/builtin.ts'
import { callsFunction } from './calls.ts'
import type { Declarations } from './declarations.ts'
import type { PackageUnit, Place, Step, Task, Unit } from './model.ts'
import { filesFolder, parseLabel } from './place.ts'

/**
 * Gives every step that calls a function the identity of that: to be called when all files are evaluated, since a function
 * sees globals that are declared after it. What is wrong with a function is among the errors of the declarations.
 */
export async function identifyFunctions(
  units: readonly Unit[],
  declarations: Declarations,
  files: Files,
): Promise<readonly Unit[]> {
  if (declarations.functions.size === 0) return units
  const identified: Unit[] = []
  for (const unit of units) {
    if (unit.kind !== 'package' || !unit.tasks.some(callsFunction)) identified.push(unit)
    else identified.push({ ...unit, tasks: await identifyTasks(unit, declarations, files) })
  }
  return identified
}

async function identifyTasks(
  { name: unit, tasks }: PackageUnit,
  declarations: Declarations,
  files: Files,
): Promise<readonly Task[]> {
  const identify = async (task: Task, step: Step): Promise<Step> => {
    const fn = declarations.functions.get(step)
    if (step.kind !== 'call' || fn === undefined) return step
    try {
      const { digest, required, ...reach } = await fn.identity()
      if (required.length <= 1) return { ...step, digest, reads: readsOf(reach, files) }
      declarations.fail('BAD_FIELD', `task("${task.name}"): ${fn.name} needs ${required.join(', ')}`, {
        at: step.at,
        unit,
        hint: 'a function of a task is called with ctx, or with nothing; a lambda can pass on more',
      })
    } catch (failure) {
      if (!(failure instanceof StarlarkError)) throw failure
      const code = failure.kind === 'limit' ? 'STAR_LIMIT' : 'BAD_FIELD'
      declarations.fail(code, `task("${task.name}"): ${fn.name}: ${failure.message}`, { at: step.at, unit })
    }
    return step
  }
  const identified: Task[] = []
  for (const task of tasks) {
    const steps: Step[] = []
    for (const step of task.steps) steps.push(await identify(task, step))
    identified.push({ ...task, steps })
  }
  return identified
}

/** Which file is installed is known when the function runs; so all that it could install counts. */
function readsOf({ files, builtins }: Pick<FunctionIdentity, 'files' | 'builtins'>, known: Files): readonly Place[] {
  if (!builtins.includes('install_file') && !builtins.includes('install_template')) return []
  return files
    .map(parseLabel)
    .map((file): Place => ({ module: file.module, path: filesFolder(file) }))
    .filter((folder) => known.kindOf(folder) === 'folder')
}

/** The function of a step, by what it is: functions of one identity see and do the same. */
export async function functionWith(digest: string, { functions }: Declarations): Promise<StarlarkFunction | undefined> {
  for (const fn of functions.values()) if ((await fn.identity()).digest === digest) return fn
  return undefined
}
