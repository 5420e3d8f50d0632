import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { hostArch } from '#engine/arch.ts'
import { zbootOf } from '#engine/image/zboot.ts'
import { alpineProject } from '../support/alpine/project.ts'
import { unusable } from '../support/emulation.ts'
import { checkout } from '../support/project.ts'

const dropbear = `#!/sbin/openrc-run
command=/usr/sbin/dropbear
command_args="-F -R -E"
command_background=true
pidfile=/run/dropbear.pid
depend() {
	need net
}
start_pre() {
	mkdir -p /etc/dropbear
}
`

const server = `unit(
    name = "server",
    version = "1.0",
    license = "MIT",
    distro = "alpine",
    provides = ["ssh-server"],
    container = "tools",
    runtime_deps = ["dropbear", "openrc"],
    tasks = [task("services", steps = [
        step
        for name in ["boot-key", "dropbear"]
        for step in [
            install_file(name + ".initd", "$DESTDIR/etc/init.d/" + name, mode = 0o755, from_unit = True),
            "install -d $DESTDIR/etc/runlevels/default && ln -s /etc/init.d/%s $DESTDIR/etc/runlevels/default/%s" % (name, name),
        ]
    ])],
    conffiles = ["/etc/init.d/boot-key", "/etc/init.d/dropbear"],
)
`

/** A machine whose kernel knows no emulators, as far as the command can see. */
const withoutEmulators = [
  ...['unshare', '--map-root-user', '--mount', 'sh', '-euc'],
  ...['mount -t tmpfs none /proc/sys/fs/binfmt_misc; exec "$@"', 'sh'],
]

test('an image of Alpine for arm64 is built under emulation and boots; without emulators it says how to get them', {
  timeout: 1_200_000,
}, async (t) => {
  if (!existsSync('/usr/bin/qemu-system-aarch64')) return t.skip('no qemu-system-aarch64')
  const why = await unusable(t, 'arm64')
  if (why !== undefined) return t.skip(why)
  const bootKey = readFileSync(join(checkout, 'modules/module-alpine/units/ssh/boot-key.initd'), 'utf8')
  const project = await alpineProject(
    t,
    {
      'images/thing.star': `image(
    name = "thing",
    version = "1.0",
    artifacts = ["base", "server"],
    tests = [
        test("arch", run = "test $(uname -m) = aarch64 && test $(cat /etc/apk/arch) = aarch64"),
        test("nothing crashed", run = "! rc-status --crashed"),
        test("root", run = "grep -q ' / ext4 rw' /proc/mounts && grep -q '^root:[*]:' /etc/shadow"),
    ],
)
`,
      'units/server.star': server,
      'units/server/boot-key.initd': bootKey,
      'units/server/dropbear.initd': dropbear,
    },
    'arm64',
  )
  const { env } = project
  if (hostArch() !== 'arm64') {
    // Nothing has to be emulated for what the tests' shared cache has.
    const empty = { ...env, YOE_CACHE: join(project.root, '../empty-cache') }
    const refused = await project.yoe(['build', 'thing'], { env: empty, through: withoutEmulators })
    assert.equal(refused.code, 3, refused.stdout + refused.stderr)
    assert.match(refused.stderr, /error\[TOOL_MISSING\]: programs of arm64 don't run on this machine: no qemu-aarch64/)
    assert.match(refused.stderr, /hint: sudo apt-get install qemu-user-static binfmt-support, or sudo yoe container/)
  }
  const built = await project.yoe(['build', 'thing'], { env })
  assert.equal(built.code, 0, built.stdout + built.stderr)
  const folder = join(project.root, 'build/alpine/thing.qemu-arm64')
  // Alpine's own unpacks itself under UEFI, which QEMU need not have.
  const kernel = readFileSync(join(folder, 'vmlinuz'))
  assert.equal(zbootOf(kernel), undefined)
  assert.equal(kernel.toString('latin1', 56, 60), 'ARMd')

  const ran = await project.yoe(['run', 'thing', '--boot-test'], { env })
  const serial = join(folder, 'boot-test/serial.log')
  const log = existsSync(serial) ? readFileSync(serial, 'utf8').slice(-3000) : ''
  assert.equal(ran.code, 0, ran.stdout + ran.stderr + log)
  assert.match(ran.stdout + ran.stderr, /3 of 3 tests/)
})
