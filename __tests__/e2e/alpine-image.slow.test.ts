import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { alpineProject } from '../support/alpine/project.ts'

const service = `#!/sbin/openrc-run
description="Writes who it runs as"
command=/usr/bin/beat
command_user=beat
command_background=true
pidfile=/run/beat.pid
`

test('one definition is an image of Debian and of Alpine; that of Alpine boots, with services, users and network as told', {
  timeout: 900_000,
}, async (t) => {
  if (!existsSync('/usr/bin/qemu-system-x86_64')) return t.skip('no qemu-system-x86_64')
  const project = await alpineProject(t, {
    'images/thing.star': `image(
    name = "thing",
    version = "1.0",
    artifacts = ["base", "ntp", "ssh-server"],
    distro_artifacts = {"alpine": ["beat"], "debian": ["less"]},
    hostname = "thing-one",
    overlays = ["//overlays/thing"],
    users = [user(name = "dev", groups = ["dialout"])],
    tests = [
        test("hostname", run = "test $(hostname) = thing-one"),
        test("nothing crashed", run = "! rc-status --crashed && rc-status boot sysinit default | (! grep -v -e started -e Runlevel)"),
        test("sshd is in its runlevel", run = "test -L /etc/runlevels/default/sshd"),
        test("address", run = "ip addr show eth0 | grep -q 'inet 10.0.2.15'"),
        test("user", run = "id dev | grep -q dialout && test -d /home/dev && grep -q '^dev:.*:/bin/sh$' /etc/passwd"),
        test("service", run = "for i in 1 2 3 4 5; do grep -q beat /var/lib/beat/who && exit 0; sleep 2; done; exit 1"),
        test("clock", run = "rc-service ntpd status"),
        test("motd", run = "grep -q thing /etc/motd"),
        test("database", run = "! apk audit --system | grep . && apk info -e beat base-alpine && grep -qx beat /etc/apk/world"),
        test("root", run = "grep -q ' / ext4 rw' /proc/mounts && test -s /etc/ssh/ssh_host_ed25519_key && ! test -e /etc/ssh/ssh_host_rsa_key"),
    ],
)
`,
    'overlays/thing/etc/motd': 'This is thing.\n',
    'units/beat.star': `load("@module-core//classes/openrc.star", "openrc_service")
load("@module-core//classes/users.star", "system_user")

unit(
    name = "beat",
    version = "1.0",
    license = "MIT",
    scope = "noarch",
    distro = "alpine",
    container = "tools",
    tasks = [task("install", run = "install -d $DESTDIR/usr/bin && printf '#!/bin/sh\\\\nid -un >/var/lib/beat/who\\\\nexec sleep 10000\\\\n' >$DESTDIR/usr/bin/beat && chmod 755 $DESTDIR/usr/bin/beat && install -d $DESTDIR/var/lib/beat")],
    permissions = {"/var/lib/beat": "0750 beat:beat"},
)
system_user("beat", "beat")
openrc_service("beat", script = "beat.initd")
`,
    'units/beat/beat.initd': service,
  })
  const { env } = project
  for (const [distro, wanted] of [
    ['alpine', 'alpine/beat'],
    ['debian', 'debian/thing'],
  ] as const) {
    const plan = await project.yoe(['plan', 'thing', '--distro', distro], { env })
    assert.equal(plan.code, 0, plan.stderr)
    assert.ok(plan.stdout.includes(wanted), plan.stdout)
    assert.ok(!plan.stdout.includes(distro === 'alpine' ? 'debian/' : 'alpine/'), plan.stdout)
  }
  const built = await project.yoe(['build', 'thing'], { env })
  assert.equal(built.code, 0, built.stdout + built.stderr)
  const folder = join(project.root, 'build/alpine/thing.qemu-x86_64')
  const names = readFileSync(join(folder, 'packages.json'), 'utf8')
  for (const name of ['linux-virt', 'openssh-server', 'base-alpine', 'beat'])
    assert.ok(names.includes(`"${name}"`), name)
  const again = await project.yoe(['build', 'thing'], { env })
  assert.match(again.stdout + again.stderr, /nothing changed/)

  const ran = await project.yoe(['run', 'thing', '--boot-test'], { env })
  const serial = join(folder, 'boot-test/serial.log')
  const log = existsSync(serial) ? readFileSync(serial, 'utf8').slice(-3000) : ''
  assert.equal(ran.code, 0, ran.stdout + ran.stderr + log)
  assert.match(ran.stdout + ran.stderr, /10 of 10 tests/)
})
