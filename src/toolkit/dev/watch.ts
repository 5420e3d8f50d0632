import { foldersOf } from '#engine/build/folders.ts'
import type { YoeError } from '#engine/errors.ts'
import { YoeError as Failure, userErrors } from '#engine/errors.ts'
import type { PackageNode } from '#engine/plan/graph.ts'
import { buildTargets } from '../building.ts'
import type { Plan, PlanOptions } from '../planning.ts'
import { defaultJobs, makePlan } from '../planning.ts'
import type { Workspace } from '../workspace.ts'
import { Changes } from './changes.ts'
import type { DeviceAddress } from './deploy.ts'
import { deployPackages } from './deploy.ts'
import { plansToBuild } from './plans.ts'
import { starFileOf } from './star-file.ts'
import { startDev } from './toggle.ts'

export type WatchEvent =
  | { readonly kind: 'waiting'; readonly folder: string }
  | { readonly kind: 'built'; readonly ms: number }
  | { readonly kind: 'installed'; readonly host: string }
  | { readonly kind: 'failed'; readonly errors: readonly YoeError[] }

/**
 * Builds the unit that `options` names, and again whenever its source or its file changes, until the workspace's signal:
 * that is how it ends. What goes wrong in a round is told, and is the user's to mend by the next save.
 *
 * @param device where each build is installed
 * @throws {YoeErrors} what is wrong before the first round
 */
export async function watchUnit(
  workspace: Workspace,
  options: PlanOptions,
  device: DeviceAddress | undefined,
  tell: (event: WatchEvent) => void,
): Promise<void> {
  const plan = await makePlan(workspace, options)
  const [node] = plan.targets
  if (node?.kind !== 'package' || node.unit.source === undefined) {
    throw new Failure('USAGE', `${node?.unit.name} has no source to watch`, { hint: 'name a unit with one' })
  }
  const { source } = node.unit
  if (source.kind !== 'path' && plan.keys.get(node)?.dev === undefined) await startDev(plan)
  const folder = source.kind === 'path' ? plan.absolute(source.place) : foldersOf(workspace.buildRoot, node).source
  using changes = new Changes([folder, ...starFiles(plan, node)])
  do {
    await round(workspace, options, device, tell)
    if (!workspace.signal.aborted) tell({ kind: 'waiting', folder })
  } while (await changes.next(workspace.signal))
}

/** Of a module that nobody edits here there is nothing to watch. */
function starFiles({ project }: Plan, { unit }: PackageNode): readonly string[] {
  try {
    return [starFileOf(project, unit)]
  } catch (failure) {
    if (userErrors(failure) === undefined) throw failure
    return []
  }
}

async function round(
  workspace: Workspace,
  options: PlanOptions,
  device: DeviceAddress | undefined,
  tell: (event: WatchEvent) => void,
): Promise<void> {
  const start = performance.now()
  try {
    for (const plan of await plansToBuild(workspace, options)) {
      const { outputs } = await buildTargets(plan, { jobs: defaultJobs, keepGoing: false, force: false })
      tell({ kind: 'built', ms: performance.now() - start })
      if (device === undefined) continue
      const files = outputs.map(({ path }) => path)
      const say = (text: string): void => workspace.report({ type: 'unit-output', unit: device.host, text })
      await deployPackages(device, plan.format.onDevice, files, say, workspace.signal)
      tell({ kind: 'installed', host: device.host })
    }
  } catch (failure) {
    if (workspace.signal.aborted) return
    const errors = userErrors(failure)
    if (errors === undefined) throw failure
    tell({ kind: 'failed', errors })
  }
}
