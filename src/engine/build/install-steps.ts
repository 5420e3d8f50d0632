import { chmod, copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { YoeError } from '../errors.ts'
import type { PackageNode } from '../plan/graph.ts'
import { consoleOf } from '../project/console.ts'
import type { Json, Step } from '../project/model.ts'
import { placeLabel } from '../project/place.ts'
import { starlarkOf } from '../starlark/json.ts'
import type { BuildContext } from './context.ts'
import { inside } from './environment.ts'

type InstallStep = Extract<Step, { kind: 'install' }>

/**
 * The files of a unit's install steps, ready to be put where they belong in the sandbox: the destination is a build's to
 * shape, so nothing of it is written from outside.
 */
export class StagedSteps {
  readonly #context: BuildContext
  readonly #node: PackageNode
  readonly #folder: string
  readonly #names = new Map<InstallStep, string>()

  /** @param folder what tasks see as {@link inside}`.install` */
  constructor(context: BuildContext, node: PackageNode, folder: string) {
    this.#context = context
    this.#node = node
    this.#folder = folder
  }

  /** Copies or renders the files of all steps that the unit declares: what is wrong with them is known before a task runs. */
  async stageDeclared(): Promise<void> {
    for (const task of this.#node.unit.tasks) {
      for (const step of task.steps) if (step.kind === 'install') await this.commandFor(step)
    }
  }

  /** The command that puts a step's file where it belongs; the file is staged if it is not yet. */
  async commandFor(step: InstallStep): Promise<string> {
    const name = this.#names.get(step) ?? String(this.#names.size)
    if (!this.#names.has(step)) {
      this.#names.set(step, name)
      const source = this.#context.absolute(step.source)
      if (step.template)
        await writeFile(join(this.#folder, name), await render(this.#context, this.#node, step, source))
      else await copyFile(source, join(this.#folder, name))
      // Whatever the umask and the file's own mode: runs of root read it as somebody else.
      await chmod(join(this.#folder, name), 0o644)
    }
    // -D makes missing folders. Variables in the destination are the task's; all else in it is only text.
    const dest = `"${step.dest.replaceAll(/["\\`]|\$(?![A-Za-z_{])/g, '\\$&')}"`
    return `install -D -m ${step.mode.toString(8)} ${inside.install}/${name} ${dest}`
  }
}

/**
 * What templates see: the unit's identity and its extra arguments, which win. The machine is seen only by units whose
 * scope it is, since the results of others are shared between machines.
 * @see seed, File Templates
 */
function templateContext(context: BuildContext, node: PackageNode): ReadonlyMap<string, Json> {
  const { unit, machine } = node
  return new Map<string, Json>([
    ['name', unit.name],
    ['version', unit.version],
    ['release', unit.release],
    ...(unit.scope === 'noarch' ? [] : [['arch', node.arch] as const]),
    ['project', context.project.name],
    ['project_version', context.project.version],
    ...(machine === undefined
      ? []
      : ([
          ['machine', machine.name],
          ['console', consoleOf(machine)],
        ] as const)),
    ...Object.entries(unit.extra),
  ])
}

async function render(context: BuildContext, node: PackageNode, step: InstallStep, source: string): Promise<string> {
  const { StarlarkError, StarlarkSession } = await import('starlark-wasm')
  const session = await StarlarkSession.open()
  const label = placeLabel(step.source)
  try {
    return await session.renderTemplate(
      label,
      await readFile(source, 'utf8'),
      starlarkOf(Object.fromEntries(templateContext(context, node))),
    )
  } catch (failure) {
    if (!(failure instanceof StarlarkError)) throw failure
    const known = [...templateContext(context, node).keys()].join(', ')
    throw new YoeError('BAD_FIELD', `unit "${node.unit.name}": ${failure.message}`, {
      at: failure.position === undefined ? step.at : { ...failure.position, line: Math.max(1, failure.position.line) },
      unit: node.unit.name,
      hint: `the template sees: ${known}${unseen(node)}`,
      cause: failure,
    })
  }
}

/** What a template does not see for the scope of its unit. */
function unseen({ unit, machine }: PackageNode): string {
  if (machine !== undefined) return ''
  return unit.scope === 'noarch'
    ? ' (arch not with scope = "noarch", machine and console with scope = "machine")'
    : ' (machine and console with scope = "machine")'
}
