import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { YoeError } from '../errors.ts'
import type { PackageNode } from '../plan/graph.ts'
import type { Json, Step } from '../project/model.ts'
import { placeLabel } from '../project/place.ts'
import type { BuildContext } from './context.ts'
import { inside } from './environment.ts'

type InstallStep = Extract<Step, { kind: 'install' }>

/** Install steps, ready to be run in the sandbox: the destination is a build's to shape, so nothing of it is written from outside. */
export interface StagedSteps {
  /** The command that puts a step's file where it belongs. */
  commandFor(step: InstallStep): string
}

/** Copies or renders the files of all install steps of a unit into `folder`. */
export async function stageInstallSteps(
  context: BuildContext,
  node: PackageNode,
  folder: string,
): Promise<StagedSteps> {
  const steps = node.unit.tasks.flatMap((task) => task.steps).filter((step) => step.kind === 'install')
  const names = new Map<InstallStep, string>(steps.map((step, index) => [step, String(index)]))
  for (const [step, name] of names) {
    const source = context.absolute(step.source)
    if (step.template) await writeFile(join(folder, name), await render(context, node, step, source))
    else await copyFile(source, join(folder, name))
  }
  return {
    commandFor(step) {
      // -D makes missing folders. Variables in the destination are the task's; all else in it is only text.
      const dest = `"${step.dest.replaceAll(/["\\`]|\$(?![A-Za-z_{])/g, '\\$&')}"`
      return `install -D -m ${step.mode.toString(8)} ${inside.install}/${names.get(step) ?? ''} ${dest}`
    },
  }
}

/**
 * What templates see: the unit's identity and its extra arguments, which win. The machine is seen only by units whose
 * scope it is, since the results of others are shared between machines.
 * @see seed, File Templates
 */
export function templateContext(context: BuildContext, node: PackageNode): ReadonlyMap<string, Json> {
  const { unit, machine } = node
  return new Map<string, Json>([
    ['name', unit.name],
    ['version', unit.version],
    ['release', unit.release],
    ['arch', node.arch],
    ['project', context.project.name],
    ...(machine === undefined
      ? []
      : ([
          ['machine', machine.name],
          ['console', /(?:^|\s)console=([^\s,]+)/.exec(machine.kernel?.cmdline ?? '')?.[1] ?? ''],
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
      toStarlark(Object.fromEntries(templateContext(context, node))),
    )
  } catch (failure) {
    if (!(failure instanceof StarlarkError)) throw failure
    const known = [...templateContext(context, node).keys()].join(', ')
    throw new YoeError('BAD_FIELD', `unit "${node.unit.name}": ${failure.message}`, {
      at: failure.position === undefined ? step.at : { ...failure.position, line: Math.max(1, failure.position.line) },
      unit: node.unit.name,
      hint: `the template sees: ${known}${node.machine === undefined ? ' (machine and console with scope = "machine")' : ''}`,
      cause: failure,
    })
  }
}

type StarlarkInput = import('starlark-wasm').StarlarkInput

function toStarlark(value: Json): StarlarkInput {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(toStarlark)
  return new Map(Object.entries(value).map(([key, member]): [string, StarlarkInput] => [key, toStarlark(member)]))
}
