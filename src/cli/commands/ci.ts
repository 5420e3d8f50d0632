import { YoeError, YoeErrors } from '#engine/errors.ts'
import { projectAtCommit } from '#toolkit/at-commit.ts'
import type { CellOptions, CellReport } from '#toolkit/cells.ts'
import { cellPhases, findCell, listCells, runCell } from '#toolkit/cells.ts'
import type { Workspace } from '#toolkit/workspace.ts'
import type { Invocation, Options } from '../command.ts'
import { command, projectOptions, remoteCacheOptions } from '../command.ts'
import { table } from '../output.ts'
import { workspaceOf } from '../project.ts'
import { jobCount } from './build.ts'
import { readTime, showBoot } from './run.ts'

export const ci = command({
  usage: 'ci [--cell MACHINE/IMAGE [--at COMMIT]]',
  summary: 'do locally what a CI job does',
  details: `Does exactly what a job of the workflow does: builds the units and the image of one cell, boots it and runs its tests.
Without --cell it lists the cells.

--at does it for a commit, in a work tree of its own: with that commit's yoe.lock, without local.star, keys and changes
that are not committed. What the project's caches have is restored, nothing is sent to them. The image is kept in
build/at/; the work tree only when something failed.

  yoe ci
  yoe ci --cell qemu-x86_64/gateway-image
  yoe ci --cell qemu-x86_64/gateway-image --at 3f2a9c1`,
  options: {
    project: projectOptions.project,
    offline: projectOptions.offline,
    locked: projectOptions.locked,
    'no-locked': projectOptions['no-locked'],
    ...remoteCacheOptions,
    cell: { type: 'string', value: 'CELL', completes: 'cell', help: 'the cell: a machine, a slash and an image' },
    at: { type: 'string', value: 'COMMIT', help: 'as it was at this commit, which may be fetched from origin' },
    through: {
      type: 'string',
      value: 'PHASE',
      completes: cellPhases,
      help: 'stop after: units, image or boot-test (default)',
    },
    jobs: {
      type: 'string',
      short: 'j',
      value: 'N',
      help: 'units built at the same time (default: as configured, or 5)',
    },
    timeout: { type: 'string', value: 'TIME', help: 'the longest that the boot test may take, such as 10m' },
  },
  positionals: [0, 0],
  async run(invocation) {
    const { values, output } = invocation
    const workspace = workspaceOf(invocation)
    if (values.cell === undefined && values.at !== undefined)
      throw new YoeError('USAGE', '--at says of which commit, and nothing says which cell', { hint: 'add --cell' })
    if (values.cell === undefined) {
      const cells = await listCells(workspace, [])
      if (output.json) output.printJson(cells)
      else for (const line of table(cells.map(({ cell, arch, distro }) => [cell, arch, distro]))) output.print(line)
      return 0
    }
    const through = cellPhases.find((phase) => phase === (values.through ?? 'boot-test'))
    if (through === undefined)
      throw new YoeError('USAGE', `"${values.through}" is no phase`, {
        hint: `the phases are ${cellPhases.join(', ')}`,
      })
    const timeout = readTime(values.timeout)
    const options = {
      through,
      jobs: jobCount(values.jobs, workspace),
      bootTimeout: timeout === undefined ? undefined : timeout / 1000,
      feed: false,
      signs: false,
    }
    const report =
      values.at === undefined
        ? await runCell(workspace, await findCell(workspace, values.cell), { ...options, trusted: true })
        : await runAt(invocation, workspace, values.cell, values.at, options)
    if (output.json) output.printJson(report)
    else {
      if (report.boot !== undefined) showBoot(report.boot, output)
      if (report.disk !== undefined) output.print(`${report.disk.path}\nsha256 ${report.disk.sha256}`)
    }
    if (report.boot?.ok === false) {
      const reasons = (report.boot.reason ?? 'the boot test failed').split('\n')
      throw new YoeErrors(
        reasons.map(
          (reason) => new YoeError('BOOT_FAILED', reason, { hint: `the console is in ${report.boot?.serialLog}` }),
        ),
      )
    }
    return 0
  },
})

/** A cell of a commit. Anybody may have written that commit: nothing of it is shared. */
async function runAt(
  { env, report, signal, output }: Pick<Invocation<Options>, 'env' | 'report' | 'signal' | 'output'>,
  here: Workspace,
  cell: string,
  revision: string,
  options: Omit<CellOptions, 'trusted'>,
): Promise<CellReport> {
  const { offline, locked, remoteCaches } = here
  const at = await projectAtCommit(here, { env, offline, locked, remoteCaches, report, signal }, revision)
  let made: CellReport | undefined
  try {
    made = await runCell(at.workspace, await findCell(at.workspace, cell), { ...options, trusted: false })
  } finally {
    if (made?.boot?.ok === false || made === undefined)
      output.tell(`The work tree stays for you to look at: ${at.tree}`)
  }
  return made.boot?.ok === false ? made : await at.finish(made)
}
