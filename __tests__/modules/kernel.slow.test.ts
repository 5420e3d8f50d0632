/**
 * The class `kernel`: what it asks of a kernel's Makefile, and what becomes of the answers, by a tree that has the same
 * targets and options that depend on each other. With YOE_TEST_KERNEL=1 in the environment also Linux itself, as small as
 * it can be, built and started: that takes a while, and 2 GB.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { scratch, type Texts } from '../support/project.ts'
import { build, fails, nativeProject, release, sameOffline, unpacked } from './native.ts'

/** Kconfig: an option, and what it depends on. */
const options = { MODULES: '', EXT4_FS: '', NET: '', WLAN: 'NET', LOCALVERSION_AUTO: '' }

const kernel: Texts = {
  'kernel/options': `${Object.entries(options)
    .map(([name, needs]) => `${name} ${needs}`)
    .join('\n')}\n`,
  'kernel/arch/x86/configs/board_defconfig': 'CONFIG_MODULES=y\nCONFIG_NET=y\nCONFIG_LOCALVERSION_AUTO=y\n',
  'kernel/arch/x86/boot/dts/acme/board.dts': '/dts-v1/;\n',
  'kernel/module.c': '#include "where.h"\nint answer(void) { return 42; }\n',
  'kernel/where.h': '\n',
  'kernel/Makefile': `release := 6.1.0$(LOCALVERSION)
boot := arch/$(ARCH)/boot
board_defconfig:
	cp arch/$(ARCH)/configs/$@ .config
olddefconfig:
	awk 'NR == FNR { needs[$$1] = $$2; next } \\
	  /^CONFIG_.*=/ { name = $$0; sub(/^CONFIG_/, "", name); sub(/=.*/, "", name); on[name] = $$0 } \\
	  /^# CONFIG_/ { name = $$2; sub(/^CONFIG_/, "", name); delete on[name] } \\
	  END { for (name in needs) if (name in on && (needs[name] == "" || needs[name] in on)) print on[name]; \\
	        else print "# CONFIG_" name " is not set" }' options .config | LC_ALL=C sort >.new
	mv .new .config
kernelrelease:
	@echo $(release)
bzImage:
	echo "$(KBUILD_BUILD_USER)@$(KBUILD_BUILD_HOST) $(KBUILD_BUILD_VERSION) $(KBUILD_BUILD_TIMESTAMP) [$(CFLAGS)]" >$(boot)/bzImage
	echo 0 >System.map
modules:
	$(CROSS_COMPILE)gcc -g -c module.c -o answer.ko
modules_install:
	install -D -m 644 answer.ko $(INSTALL_MOD_PATH)/lib/modules/$(release)/kernel/answer.ko
	$(CROSS_COMPILE)strip --strip-debug $(INSTALL_MOD_PATH)/lib/modules/$(release)/kernel/answer.ko
	ln -s $(CURDIR) $(INSTALL_MOD_PATH)/lib/modules/$(release)/build
	echo kernel/answer.ko >$(INSTALL_MOD_PATH)/lib/modules/$(release)/modules.order
	depmod -b $(INSTALL_MOD_PATH) $(release)
%.dtb:
	cp $(boot)/dts/$*.dts $(boot)/dts/$@
`,
}
const board: Texts = {
  'machines/board.star': `machine(
    name = "board", arch = "x86_64",
    kernel = kernel(unit = "linux-board", provides = "linux", defconfig = "board_defconfig", device_trees = ["board.dtb"]),
)
`,
}
const unit = (fields: string): Texts => ({
  'units/linux.star': `load("@module-core//classes/kernel.star", linux = "kernel")
linux(name = "linux-board", version = "6.1.0", source = path("//kernel"), ${fields})
`,
})

test('image, modules and device trees of a board, configured as its machine and its unit say', async (t) => {
  const project = nativeProject(t, {
    ...kernel,
    ...board,
    ...unit('fragments = ["a.config"], config = ["CONFIG_WLAN=m"]'),
    'units/linux/a.config': '# for the disk\nCONFIG_EXT4_FS=y\nCONFIG_WLAN=y\n',
  })
  const debs = await build(project, '--machine', 'board', 'linux-board')
  const { root, paths } = unpacked(t, debs.get('linux-board'))
  const of = (folder: string): readonly string[] => paths.filter((path) => path.startsWith(folder))
  assert.deepEqual(
    of('/boot/'),
    ['System.map-6.1.0', 'board.dtb', 'config-6.1.0', 'vmlinuz-6.1.0'].map((name) => `/boot/${name}`),
  )
  assert.equal(readFileSync(join(root, 'boot/vmlinuz-6.1.0'), 'utf8'), 'yoe@yoe 1 2024-01-01 []\n')
  assert.equal(
    readFileSync(join(root, 'boot/config-6.1.0'), 'utf8'),
    [
      '# CONFIG_LOCALVERSION_AUTO is not set',
      'CONFIG_EXT4_FS=y',
      'CONFIG_MODULES=y',
      'CONFIG_NET=y',
      'CONFIG_WLAN=m',
      '',
    ].join('\n'),
  )
  const modules = '/usr/lib/modules/6.1.0'
  for (const file of ['kernel/answer.ko', 'modules.dep', 'modules.dep.bin'])
    assert.ok(paths.includes(`${modules}/${file}`), file)
  assert.ok(!paths.includes(`${modules}/build`), 'nothing leads to where it was built')
  await sameOffline(project, '--machine', 'board', 'linux-board')

  project.write(unit('config = ["# CONFIG_NET is not set", "CONFIG_WLAN=y", "CONFIG_NO_SUCH=n"]'))
  const said = await fails(project, '--machine', 'board', 'linux-board')
  assert.match(said, /the kernel's configuration has no "CONFIG_WLAN=y": it depends on what is not set/)
  assert.doesNotMatch(said, /configuration has no "(CONFIG_NO_SUCH|# CONFIG_NET)/)
  project.write(unit('device_trees = ["other.dtb"]'))
  assert.match(await fails(project, '--machine', 'board', 'linux-board'), /arch\/x86\/boot\/dts has no other\.dts/)
})

test('Linux itself starts, and runs what it is given', {
  skip: process.env['YOE_TEST_KERNEL'] !== '1' && 'set YOE_TEST_KERNEL=1',
}, async (t) => {
  const settings = [
    '64BIT',
    'PRINTK',
    'TTY',
    'SERIAL_8250',
    'SERIAL_8250_CONSOLE',
    'BINFMT_ELF',
    'BLK_DEV_INITRD',
    'RD_GZIP',
  ]
  const disk = ['MODULES', 'PCI', 'BLOCK', 'EXT4_FS', 'VIRTIO_MENU', 'VIRTIO_PCI', 'VIRTIO_BLK']
  const lines = [...settings, ...disk].map((name) => `"CONFIG_${name}=${name === 'VIRTIO_BLK' ? 'm' : 'y'}"`)
  const project = nativeProject(t, {
    'units/linux.star': `load("@module-core//classes/kernel.star", linux = "kernel")
linux(
    name = "linux-tiny", version = "6.12.107", defconfig = "tinyconfig", config = [${lines.join(', ')}],
    ${release('https://cdn.kernel.org/pub/linux/kernel/v6.x/linux-6.12.107.tar.xz', 'l/linux/linux_6.12.107.orig.tar.xz', 'efc76d3c78a5d65f42724118c437d11db1c9f6309a5f024ee9a8b1978fdc6919')},
)
unit(name = "first", version = "1", license = "MIT", build = ["""
printf '#include <stdio.h>\\\\n#include <sys/reboot.h>\\\\nint main(void) { puts("started by Linux"); reboot(RB_AUTOBOOT); }\\\\n' >init.c
gcc -Os -static -s -o init init.c && install -D init $DESTDIR/usr/lib/first/init
"""])
`,
  })
  const debs = await build(project, 'linux-tiny', 'first')
  const { root, paths } = unpacked(t, debs.get('linux-tiny'))
  assert.ok(paths.includes('/usr/lib/modules/6.12.107/kernel/drivers/block/virtio_blk.ko'), paths.join(' '))
  assert.ok(paths.includes('/usr/lib/modules/6.12.107/modules.dep'))
  const image = join(root, 'boot/vmlinuz-6.12.107')
  assert.ok(existsSync(image))
  assert.ok(readFileSync(image).includes('6.12.107 (yoe@yoe) #1 2024-01-01'))
  const folder = scratch(t)
  const init = readFileSync(join(unpacked(t, debs.get('first')).root, 'usr/lib/first/init'))
  writeFileSync(join(folder, 'initrd'), newc('init', init))
  const argv = ['-kernel', image, '-initrd', join(folder, 'initrd'), '-append', 'console=ttyS0 panic=-1']
  const said = execFileSync('qemu-system-x86_64', [...argv, '-m', '128', '-nographic', '-no-reboot'], {
    encoding: 'utf8',
    timeout: 300_000,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  assert.match(said, /Linux version 6\.12\.107 \(yoe@yoe\)/)
  assert.match(said, /started by Linux/)
})

/** An archive of one executable and /dev/console, as the kernel unpacks them. @see Documentation/driver-api/early-userspace/buffer-format.rst */
function newc(name: string, content: Buffer): Buffer {
  const entry = (path: string, mode: number, body: Buffer, major = 0, minor = 0): Buffer => {
    const fields = [1, mode, 0, 0, 1, 0, body.length, 0, 0, major, minor, path.length + 1, 0]
    const head = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${path}\0`)
    return Buffer.concat([padded(head), padded(body)])
  }
  const nothing = Buffer.alloc(0)
  return Buffer.concat([
    entry('dev', 0o40755, nothing),
    entry('dev/console', 0o20600, nothing, 5, 1),
    entry(name, 0o100755, content),
    entry('TRAILER!!!', 0, nothing),
  ])
}

const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)])
