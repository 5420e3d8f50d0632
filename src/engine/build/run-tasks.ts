import { chmod, mkdir, rm } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import { userErrors, YoeError } from '../errors.ts'
import type { PackageNode, ToolchainNode } from '../plan/graph.ts'
import type { TaskActions } from '../project/actions.ts'
import { callsFunction } from '../project/calls.ts'
import type { Step, Task } from '../project/model.ts'
import type { TaskFunctions } from '../project/task-functions.ts'
import { openCacheFolders } from './cache-folders.ts'
import { Capture } from './capture.ts'
import type { BuildContext } from './context.ts'
import { limitsOf } from './context.ts'
import { tasksOf } from './debug-info.ts'
import { inImage, inside, taskEnvironment } from './environment.ts'
import { failureHint } from './failure-hint.ts'
import type { Finished } from './finished.ts'
import type { NodeFolders } from './folders.ts'
import { functionContext } from './function-context.ts'
import { StagedSteps } from './install-steps.ts'
import { raiseLimit } from './limits.ts'
import type { Progress } from './resume.ts'
import { environmentOfRoot } from './roots.ts'
import type { UnitLog } from './unit-log.ts'
import { shellIn } from './unit-shell.ts'
import type { Mount, Run, RunResult } from './worker.ts'

/** What the tasks of a unit find as its source. */
export interface TaskSource {
  /** Absolute folder that is {@link inside}.source. */
  readonly folder: string
  /** What else of it they see, and by which variables. */
  readonly mounts: readonly Mount[]
  readonly env: Readonly<Record<string, string>>
  /** Which tasks are to be run, and who notes how far they came; undefined: all. */
  readonly progress?: Pick<Progress, 'first' | 'started' | 'finished'>
}

/**
 * Runs the tasks of a unit, in order, each in the root of its container; the first step that fails ends it.
 * @throws {YoeError} TASK_FAILED with the end of the log, or what a function failed at
 */
export async function runTasks(
  context: BuildContext,
  node: PackageNode,
  results: Pick<Finished, 'rootOf'>,
  folders: NodeFolders,
  log: UnitLog,
  source: TaskSource = { folder: folders.source, mounts: [], env: {} },
): Promise<void> {
  const tasks = tasksOf(node.unit)
  const staged = new StagedSteps(context, node, folders.install)
  await staged.stageDeclared()
  const functions = tasks.some(callsFunction) ? await context.functions(node) : undefined
  // Before anything is locked: a root may have to be built first.
  const roots = new Map<Task, string>()
  for (const task of tasks) roots.set(task, await results.rootOf(toolchainOf(node, task)))
  const home = join(folders.root, 'home')
  await rm(home, { recursive: true, force: true })
  await mkdir(home)
  await chmod(home, 0o755)
  const writable = [source.folder, folders.destdir, home]
  await Promise.all(writable.map((folder) => context.worker.prepareWritable(folder)))
  const toolchains = new Set(tasks.map((task) => toolchainOf(node, task)))
  await using caches = await openCacheFolders(context, node, [...toolchains], log)
  const mounts: readonly Mount[] = [
    { source: source.folder, target: inside.source, writable: true },
    ...source.mounts,
    { source: folders.destdir, target: inside.destdir, writable: true },
    { source: home, target: inside.home, writable: true },
    { source: folders.sysroot, target: inside.sysroot, writable: false },
    { source: folders.install, target: inside.install, writable: false },
    ...caches.mounts,
  ]
  const { processors, sourceDateEpoch, format } = context
  const env = { ...source.env, ...taskEnvironment(node, format.searchFolders(node.arch), processors, sourceDateEpoch) }
  const first = source.progress?.first ?? 0
  for (const [index, task] of tasks.entries()) {
    if (index < first) {
      log.note(`task ${task.name} was done before`)
      continue
    }
    await source.progress?.started(index)
    const root = roots.get(task) ?? ''
    const run = { root, mounts, env: inImage(env, await environmentOfRoot(root)) }
    const { command: shell } = await shellIn(root, node.unit)
    await new TaskRun({ context, node, task, run, shell, staged, functions, log }).steps()
    await source.progress?.finished(index, index === tasks.length - 1)
  }
}

/** The container that a task names, else the unit's. */
function toolchainOf({ unit, toolchain, containers }: PackageNode, { name, container }: Task): ToolchainNode {
  const found = container === undefined ? toolchain : containers.get(container)
  if (found === undefined) throw new TypeError(`unit "${unit.name}": task "${name}" has no root`)
  return found
}

interface TaskRunOptions {
  readonly context: BuildContext
  readonly node: PackageNode
  readonly task: Task
  readonly run: Pick<Run, 'root' | 'mounts' | 'env'>
  /** What comes before a command. */
  readonly shell: readonly string[]
  readonly staged: StagedSteps
  /** Undefined when no task of the unit calls a function. */
  readonly functions: TaskFunctions | undefined
  readonly log: UnitLog
}

/** One task of a unit under way. */
class TaskRun {
  readonly #options: TaskRunOptions

  constructor(options: TaskRunOptions) {
    this.#options = options
  }

  async steps(): Promise<void> {
    const { task, log } = this.#options
    log.note(`task ${task.name}`)
    for (const [index, step] of task.steps.entries()) {
      const which = task.steps.length > 1 ? ` (step ${index + 1})` : ''
      await this.#step(step, which)
    }
  }

  async #step(step: Step, which: string): Promise<void> {
    switch (step.kind) {
      case 'run':
        return this.#must(which, step.command, step.command)
      case 'install':
        return this.#must(which, await this.#options.staged.commandFor(step), `install ${step.dest}`)
      case 'call':
        return this.#call(step, which)
      default:
        return step satisfies never
    }
  }

  async #call(step: Extract<Step, { kind: 'call' }>, which: string): Promise<void> {
    const { context, node, task, run, staged, functions, log } = this.#options
    if (functions === undefined) throw new TypeError(`nobody opened the functions of ${node.id}`)
    log.line(`+ ${step.name}()`)
    const actions: TaskActions = {
      run: async (command) => {
        const capture = new Capture()
        const result = await this.#command(command, command, capture)
        if (result.kind === 'killed')
          throw new YoeError('TASK_FAILED', `a command was ended: ${result.why}`, { hint: this.#hint(result) })
        return { status: result.code, ...capture.end() }
      },
      install: async (install) => {
        const result = await this.#command(await staged.commandFor(install), `install ${install.dest}`)
        if (result.kind === 'exited' && result.code === 0) return
        throw new YoeError('TASK_FAILED', `${install.dest} can't be installed: ${ended(result)}`, {
          hint: this.#hint(result),
        })
      },
      log: (text) => log.line(text),
    }
    try {
      await functions.call(step, functionContext(context, node, run.env), actions, context.signal)
    } catch (failure) {
      const [error] = userErrors(failure) ?? []
      if (error === undefined || error.code === 'CANCELLED') throw failure
      const { code, message, hint } = error
      const said =
        error.unit === undefined ? `unit "${node.unit.name}": task "${task.name}"${which}: ${message}` : message
      throw new YoeError(code, said, {
        at: error.at ?? step.at,
        unit: node.unit.name,
        log: log.excerpt(),
        hint: hint ?? this.#hint(),
        cause: failure,
      })
    }
  }

  /** Runs a command that has to succeed. */
  async #must(which: string, command: string, shown: string): Promise<void> {
    const result = await this.#command(command, shown)
    if (result.kind === 'exited' && result.code === 0) return
    const { node, task, log } = this.#options
    throw new YoeError('TASK_FAILED', `unit "${node.unit.name}": task "${task.name}"${which} ${ended(result)}`, {
      at: node.unit.at,
      unit: node.unit.name,
      log: log.excerpt(),
      hint: this.#hint(result),
    })
  }

  async #command(command: string, shown: string, capture?: Capture): Promise<RunResult> {
    const { context, node, task, run, shell, log } = this.#options
    log.line(`+ ${shown}`)
    return context.worker.run({
      ...run,
      argv: [...shell, command],
      // Where from, not what: so it is in no key, and nothing that works offline sees it.
      ...(task.network
        ? { env: { ...context.network.environment, ...run.env }, mounts: [...run.mounts, ...context.network.mounts] }
        : {}),
      cwd: inside.source,
      network: task.network && !context.offline,
      reach: context.network.reach,
      identity: 'user',
      limits: limitsOf(context, node.unit),
      memoryUsed: context.memoryUsed,
      output: (chunk) => {
        capture?.add(chunk)
        log.write(chunk)
      },
      signal: context.signal,
    })
  }

  #hint(result?: RunResult): string {
    const { context, node, log } = this.#options
    const { name, limits = {} } = node.unit
    if (result?.kind === 'killed' && result.limit !== undefined)
      return raiseLimit(result.limit, limitsOf(context, node.unit), { unit: limits, local: context.limits ?? {} })
    const again = `yoe log ${name} shows all of it; yoe build ${name} tries again`
    const known = failureHint(log.excerpt().tail)
    return known === undefined ? again : `${known}\n${again}`
  }
}

function ended(result: RunResult): string {
  if (result.kind !== 'exited') return `was ended: ${result.why}`
  return `failed with exit code ${result.code}${bySignal(result.code)}`
}

/** Shells exit with 128 and the number of the signal that ended a command; others of these codes are programs' own. */
function bySignal(code: number): string {
  const [name] = Object.entries(constants.signals).find(([, number]) => number === code - 128) ?? []
  const ends = ['SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGKILL', 'SIGSEGV', 'SIGSYS', 'SIGTERM']
  return name !== undefined && ends.includes(name) ? ` (128 and ${code - 128}: a program was ended by ${name})` : ''
}
