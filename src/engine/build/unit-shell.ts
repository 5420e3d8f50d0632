import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import type { PackageUnit } from '../project/model.ts'
import { followIn } from './root.ts'

const shells = {
  bash: { path: '/bin/bash', command: ['-e', '-o', 'pipefail', '-c'], interactive: ['--norc', '--noprofile'] },
  sh: { path: '/bin/sh', command: ['-e', '-c'], interactive: [] },
} as const

/** What {@link shellIn} gives, of which commands are the last argument. */
export interface UnitShell {
  /** Before a command. */
  readonly command: readonly string[]
  /** Without one: reads commands. */
  readonly interactive: readonly string[]
}

/**
 * What runs the commands of a unit in a root: what the unit says, else bash, or sh where the root has no other.
 *
 * @param root absolute folder that is `/` there
 */
export async function shellIn(root: string, { shell }: Pick<PackageUnit, 'shell'>): Promise<UnitShell> {
  const lacksBash = async (): Promise<boolean> =>
    !(await has(root, shells.bash.path)) && (await has(root, shells.sh.path))
  const { path, command, interactive } = shells[shell ?? ((await lacksBash()) ? 'sh' : 'bash')]
  return { command: [path, ...command], interactive: [path, ...interactive] }
}

/** The same for a system that can't be looked into from here: the command is what comes next. */
export function shellOnDevice({ shell }: Pick<PackageUnit, 'shell'>): readonly string[] {
  if (shell !== undefined) return [shells[shell].path, ...shells[shell].command]
  const line = ({ path, command }: (typeof shells)[keyof typeof shells]): string =>
    `exec ${path} ${command.join(' ')} "$0"`
  return [shells.sh.path, '-c', `if [ -x ${shells.bash.path} ]; then ${line(shells.bash)}; fi; ${line(shells.sh)}`]
}

/** A link is there, wherever it leads. */
async function has(root: string, path: string): Promise<boolean> {
  const found = await lstat(join(root, await followIn(root, path))).catch(() => undefined)
  return found !== undefined
}
