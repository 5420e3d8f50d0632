import { spawnSync } from 'node:child_process'
import { createReadStream, existsSync, globSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { neutralise } from '#engine/build/log.ts'
import { isRunning } from '#engine/build/running.ts'
import { YoeError } from '#engine/errors.ts'
import { didYouMean } from '#engine/nearest.ts'
import type { Invocation, Options } from '../command.ts'
import { command, projectOptions } from '../command.ts'
import type { Output } from '../output.ts'
import { table } from '../output.ts'
import { workspaceOf } from '../project.ts'

/** The log of a node's last build. */
interface Entry {
  readonly unit: string
  /** Absolute. */
  readonly path: string
  /** When it was last written to, in milliseconds since 1970. */
  readonly time: number
  readonly state: 'running' | 'failed' | 'built'
}

export const log = command({
  usage: 'log [UNIT]',
  summary: 'show a build log',
  details: `Shows the log of a unit's last build; without a unit, the newest log.

  yoe log
  yoe log sensord -e
  yoe log -f                 of what is being built, as it grows, until the build is over
  yoe log --list             which there are`,
  options: {
    project: projectOptions.project,
    edit: { type: 'boolean', short: 'e', help: 'open it in $EDITOR' },
    follow: { type: 'boolean', short: 'f', help: 'go on with what a running build adds, until it is over' },
    list: { type: 'boolean', help: 'list the logs, the newest first' },
  },
  positionals: [0, 1],
  completes: ['target'],
  async run(invocation) {
    const { values, positionals, output, env, signal } = invocation
    const chosen = (['edit', 'follow', 'list'] as const).filter((name) => values[name])
    if (chosen.length > 1 || (values.follow && output.json)) {
      const both =
        values.follow && output.json ? '--follow and --json' : chosen.map((name) => `--${name}`).join(' and ')
      throw new YoeError('USAGE', `${both} exclude each other`, { hint: 'yoe log --help' })
    }
    const [unit] = positionals
    const logs = logsIn(workspaceOf(invocation).buildRoot)
    const entries = logs.filter((entry) => unit === undefined || entry.unit === unit)
    const newest = (values.follow && entries.find(({ state }) => state === 'running')) || entries[0]
    if (newest === undefined) {
      const units = [...new Set(logs.map((entry) => entry.unit))]
      throw new YoeError('USAGE', unit === undefined ? 'nothing was built here yet' : `there is no log of "${unit}"`, {
        hint: (unit === undefined ? undefined : didYouMean(unit, units)) ?? 'yoe build makes logs',
      })
    }
    if (values.list) list(entries, output)
    else if (output.json) output.printJson({ unit: newest.unit, path: newest.path })
    else if (values.edit) return spawnSync(env['EDITOR'] ?? 'vi', [newest.path], { stdio: 'inherit' }).status ?? 1
    else {
      output.tell(output.paintError('dim', newest.path))
      await show(values.follow ? followed(newest.path, signal) : createReadStream(newest.path), invocation)
    }
    return 0
  },
})

/** Those of a project's nodes, the newest first. */
function logsIn(buildRoot: string): readonly Entry[] {
  return globSync('*/*/build.log', { cwd: buildRoot })
    .map((found): Entry => {
      const path = join(buildRoot, found)
      const running = isRunning(join(dirname(path), 'running'))
      const state = running ? 'running' : existsSync(join(dirname(path), 'failed.json')) ? 'failed' : 'built'
      return { path, unit: unitOf(found), time: statSync(path).mtimeMs, state }
    })
    .sort((a, b) => b.time - a.time)
}

/** `debian/sensord.x86_64/build.log` is the log of sensord. */
function unitOf(path: string): string {
  return (path.split('/')[1] ?? '').replace(/\.[^.]+$/, '')
}

function list(entries: readonly Entry[], output: Output): void {
  if (output.json) {
    output.printJson({ logs: entries.map((entry) => ({ ...entry, time: Math.round(entry.time) })) })
    return
  }
  const styles = { running: 'cyan', failed: 'red', built: 'green' } as const
  const rows = entries.map(({ unit, path, time, state }) => [
    unit,
    output.paint(styles[state], state),
    new Date(time).toISOString().replace(/\..*/, 'Z'),
    output.paint('dim', path),
  ])
  for (const line of table(rows)) output.print(line)
}

/** A log as it grows. */
function followed(path: string, signal: AbortSignal): Readable {
  const out = new Readable({ read() {} })
  const work = async (): Promise<void> => {
    const { followLog } = await import('#engine/build/follow-log.ts')
    const running = (): boolean => isRunning(join(dirname(path), 'running'))
    await followLog({ path, running, signal, emit: (bytes) => out.push(Buffer.from(bytes)) })
    out.push(null)
  }
  work().catch((failure: unknown) => out.destroy(failure instanceof Error ? failure : new Error(String(failure))))
  return out
}

async function show(text: Readable, { env, output }: Pick<Invocation<Options>, 'env' | 'output'>): Promise<void> {
  if (env['GITHUB_ACTIONS'] === 'true') {
    // A job's runner obeys commands in what it is shown.
    for await (const line of createInterface({ input: text })) output.print(neutralise(line))
  } else await pipeline(text, process.stdout, { end: false })
}
