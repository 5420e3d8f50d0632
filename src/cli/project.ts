import type { Loaded, Workspace } from '#toolkit/workspace.ts'
import { loadProject, openWorkspace } from '#toolkit/workspace.ts'
import type { Invocation, Options } from './command.ts'

/** What of an invocation says where the project is, and how it is asked for. */
interface ProjectInvocation extends Pick<Invocation<Options>, 'cwd' | 'env' | 'report' | 'signal'> {
  readonly values: {
    readonly project: string | undefined
    readonly machine?: string | undefined
    readonly offline?: boolean
  }
}

/** The workspace that a command's project options name. */
export function workspaceOf(invocation: ProjectInvocation): Workspace {
  const { values, cwd, env, report, signal } = invocation
  return openWorkspace({ cwd, project: values.project, env, offline: values.offline === true, report, signal })
}

/** The project evaluated for the machine that the options name. */
export function projectOf(invocation: ProjectInvocation): Promise<Loaded> {
  return loadProject(workspaceOf(invocation), invocation.values.machine)
}
