import type { Evaluated, EvaluateRequest } from '#engine/project/evaluate.ts'
import { evaluateDeclaration, evaluateModules, evaluateProject } from '#engine/project/evaluate.ts'
import type { ModuleInfo, Project } from '#engine/project/model.ts'
import { formatBuiltins } from './formats.ts'
import type { LockState } from './lock-file.ts'
import type { SyncOptions } from './module-sync.ts'
import { ModuleSync } from './module-sync.ts'
import type { Workspace } from './workspace.ts'

type Request = Omit<EvaluateRequest, 'formatBuiltins' | 'modules'>

/** The workspace of a project that says where its cache is, and its mirrors. */
type Settle = (project: Pick<Project, 'cache' | 'sources'>) => Workspace

/** Evaluates a project, and brings its modules here on the way. `sync` is what was asked for; undefined: nothing. */
export async function evaluateSynced(
  request: Request,
  settle: Settle,
  state: LockState,
): Promise<{ readonly evaluated: Evaluated; readonly sync: ModuleSync | undefined }> {
  const { modules, made } = source(settle, state)
  const evaluated = await evaluateProject({ ...request, modules, formatBuiltins: await formatBuiltins() })
  return { evaluated, sync: made() }
}

/** The same, as far as its modules go: their units may be wrong. */
export async function evaluateSyncedModules(
  request: Request,
  settle: Settle,
  state: LockState,
  options: SyncOptions,
): Promise<{ readonly modules: readonly ModuleInfo[]; readonly sync: ModuleSync | undefined }> {
  const { modules, made } = source(settle, state, options)
  const found = await evaluateModules({ ...request, modules, formatBuiltins: await formatBuiltins() })
  return { modules: found, sync: made() }
}

/** What the project says of itself: its modules need not be here, and none is asked for. */
export async function evaluateAlone(request: Request): Promise<Pick<Project, 'name' | 'cache' | 'sources'>> {
  const modules = (): never => {
    throw new TypeError('nobody asks for modules')
  }
  return evaluateDeclaration({ ...request, modules, formatBuiltins: await formatBuiltins() })
}

function source(settle: Settle, state: LockState, options?: SyncOptions) {
  const syncs: ModuleSync[] = []
  return {
    modules: (project: Pick<Project, 'cache' | 'sources'>): ModuleSync => {
      const sync = new ModuleSync(settle(project), state, options)
      syncs.push(sync)
      return sync
    },
    made: (): ModuleSync | undefined => syncs[0],
  }
}
