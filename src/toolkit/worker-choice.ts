import { join } from 'node:path'
import { chooseWorker, isWorkerName, type WorkerName, workerNames } from '#engine/build/choose-worker.ts'
import type { Usability, Worker } from '#engine/build/worker.ts'
import { YoeError } from '#engine/errors.ts'
import type { Workspace } from './workspace.ts'

type Asking = Pick<Workspace, 'env' | 'local' | 'worker'>

interface Wanted {
  readonly name: WorkerName
  /** Who says so: `--worker`, `YOE_WORKER`, `local.star:3`. */
  readonly from: string
}

/** The worker that is asked for: `--worker`, else `YOE_WORKER`, else local.star's. @throws {YoeError} USAGE */
export function workerWanted({ env, local, worker }: Asking): Wanted | undefined {
  const variable = env['YOE_WORKER'] ?? ''
  const [text, from] = worker !== undefined ? [worker, '--worker'] : [variable, 'YOE_WORKER']
  if (isWorkerName(text)) return { name: text, from }
  if (text !== '' || worker !== undefined) {
    throw new YoeError('USAGE', `${from} names no worker: "${text}"`, {
      hint: `there are: ${workerNames.join(', ')}`,
    })
  }
  const { settings, at } = local
  return settings.worker && { name: settings.worker, from: `local.star:${at.get('worker')?.line ?? 1}` }
}

/** Where tasks of this workspace run. @throws {YoeError} USAGE */
export function workerOf(workspace: Workspace): Worker {
  const { cacheRoot, report } = workspace
  return chooseWorker({
    wanted: workerWanted(workspace)?.name,
    records: join(cacheRoot, 'docker'),
    fellBack: (why) =>
      report({ type: 'notice', message: `tasks run in Docker, since bubblewrap can't be used: ${why}` }),
  })
}

/** Why nothing can be built, and who asked for the worker that can't be used. */
export function unusableWorker(workspace: Asking, { reason, hint }: Extract<Usability, { ok: false }>): YoeError {
  const wanted = workerWanted(workspace)
  const asked = wanted === undefined ? '' : ` with ${wanted.name} (${wanted.from})`
  return new YoeError('SANDBOX_UNAVAILABLE', `builds can't be isolated here${asked}: ${reason}`, { hint })
}
