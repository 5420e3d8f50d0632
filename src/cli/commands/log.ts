import { spawnSync } from 'node:child_process'
import { createReadStream, globSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pipeline } from 'node:stream/promises'
import { neutralise } from '#engine/build/log.ts'
import { YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import { command, projectOptions } from '../command.ts'
import { workspaceOf } from '../project.ts'

export const log = command({
  usage: 'log [UNIT] [-e]',
  summary: 'show a build log',
  details: `Shows the log of a unit's last build; without a unit, the newest log.

  yoe log
  yoe log sensord -e`,
  options: { project: projectOptions.project, edit: { type: 'boolean', short: 'e', help: 'open it in $EDITOR' } },
  positionals: [0, 1],
  completes: ['target'],
  async run(invocation) {
    const { values, positionals, output, env } = invocation
    const { buildRoot } = workspaceOf(invocation)
    const found = globSync('*/*/build.log', { cwd: buildRoot })
      .map((path) => ({
        path: join(buildRoot, path),
        unit: unitOf(path),
        time: statSync(join(buildRoot, path)).mtimeMs,
      }))
      .sort((a, b) => b.time - a.time)
    const [unit] = positionals
    const newest = found.find((entry) => unit === undefined || entry.unit === unit)
    if (newest === undefined) {
      const units = [...new Set(found.map((entry) => entry.unit))]
      throw new YoeError('USAGE', unit === undefined ? 'nothing was built here yet' : `there is no log of "${unit}"`, {
        hint: (unit === undefined ? undefined : didYouMean(unit, units)) ?? 'yoe build makes logs',
      })
    }
    if (output.json) {
      output.printJson({ unit: newest.unit, path: newest.path })
      return 0
    }
    if (values.edit) return spawnSync(env['EDITOR'] ?? 'vi', [newest.path], { stdio: 'inherit' }).status ?? 1
    output.tell(output.paintError('dim', newest.path))
    const text = createReadStream(newest.path)
    if (env['GITHUB_ACTIONS'] === 'true') {
      // A job's runner obeys commands in what it is shown.
      for await (const line of createInterface({ input: text })) output.print(neutralise(line))
    } else await pipeline(text, process.stdout, { end: false })
    return 0
  },
})

/** `debian/sensord.x86_64/build.log` is the log of sensord. */
function unitOf(path: string): string {
  return (path.split('/')[1] ?? '').replace(/\.[^.]+$/, '')
}
