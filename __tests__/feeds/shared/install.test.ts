import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { hostArch } from '#engine/arch.ts'
import type { Worker } from '#engine/build/worker.ts'
import { YoeError } from '#engine/errors.ts'
import { silent } from '#engine/events.ts'
import { runInstaller } from '../../../src/feeds/shared/install.ts'

/** What becomes of an installation that leaves what `leave` makes at a path. @returns where its root would be */
async function install(t: TestContext, leave: (path: string) => void): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'yoe-install-test-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const worker: Worker = {
    name: 'none',
    probe: async () => ({ ok: true }),
    run: async ({ mounts }) => {
      leave(join(mounts.find(({ target }) => target === '/yoe/out')?.source ?? '', 'root.tar.zst'))
      return { kind: 'exited', code: 0 }
    },
    prepareWritable: async () => {},
    prepareReadable: async () => {},
  }
  const output = join(folder, 'root')
  await runInstaller(
    {
      arch: hostArch() ?? 'x86_64',
      distro: 'any',
      packages: [],
      tools: undefined,
      worker,
      workdir: folder,
      output,
      sourceDateEpoch: 0,
      report: silent,
      log: () => {},
      logPath: '/build.log',
    },
    {
      closure: (root) => mkdir(root),
      files: {},
      script: 'install.sh',
      env: {},
      failure: () => new YoeError('INSTALL_FAILED', 'it failed'),
      hostHint: '',
    },
  ).catch((failure: unknown) => {
    assert.ok(!existsSync(output))
    throw failure
  })
  return output
}

test('what an installation leaves is kept, readable to all', async (t) => {
  const output = await install(t, (path) => writeFileSync(path, 'a root', { mode: 0o4600 }))
  assert.equal(readFileSync(output, 'utf8'), 'a root')
  const { mode, uid } = statSync(output)
  assert.deepEqual({ mode: mode & 0o7777, uid }, { mode: 0o644, uid: process.getuid?.() })
})

const others: Readonly<Record<string, (path: string) => void>> = {
  'a link to a file of the host': (path) => symlinkSync('/etc/hostname', path),
  // Whoever opens it waits for a writer that never comes.
  'a pipe': (path) => void execFileSync('mkfifo', [path]),
  'a folder': (path) => void execFileSync('mkdir', [path]),
}
for (const [name, leave] of Object.entries(others))
  test(`what is no file is not kept: ${name}`, { timeout: 20_000 }, async (t) => {
    await assert.rejects(install(t, leave), { code: 'INSTALL_FAILED', message: /left no root file system/ })
  })
