import { YoeError } from '#engine/errors.ts'
import type { Loaded, Workspace } from '#toolkit/workspace.ts'
import { loadProject, openWorkspace } from '#toolkit/workspace.ts'
import type { Invocation, Options } from './command.ts'

/** What of an invocation says where the project is, and how it is asked for. */
interface ProjectInvocation extends Pick<Invocation<Options>, 'cwd' | 'env' | 'report' | 'signal'> {
  readonly values: {
    readonly project: string | undefined
    readonly machine?: string | undefined
    readonly offline?: boolean
    readonly locked?: boolean
    readonly 'no-locked'?: boolean
    readonly worker?: string | undefined
    readonly 'remote-cache'?: readonly string[] | undefined
    readonly 'no-remote-cache'?: boolean
  }
}

/** The workspace that a command's project options name. */
export function workspaceOf(invocation: ProjectInvocation): Workspace {
  const { values, cwd, env, report, signal } = invocation
  const { project, offline = false, worker } = values
  const [locked, remoteCaches] = [lockedOf(values), remoteCachesIn(values)]
  return openWorkspace({ cwd, project, env, offline, locked, worker, remoteCaches, report, signal })
}

/** The project evaluated for the machine that the options name. */
export function projectOf(invocation: ProjectInvocation): Promise<Loaded> {
  return loadProject(workspaceOf(invocation), invocation.values.machine)
}

function lockedOf(values: ProjectInvocation['values']): boolean | undefined {
  if (values.locked === true && values['no-locked'] === true) {
    throw new YoeError('USAGE', '--locked and --no-locked say opposite things', { hint: 'give one of them' })
  }
  return values.locked === true ? true : values['no-locked'] === true ? false : undefined
}

/** None are given where `--no-remote-cache` wants none. */
function remoteCachesIn(values: ProjectInvocation['values']): readonly string[] | undefined {
  const given = values['remote-cache'] ?? []
  if (values['no-remote-cache'] !== true) return given.length === 0 ? undefined : given
  if (given.length === 0) return []
  throw new YoeError('USAGE', '--remote-cache and --no-remote-cache say opposite things', { hint: 'give one of them' })
}
