import assert from 'node:assert/strict'
import { access, mkdtemp } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { removeTree } from '../../src/engine/build/tree.ts'
import { YoeError } from '../../src/engine/errors.ts'
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

/** That it ends with INSTALL_FAILED, whose message and end of log say this, and leaves no root. */
export async function assertNotInstalled(
  installing: Promise<unknown>,
  output: string,
  { says, tail }: { readonly says: RegExp; readonly tail: RegExp },
): Promise<void> {
  await assert.rejects(installing, (failure) => {
    assert.ok(failure instanceof YoeError, String(failure))
    assert.equal(failure.code, 'INSTALL_FAILED')
    assert.match(failure.message, says)
    assert.match(failure.log?.tail.join('\n') ?? '', tail)
    return true
  })
  await assert.rejects(access(output))
}
