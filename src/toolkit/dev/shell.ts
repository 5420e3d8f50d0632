import { join } from 'node:path'
import type { ShellRequest } from '#engine/build/shell.ts'
import { runShell } from '#engine/build/shell.ts'
import { removeTree } from '#engine/build/tree.ts'
import type { RunResult } from '#engine/build/worker.ts'
import { YoeError } from '#engine/errors.ts'
import type { PackageNode } from '#engine/plan/graph.ts'
import { dependenciesOf } from '#engine/plan/graph.ts'
import { bareUnit } from '#engine/project/bare-unit.ts'
import type { PackageUnit } from '#engine/project/model.ts'
import { buildPlan, throwFailures } from '../building.ts'
import type { Catalog } from '../catalog-view.ts'
import { withProject } from '../catalog-view.ts'
import { defaultJobs, planCatalog } from '../planning.ts'

/** No unit can be called so. */
const nobody = '~shell'

/**
 * Builds what a unit is built with, and runs a shell where its tasks run; without a unit, in the usual toolchain.
 *
 * @param starting told the node right before the shell starts
 * @throws {YoeErrors} what keeps it from starting
 */
export async function shellOf(
  catalog: Catalog,
  name: string | undefined,
  request: Omit<ShellRequest, 'starting'>,
  starting: (node: PackageNode, kept: string | undefined) => void,
): Promise<RunResult> {
  const { project } = catalog
  const around =
    name === undefined ? withProject(catalog, { ...project, units: [...project.units, plainUnit] }) : catalog
  const plan = await planCatalog(around, [name ?? nobody])
  const [node] = plan.targets
  if (node?.kind !== 'package' || node.toolchain === undefined) {
    throw new YoeError('USAGE', `${node?.unit.name ?? name} has no tasks, so nothing is built anywhere`, {
      hint: 'name a unit with tasks, or none for the toolchain',
    })
  }
  let result: RunResult | undefined
  const outcome = await buildPlan(plan, {
    jobs: defaultJobs,
    keepGoing: false,
    force: false,
    targets: dependenciesOf(node),
    finish: async (context, results) => {
      if (request.terminal && context.worker.name !== 'bwrap') {
        throw new YoeError('SANDBOX_UNAVAILABLE', `${context.worker.name} runs commands, but no shell on a terminal`, {
          hint: `yoe shell ${name ?? ''} -c COMMAND, or use bubblewrap: --worker bwrap`,
        })
      }
      result = await runShell(context, node, results, { ...request, starting: (kept) => starting(node, kept) })
    },
  })
  if (name === undefined) await removeTree(join(plan.workspace.buildRoot, ...node.id.split('/')))
  throwFailures(outcome)
  if (result === undefined) throw new TypeError('the shell did not run')
  return result
}

const at = { file: 'yoe shell', line: 1, column: 1 }

const plainUnit: PackageUnit = {
  ...bareUnit(nobody, '0', at),
  tasks: [{ name: 'shell', steps: [], network: false, at }],
}
