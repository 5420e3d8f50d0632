import { YoeError, YoeErrors } from '#engine/errors.ts'
import { cellPhases, findCell, listCells, runCell } from '#toolkit/cells.ts'
import { command, projectOptions } from '../command.ts'
import { table } from '../output.ts'
import { workspaceOf } from '../project.ts'
import { jobCount } from './build.ts'
import { readTime, showBoot } from './run.ts'

export const ci = command({
  usage: 'ci [--cell MACHINE/IMAGE]',
  summary: 'do locally what a CI job does',
  details: `Does exactly what a job of the workflow does: builds the units and the image of one cell, boots it and runs its tests.
Without --cell it lists the cells.

  yoe ci
  yoe ci --cell qemu-x86_64/gateway-image`,
  options: {
    project: projectOptions.project,
    offline: projectOptions.offline,
    locked: projectOptions.locked,
    'no-locked': projectOptions['no-locked'],
    cell: { type: 'string', value: 'CELL', completes: 'cell', help: 'the cell: a machine, a slash and an image' },
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
    const report = await runCell(workspace, await findCell(workspace, values.cell), {
      through,
      trusted: true,
      jobs: jobCount(values.jobs, workspace),
      bootTimeout: timeout === undefined ? undefined : timeout / 1000,
      feed: false,
    })
    if (output.json) output.printJson(report)
    else {
      if (report.boot !== undefined) showBoot(report.boot, output)
      if (report.disk !== undefined) output.print(report.disk.path)
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
