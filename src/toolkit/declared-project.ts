import type { Project } from '#engine/project/model.ts'
import { shippedModules } from './assets.ts'
import type { Workspace } from './workspace.ts'
import { settled } from './workspace.ts'

/** What PROJECT.star says of itself, and the workspace as it wants it; its modules need not be on this machine. */
export async function declaredProject(
  workspace: Workspace,
): Promise<{ readonly workspace: Workspace; readonly project: Pick<Project, 'name' | 'cache'> }> {
  const { evaluateAlone } = await import('./evaluating.ts')
  const { root, entry } = workspace
  const project = await evaluateAlone({ root, entry, machine: undefined, shippedModules: shippedModules() })
  return { workspace: settled(workspace, project), project }
}
