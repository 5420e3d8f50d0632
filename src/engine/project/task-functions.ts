import type { StarlarkFunction, StarlarkInput } from 'starlark-wasm'
import { StarlarkError, StarlarkStruct } from 'starlark-wasm'
import { YoeError } from '../errors.ts'
import { starlarkOf } from '../starlark/json.ts'
import type { CommandResult, TaskActions } from './actions.ts'
import { builtins } from './builtins/all.ts'
import type { Builtin } from './builtins/builtin.ts'
import { DeclaredNames } from './declared-names.ts'
import { Evaluator } from './evaluator.ts'
import { functionWith } from './functions.ts'
import type { Json, Machine, PackageUnit, Place, Project, Step } from './model.ts'
import { parseLabel } from './place.ts'

export type CallStep = Extract<Step, { kind: 'call' }>

/** The functions of one unit's tasks. */
export interface TaskFunctions {
  /**
   * Calls the function of a step.
   *
   * @param ctx what a function with a parameter is given: a struct of these
   * @throws {YoeError} what the function failed at and where in its files; what `actions` throw comes through
   */
  call(step: CallStep, ctx: Readonly<Record<string, Json>>, actions: TaskActions, signal: AbortSignal): Promise<void>
}

export interface FunctionsRequest {
  readonly project: Project
  /** The machine that the project was evaluated for. */
  readonly machine: Machine | undefined
  /** Builtins of registered package formats. */
  readonly formatBuiltins: Readonly<Record<string, Builtin>>
}

/**
 * Evaluates again, as the project's own evaluation did, the files that give a unit its functions: what is kept of a
 * project is data. A function that is not the planned one is never called.
 *
 * @throws {YoeErrors} what is wrong with the files, which changed then since the project was evaluated
 */
export async function openTaskFunctions(request: FunctionsRequest, unit: PackageUnit): Promise<TaskFunctions> {
  const star = await Evaluator.open({ ...builtins, ...request.formatBuiltins })
  const { project, machine } = request
  star.files.addRoot('', project.root)
  for (const module of project.modules) star.files.addRoot(module.name, module.root)
  const steps = unit.tasks.flatMap((task) => task.steps).filter((step) => step.kind === 'call')
  const files = new Set(steps.map((step) => step.at.file))
  const environment = star.withContext(project.version, machine)
  star.names = new DeclaredNames({ ...project, units: [] }, machine)
  await star.evaluate('units', placesOf(files, false), environment)
  // Images are declared last, when all units are known.
  star.names = new DeclaredNames({ ...project, units: project.units.filter(({ kind }) => kind !== 'image') }, machine)
  star.declarations.names = star.names
  await star.evaluate('units', placesOf(files, true), environment)
  star.throwErrors()
  // While tasks run, a function knows what its identity knows.
  star.names = undefined
  star.declarations.names = undefined
  star.declarations.phase = 'task'
  return new UnitFunctions(star, unit)
}

function placesOf(labels: ReadonlySet<string>, images: boolean): readonly Place[] {
  return [...labels].map(parseLabel).filter(({ path }) => path.startsWith('images/') === images)
}

class UnitFunctions implements TaskFunctions {
  readonly #star: Evaluator
  readonly #unit: PackageUnit

  constructor(star: Evaluator, unit: PackageUnit) {
    this.#star = star
    this.#unit = unit
  }

  async call(
    step: CallStep,
    ctx: Readonly<Record<string, Json>>,
    actions: TaskActions,
    signal: AbortSignal,
  ): Promise<void> {
    const fn = await functionWith(step.digest, this.#star.declarations)
    if (fn === undefined) {
      throw new YoeError('PROJECT_INVALID', `${step.name}() is not what it was when the build was planned`, {
        at: step.at,
        unit: this.#unit.name,
        hint: 'files of the project changed meanwhile; run the same command again',
      })
    }
    const underWay = new Set<Promise<unknown>>()
    this.#star.task = tracked(actions, underWay)
    try {
      await invoke(fn, ctx, signal)
    } finally {
      // A call that was cancelled leaves at once; what it started in the sandbox ends a little later.
      await Promise.allSettled(underWay)
      this.#star.task = undefined
    }
  }
}

function tracked(actions: TaskActions, underWay: Set<Promise<unknown>>): TaskActions {
  const track = <T>(work: Promise<T>): Promise<T> => {
    underWay.add(work)
    return work
  }
  return {
    run: (command): Promise<CommandResult> => track(actions.run(command)),
    install: (step) => track(actions.install(step)),
    log: (text) => actions.log(text),
  }
}

async function invoke(fn: StarlarkFunction, ctx: Readonly<Record<string, Json>>, signal: AbortSignal): Promise<void> {
  const [parameter] = (await fn.identity()).required
  const fields = new Map(Object.entries(ctx).map(([name, value]) => [name, starlarkOf(value)]))
  const kwargs = new Map(parameter === undefined ? [] : [[parameter, new StarlarkStruct<StarlarkInput>(fields, 'ctx')]])
  try {
    await fn.call([], kwargs, { signal })
  } catch (failure) {
    throw failure instanceof StarlarkError ? told(failure) : failure
  }
}

/** A failed call, with the lines that led there, outermost first. */
function told(failure: StarlarkError): unknown {
  if (failure.kind === 'cancelled') return new YoeError('CANCELLED', 'the task was cancelled', { cause: failure })
  const cause = failure.cause instanceof YoeError ? failure.cause : undefined
  // Anything else that was thrown in a builtin is a bug of ours, or a full disk.
  if (failure.kind === 'eval' && cause === undefined && failure.cause !== undefined) return failure.cause
  const frames = failure.frames
    .flatMap(({ name, position }) => (position === undefined ? [] : [`${position.file}:${position.line} in ${name}`]))
    .reverse()
  const way = frames.length === 0 ? '' : ` (${frames.join(', ')})`
  const code = cause?.code ?? (failure.kind === 'limit' || failure.kind === 'internal' ? 'STAR_LIMIT' : 'TASK_FAILED')
  return new YoeError(code, `${cause?.message ?? failure.message}${way}`, {
    at: cause?.at,
    unit: cause?.unit,
    hint: cause?.hint,
    cause: failure,
  })
}
