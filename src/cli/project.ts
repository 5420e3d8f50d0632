import type { Evaluated } from '#engine/project/evaluate.ts'
import type { Workspace } from '#toolkit/workspace.ts'
import { loadProject, openWorkspace } from '#toolkit/workspace.ts'
import type { Invocation, projectOptions } from './command.ts'

type ProjectInvocation = Invocation<typeof projectOptions>

/** The workspace that a command's project options name. */
export function workspaceOf(invocation: ProjectInvocation): Workspace {
  const { values, cwd, env, report, signal } = invocation
  return openWorkspace({ cwd, project: values.project, env, offline: values.offline, report, signal })
}

/** The project evaluated for the machine that the options name. */
export async function projectOf(invocation: ProjectInvocation): Promise<{ workspace: Workspace } & Evaluated> {
  const workspace = workspaceOf(invocation)
  return { workspace, ...(await loadProject(workspace, invocation.values.machine)) }
}
