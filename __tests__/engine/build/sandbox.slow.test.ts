import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { defaultLimits } from '#engine/build/worker.ts'
import { bash, path, run, unusable, writableFolder } from './helpers.ts'

test('a Debian root can be made inside, and be the root of both kinds of run', { timeout: 300_000 }, async (t) => {
  const reason = await unusable()
  if (reason !== false) return t.skip(reason)
  const { stdout } = await run('apt-get', ['indextargets', '--format', '$(SITE) $(CODENAME) $(CREATED_BY)'])
  const [site, release] =
    stdout
      .split('\n')
      .find((line) => line.endsWith(' Packages'))
      ?.split(' ') ?? []
  if (site === undefined || release === undefined || !site.startsWith('http'))
    return t.skip('the host has no apt mirror')
  const out = await writableFolder(t)
  const limits = { ...defaultLimits, wallSeconds: 280 }
  const made = await bash(
    `mmdebstrap --mode=root --variant=apt --include=mount --dpkgopt=force-unsafe-io --skip=chroot/mount/sys --format=directory ${release} /out/root ${site} 2>&1`,
    {
      identity: 'install',
      network: true,
      env: { PATH: path, TMPDIR: '/tmp' },
      mounts: [{ source: out, target: '/out', writable: true }],
      limits,
    },
  )
  assert.deepEqual(made.result, { kind: 'exited', code: 0 }, made.said)
  const root = join(out, 'root')
  const built = await bash('cat /etc/debian_version && dpkg --print-architecture && id -u && ! touch /usr/x', { root })
  assert.deepEqual(built.result, { kind: 'exited', code: 0 }, built.said)
  // A maintainer script's work: users, owners, a chroot.
  const script = `cp -a /etc /tmp/etc && mkdir /tmp/new && chown 33:33 /tmp/new && stat -c %U /tmp/new && setpriv --reuid 33 id -un
    && mkdir /tmp/new/proc && mount -t proc proc /tmp/new/proc && chroot / true && getent shadow root | cut -d: -f1`
  const installed = await bash(script.replaceAll('\n', ' '), { root, identity: 'install' })
  assert.deepEqual(installed, { result: { kind: 'exited', code: 0 }, said: 'www-data\nwww-data\nroot\n' })
})
