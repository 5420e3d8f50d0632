import { existsSync } from 'node:fs'
import type { Node } from '#engine/plan/graph.ts'
import { inOrder } from '#engine/plan/graph.ts'
import type { Plan, PlanOptions } from '../planning.ts'
import { makePlans } from '../planning.ts'
import type { Workspace } from '../workspace.ts'
import { loadProject } from '../workspace.ts'

/**
 * The plans of what is to be built, as `makePlans` gives them, with the sources of units as their user has them: trees
 * that were edited are in dev state then, and commits lie on the source that their unit declares by now.
 *
 * @throws {YoeErrors} as `makePlans`; SOURCE_STATE at a conflict, which then waits in the tree
 */
export async function plansToBuild(workspace: Workspace, options: PlanOptions): Promise<readonly Plan[]> {
  if (options.targets.length > 0 && existsSync(workspace.buildRoot)) {
    const { adoptEdits } = await import('./adopt.ts')
    await adoptEdits(workspace, options.targets)
  }
  const plans = await makePlans(workspace, options)
  if (!plans.some((plan) => inOrder(plan.targets).some((node) => isBehind(plan, node)))) return plans
  const { moveTrees } = await import('./settle.ts')
  let moved = false
  for (const plan of plans) moved = (await moveTrees(plan)) || moved
  return moved ? makePlans(workspace, { ...options, refresh: false }) : plans
}

function isBehind({ keys }: Plan, node: Node): boolean {
  return keys.get(node)?.dev?.behind !== undefined
}

/**
 * The unit whose source a command was started in: its work tree, or its `path()` source. Undefined elsewhere, and at the
 * top of the project.
 *
 * @throws {YoeErrors} USAGE when it is the source of several; what is wrong with the project
 */
export async function unitHere(workspace: Workspace, machine: string | undefined): Promise<string | undefined> {
  const { cwd, root } = workspace
  if (cwd === root) return undefined
  const { unitOfPath, unitOfTree } = await import('./adopt.ts')
  return unitOfTree(workspace, cwd) ?? unitOfPath((await loadProject(workspace, machine)).project, cwd)
}
