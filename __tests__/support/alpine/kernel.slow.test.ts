import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { scratch } from '../project.ts'
import { apk3, inRoot } from './apk.ts'
import { alpineMirror } from './mirror.ts'

const init = `#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
modprobe virtio_net && echo "booted $(uname -r), $(ls /sys/bus/virtio/drivers | grep net)"
poweroff -f
`

test('the kernel of the v3.23 mirror boots, and takes its modules', async (t) => {
  const folder = scratch(t)
  const root = scratch(t)
  const { url, keys } = await alpineMirror(t, ['v3.23/main/x86_64'])
  const added = await apk3(
    // Without scripts no initramfs is made: the whole system is one here.
    ['add', '--initdb', '--no-cache', '--no-scripts', 'alpine-baselayout', 'busybox', 'linux-virt'],
    { root, keys, repositories: [`${url}/v3.23/main`] },
  )
  assert.equal(added.code, 0, added.stderr)
  writeFileSync(join(root, 'init'), init, { mode: 0o755 })
  const prepared = await inRoot(root, ['sh', '-c', '/bin/busybox --install -s && depmod 6.18.56-0-virt'])
  assert.equal(prepared.code, 0, prepared.stderr)
  const initrd = join(folder, 'initrd')
  execFileSync('bsdtar', ['--format', 'newc', '--exclude', './boot', '-cf', initrd, '-C', root, '.'])
  const said = execFileSync(
    'qemu-system-x86_64',
    [
      ...[
        '-machine',
        'q35,accel=tcg',
        '-cpu',
        'max',
        '-m',
        '1024',
        '-nographic',
        '-no-reboot',
        '-nic',
        'user,model=virtio',
      ],
      ...['-kernel', join(root, 'boot/vmlinuz-virt'), '-initrd', initrd, '-append', 'console=ttyS0 quiet panic=-1'],
    ],
    { encoding: 'utf8', timeout: 180_000, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  assert.match(said, /booted 6\.18\.56-0-virt, virtio_net/)
})
