import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { kernelRelease } from '../../../src/engine/image/kernel-release.ts'
import { unusable } from '../emulation.ts'
import { scratch } from '../project.ts'
import { apk3, inRoot } from './apk.ts'
import { alpineMirror } from './mirror.ts'

const init = `#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
modprobe virtio_net && echo "booted $(uname -rm), $(ls /sys/bus/virtio/drivers | grep net)"
poweroff -f
`

const machines = {
  x86_64: { options: ['-machine', 'q35', '-cpu', 'max'], console: 'ttyS0' },
  aarch64: { options: ['-machine', 'virt', '-cpu', 'cortex-a57'], console: 'ttyAMA0' },
} as const

for (const arch of ['x86_64', 'aarch64'] as const) {
  test(`the ${arch} kernel of the v3.23 mirror boots, and takes its modules`, async (t) => {
    const missing = arch === 'aarch64' ? await unusable(t, 'arm64') : undefined
    if (missing !== undefined) return t.skip(missing)
    const folder = scratch(t)
    const root = scratch(t)
    const { url, keys } = await alpineMirror(t, [`v3.23/main/${arch}`])
    const added = await apk3(
      // Without scripts no initramfs is made: the whole system is one here.
      ['add', '--initdb', '--no-cache', '--no-scripts', 'alpine-baselayout', 'busybox', 'linux-virt'],
      { arch, root, keys, repositories: [`${url}/v3.23/main`] },
    )
    assert.equal(added.code, 0, added.stderr)
    writeFileSync(join(root, 'init'), init, { mode: 0o755 })
    const prepared = await inRoot(root, ['sh', '-c', '/bin/busybox --install -s && depmod 6.18.56-0-virt'])
    assert.equal(prepared.code, 0, prepared.stderr)
    assert.equal(await kernelRelease(join(root, 'boot/vmlinuz-virt')), '6.18.56-0-virt')
    const kernel = join(folder, 'kernel')
    writeFileSync(kernel, bootable(readFileSync(join(root, 'boot/vmlinuz-virt'))))
    const initrd = join(folder, 'initrd')
    execFileSync('bsdtar', ['--format', 'newc', '--exclude', './boot', '-cf', initrd, '-C', root, '.'])
    const { options, console } = machines[arch]
    const said = execFileSync(
      `qemu-system-${arch}`,
      [
        ...[...options, '-accel', 'tcg', '-m', '1024', '-nographic', '-no-reboot', '-nic', 'user,model=virtio'],
        ...['-kernel', kernel, '-initrd', initrd, '-append', `console=${console} quiet panic=-1`],
      ],
      { encoding: 'utf8', timeout: 120_000, stdio: ['ignore', 'pipe', 'pipe'] },
    )
    assert.ok(said.includes(`booted 6.18.56-0-virt ${arch}, virtio_net`), said)
  })
}

/**
 * A kernel that firmware without UEFI starts, too: of one that unpacks itself under UEFI alone, what is packed in it.
 *
 * @see Linux, drivers/firmware/efi/libstub/zboot-header.S
 */
function bootable(kernel: Buffer): Buffer {
  if (kernel.toString('latin1', 4, 8) !== 'zimg') return kernel
  const start = kernel.readUInt32LE(8)
  return gunzipSync(kernel.subarray(start, start + kernel.readUInt32LE(12)))
}
