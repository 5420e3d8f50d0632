import { type Arch, architectures } from '#engine/arch.ts'
import { YoeError } from '#engine/errors.ts'
import { command, projectOptions } from '../command.ts'
import { table } from '../output.ts'
import { workspaceOf } from '../project.ts'
import { shown } from '../shown.ts'

export const updateFeeds = command({
  usage: 'update-feeds',
  summary: 'renew the package lists that modules keep',
  details: `For who maintains a module that keeps the package lists of its feeds (index = "feeds/main" in alpine_feed). Fetches each
list, verifies it with the keys that the module names, and writes it into the module; nothing is committed.

  yoe update-feeds
  yoe update-feeds --arch arm64 --module-dir modules/module-alpine`,
  options: {
    project: projectOptions.project,
    arch: { type: 'string', value: 'ARCH', help: 'only for this architecture, also where there is no list yet' },
    'module-dir': { type: 'string', value: 'DIR', completes: 'file', help: 'only of the module in this folder' },
  },
  positionals: [0, 0],
  async run(invocation) {
    const { values, output, cwd } = invocation
    const arch = values.arch === undefined ? undefined : archOf(values.arch)
    const { resolve } = await import('node:path')
    const folder = values['module-dir']
    const moduleDir = folder === undefined ? undefined : resolve(cwd, folder)
    const { updateKeptIndexes } = await import('#toolkit/kept-indexes.ts')
    const indexes = await updateKeptIndexes(workspaceOf(invocation), { arch, moduleDir })
    if (output.json) {
      output.printJson({ indexes })
      return 0
    }
    const rows = indexes.map(({ feed, file, date, packages, moved }) => [
      shown(feed),
      shown(file),
      `${packages} packages`,
      new Date(date).toISOString().slice(0, 10),
      moved ? output.paint('green', 'written') : 'as it was',
    ])
    for (const line of table(rows)) output.print(line)
    return 0
  },
})

function archOf(text: string): Arch {
  const found = architectures.find((arch) => arch === text)
  if (found !== undefined) return found
  throw new YoeError('USAGE', `there is no architecture "${text}"`, { hint: `there are: ${architectures.join(', ')}` })
}
