import { YoeError } from '#engine/errors.ts'
import { defaultJobs } from '#toolkit/planning.ts'
import { command, projectOptions } from '../command.ts'
import { table } from '../output.ts'
import { projectOf } from '../project.ts'

export const config = command({
  usage: 'config show',
  summary: 'show the configuration in effect',
  details: `Shows what a build would use, and who says so.

  yoe config show
  yoe config show --machine qemu-arm64`,
  options: projectOptions,
  positionals: [1, 1],
  async run(invocation) {
    const { output, positionals, values, env } = invocation
    if (positionals[0] !== 'show')
      throw new YoeError('USAGE', `yoe config has no "${positionals[0]}"`, { hint: 'yoe config show' })
    const { workspace, project, machine } = await projectOf(invocation)
    const from = (flag: string | undefined, declared: string | undefined): string =>
      flag !== undefined ? 'command line' : declared !== undefined ? 'PROJECT.star' : 'default'
    const rows: readonly (readonly [string, string, string])[] = [
      ['project', project.name, `${workspace.root}/PROJECT.star`],
      ['version', project.version, 'PROJECT.star'],
      ['machine', machine?.name ?? 'none', from(values.machine, project.defaults.machine)],
      ['arch', machine?.arch ?? 'none', 'machine'],
      ['image', project.defaults.image ?? 'none', from(undefined, project.defaults.image)],
      ['distro', values.distro ?? project.defaults.distro ?? 'none', from(values.distro, project.defaults.distro)],
      ['cache', workspace.cacheRoot, env['YOE_CACHE'] === undefined ? 'default' : 'YOE_CACHE'],
      ['jobs', env['YOE_JOBS'] ?? String(defaultJobs), env['YOE_JOBS'] === undefined ? 'default' : 'YOE_JOBS'],
      ['mirrors', env['YOE_MIRRORS'] ?? 'none', env['YOE_MIRRORS'] === undefined ? 'default' : 'YOE_MIRRORS'],
    ]
    if (output.json)
      output.printJson(Object.fromEntries(rows.map(([name, value, origin]) => [name, { value, from: origin }])))
    else
      for (const line of table(rows.map(([name, value, origin]) => [name, value, output.paint('dim', origin)])))
        output.print(line)
    return 0
  },
})
