import { mkdtemp } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { removeTree } from '../../src/engine/build/tree.ts'
import { silent } from '../../src/engine/events.ts'
import type { InstallInput } from '../../src/engine/formats.ts'

/** Installs packages by a format's installer; the log comes back, with YOE_TEST_LOG also what it said before it failed. */
export async function installed(
  installRoot: (input: InstallInput) => Promise<void>,
  input: Omit<InstallInput, 'workdir' | 'report' | 'log' | 'logPath'>,
): Promise<string> {
  const workdir = await mkdtemp(join(dirname(input.output), 'yoe-install-'))
  let said = ''
  const log = (chunk: Uint8Array): void => {
    said += Buffer.from(chunk).toString()
  }
  try {
    await installRoot({ ...input, workdir, report: silent, log, logPath: '/build.log' })
    return said
  } catch (failure) {
    if (process.env['YOE_TEST_LOG'] !== undefined) process.stderr.write(said)
    throw failure
  } finally {
    await removeTree(workdir)
  }
}
