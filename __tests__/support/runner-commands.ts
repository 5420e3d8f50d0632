/**
 * What GitHub's runner would take for a command in a job's log: its parser again, as liberal as the real one can be
 * with a culture that ignores characters without a shape.
 *
 * @see actions/runner src/Runner.Common/ActionCommand.cs, src/Runner.Worker/ActionCommandManager.cs
 */
const known = new Set([
  ...['set-env', 'set-output', 'save-state', 'add-mask', 'add-path', 'add-matcher', 'remove-matcher', 'stop-commands'],
  ...['debug', 'notice', 'warning', 'error', 'group', 'endgroup', 'echo', 'internal-set-repo-path'],
])

/** Reads a log as the runner does; commands between `stop-commands` and its token do not count. */
export function commandsIn(log: string): readonly string[] {
  const found: string[] = []
  let stopped: string | undefined
  for (const line of log.split(/\r\n|\r|\n/)) {
    const command = parse(line, stopped)
    if (command === undefined) continue
    if (stopped !== undefined) {
      if (command.name === stopped) stopped = undefined
    } else if (command.name === 'stop-commands') stopped = command.data
    else found.push(`${command.name} ${command.data}`)
  }
  return found
}

/** Every line that would be a command if the runner listened all the time: the second line of defence on its own. */
export function commandLines(log: string): readonly string[] {
  return log.split(/\r\n|\r|\n/).filter((line) => parse(line, undefined) !== undefined)
}

function parse(line: string, token: string | undefined): { name: string; data: string } | undefined {
  const shaped = line
    .replaceAll(/\x1b\[[0-9;]*m/g, '')
    .replaceAll(/[\p{Cc}\p{Cf}\p{Mn}]/gu, '')
    .replace(/^[\s\u0085]+/, '')
  const [, name = '', data = ''] =
    /^::([^:\s]+)[^:]*::(.*)$/.exec(shaped) ?? /##\[([^\]\s]+)[^\]]*\](.*)$/.exec(shaped) ?? []
  return known.has(name.toLowerCase()) || (token !== undefined && name === token) ? { name, data } : undefined
}
