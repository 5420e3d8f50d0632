import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { test } from 'node:test'

/**
 * Becomes a plain user with subordinate ids, in a mount namespace where both are in /etc; nothing of it stays. The
 * sources and Node are shown below /mnt, since the folders above them may be root's alone.
 */
const asPlainUser = `
set -eu
node=$1 repo=$2 home=$3 id=$4; shift 4
mount -n -t tmpfs -o mode=755 yoe /mnt
mkdir /mnt/node /mnt/repo /mnt/etc /mnt/home
mount -n --bind "$node" /mnt/node
mount -n --bind "$repo" /mnt/repo
mount -n --bind "$home" /mnt/home
{ cat /etc/passwd; echo "yoe-plain:x:$id:$id::/mnt/home:/bin/sh"; } >/mnt/etc/passwd
echo "yoe-plain:3000000000:65536" >/mnt/etc/ids
mount -n --bind /mnt/etc/passwd /etc/passwd
mount -n --bind /mnt/etc/ids /etc/subuid
mount -n --bind /mnt/etc/ids /etc/subgid
chown "$id:$id" /mnt/home
cd /mnt/home
exec setpriv --reuid "$id" --regid "$id" --clear-groups env -i HOME=/mnt/home TMPDIR=/mnt/home PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin \
  /mnt/node/node --test --test-reporter=tap /mnt/repo/__tests__/engine/build/sandbox.test.ts /mnt/repo/__tests__/engine/build/bwrap.test.ts /mnt/repo/__tests__/engine/build/egress.test.ts
`

test('all of it holds for a plain user too', { timeout: 300_000 }, async (t) => {
  if (process.getuid?.() !== 0) return t.skip('the other tests here already run as a plain user')
  const home = await mkdtemp(join(tmpdir(), 'yoe-plain-'))
  t.after(() => rm(home, { recursive: true }))
  const script = join(home, 'as-plain-user.sh')
  await writeFile(script, asPlainUser)
  const repo = resolve(import.meta.dirname, '../../..')
  const child = spawn(
    'unshare',
    ['--mount', '--propagation', 'private', 'bash', script, dirname(process.execPath), repo, home, '54321'],
    // NODE_TEST_CONTEXT, among others, has to stay here.
    { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env['PATH'] } },
  )
  let said = ''
  for (const pipe of [child.stdout, child.stderr])
    pipe?.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
  await once(child, 'close')
  const count = (what: string): number => Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(said)?.[1] ?? -1)
  assert.equal(child.exitCode, 0, said)
  assert.ok(count('pass') >= 38, said)
  assert.equal(count('skipped'), 0, said)
})
