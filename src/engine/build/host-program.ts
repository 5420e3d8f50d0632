import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { YoeError } from '../errors.ts'

const execute = promisify(execFile)

/** The Debian packages of what is run here. */
const packages: Readonly<Record<string, string>> = { find: 'findutils', unshare: 'util-linux' }

/** Runs a small program of the host to its end. @throws {YoeError} TOOL_MISSING; else what `execFile` throws */
export async function runProgram(name: string, args: readonly string[]): Promise<void> {
  try {
    await execute(name, args)
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ENOENT')) throw cause
    throw new YoeError('TOOL_MISSING', `${name} is not installed`, {
      hint: `sudo apt-get install ${packages[name] ?? 'coreutils'}`,
      cause,
    })
  }
}
