import { join } from 'node:path'
import { chooseWorker, isWorkerName, type WorkerName, workerNames } from '#engine/build/choose-worker.ts'
import type { Worker } from '#engine/build/worker.ts'
import { YoeError } from '#engine/errors.ts'
import type { Workspace } from './workspace.ts'

/** The worker that is asked for: `YOE_WORKER`, else local.star's. @throws {YoeError} USAGE */
export function workerWanted({ env, local }: Pick<Workspace, 'env' | 'local'>): WorkerName | undefined {
  const text = env['YOE_WORKER'] ?? ''
  if (text === '') return local.settings.worker
  if (isWorkerName(text)) return text
  throw new YoeError('USAGE', `YOE_WORKER names no worker: "${text}"`, {
    hint: `there are: ${workerNames.join(', ')}`,
  })
}

/** Where tasks of this workspace run. @throws {YoeError} USAGE */
export function workerOf(workspace: Workspace): Worker {
  const { cacheRoot, report } = workspace
  return chooseWorker({
    wanted: workerWanted(workspace),
    records: join(cacheRoot, 'docker'),
    fellBack: (why) =>
      report({ type: 'notice', message: `tasks run in Docker, since bubblewrap can't be used: ${why}` }),
  })
}
