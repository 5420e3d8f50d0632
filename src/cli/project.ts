import type { Loaded, Workspace } from '#toolkit/workspace.ts'
import { loadProject, openWorkspace } from '#toolkit/workspace.ts'
import type { Invocation, projectOptions } from './command.ts'

type ProjectInvocation = Invocation<typeof projectOptions>

/** The workspace that a command's project options name. */
export function workspaceOf(invocation: ProjectInvocation): Workspace {
  const { values, cwd, env, report, signal } = invocation
  return openWorkspace({ cwd, project: values.project, env, offline: values.offline, report, signal })
}

/** The project evaluated for the machine that the options name. */
export function projectOf(invocation: ProjectInvocation): Promise<Loaded> {
  return loadProject(workspaceOf(invocation), invocation.values.machine)
}
