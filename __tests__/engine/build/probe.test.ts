import assert from 'node:assert/strict'
import { readdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { bwrapWorker } from '#engine/build/bwrap.ts'
import { run, scratch, unusable, worker } from './helpers.ts'

test('a host without bubblewrap says what to install, and runs nothing', async (t) => {
  const bin = await scratch(t)
  for (const name of await readdir('/usr/bin'))
    if (name !== 'bwrap') await symlink(join('/usr/bin', name), join(bin, name))
  const bare = bwrapWorker({ path: bin })
  const usable = await bare.probe()
  assert.deepEqual(usable, {
    ok: false,
    reason: 'no sandbox could be made: bwrap is not installed',
    hint: 'sudo apt-get install bubblewrap',
  })
})

test('a host that forbids user namespaces says what to type', async (t) => {
  const reason = await unusable()
  if (reason !== false) return t.skip(reason)
  const program = `
    const { bwrapWorker } = await import(${JSON.stringify(new URL('../../../src/engine/build/bwrap.ts', import.meta.url).href)})
    console.log(JSON.stringify(await bwrapWorker().probe()))`
  // In a namespace that allows no further ones, and has no other ids: what it is like on such a host.
  const script = 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$0" --input-type=module -e "$1"'
  const { stdout } = await run('unshare', [
    '--user',
    '--map-root-user',
    'bash',
    '-c',
    script,
    process.execPath,
    program,
  ])
  const usable: unknown = JSON.parse(stdout)
  assert.deepEqual(usable, {
    ok: false,
    reason: 'no sandbox could be made: this machine allows no user namespaces',
    hint: 'sudo sysctl -w user.max_user_namespaces=28633',
  })
})

test('a probe is made once', async () => {
  assert.equal(worker.probe(), worker.probe())
})
