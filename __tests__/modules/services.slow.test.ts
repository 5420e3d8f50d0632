/** An image with an account, services and commands of every script language: all of it, run in the image's own root. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { imageRoot } from '../support/image-root.ts'
import { testProject } from '../support/project.ts'
import { sharedCache } from '../support/shared-cache.ts'
import { bun, nodejs, python } from './script-apps.ts'

const cache = sharedCache()

const texts = {
  ...python,
  ...nodejs,
  ...bun,
  // Without a kernel: nothing boots here.
  'machines/bare.star': 'machine(name = "bare", arch = "x86_64")\n',
  'images/all.star': `image(
    name = "all",
    artifacts = ["base-files", "greet", "yamllint", "hello", "versions", "bun-hello", "daemon", "systemd-standalone-sysusers"],
)
`,
  'units/daemon.star': `load("@module-core//classes/openrc.star", "openrc_service")
load("@module-core//classes/users.star", "system_group", "system_user")
unit(
    name = "daemon",
    version = "1",
    license = "MIT",
    build = ["""
install -d $DESTDIR/usr/libexec $DESTDIR/var/lib/demod
printf '#!/bin/sh\\\\nid -un; id -Gn\\\\n' >$DESTDIR/usr/libexec/demod
chmod 755 $DESTDIR/usr/libexec/demod
"""],
    permissions = {"/var/lib/demod": "0750 demod:demo-readers"},
)
system_user("daemon", "demod", groups = ["dialout"], home = "/var/lib/demod", description = "The demo's service")
system_user("daemon", "fixed", uid = 321)
system_group("daemon", "demo-readers")
openrc_service("daemon", "daemon.initd", distros = ["debian"])
`,
  'units/daemon/daemon.initd': `#!/sbin/openrc-run
command=/usr/libexec/demod
`,
}

test('accounts, services and commands in an image', async (t) => {
  const project = testProject(t, texts, cache)
  const built = await project.yoe(['build', 'all', '--machine', 'bare'])
  assert.equal(built.code, 0, built.stdout + built.stderr)

  const disk = join(project.root, 'build/debian/all.bare/all.img')
  const { root, debugfs } = imageRoot(t, disk)
  const inRoot = (...command: readonly string[]): string => {
    const shut = ['--unshare-all', '--clearenv', '--setenv', 'PATH', '/usr/sbin:/usr/bin:/sbin:/bin']
    const places = ['--ro-bind', root, '/', '--proc', '/proc', '--dev', '/dev', '--tmpfs', '/run', '--tmpfs', '/tmp']
    const ran = spawnSync('bwrap', [...places, ...shut, ...command], { encoding: 'utf8' })
    return ran.stdout + ran.stderr
  }

  for (const [command, says] of [
    [['greet', 'you'], /^hello you\n$/],
    [['greet-module', 'you'], /^hello you\n$/],
    [['sh', '-c', 'printf "a: 1\\na: 2\\n" | yamllint -'], /duplication of key "a"/],
    [['hello'], /\| \|__ {3}___\| \| \| ___/],
    [['figlet', 'x'], /\\ \\\/ \//],
    [['banner', 'x'], /\\ \\\/ \//],
    [['versions', '1.2.3'], /^valid 1\.2\.3\n$/],
    [['semver', '1.2.3'], /^1\.2\.3\n$/],
    [['bun-hello', 'x'], /\\ \\\/ \//],
    [['bun-figlet', 'x'], /\\ \\\/ \//],
    [['rc-update', 'show', 'default'], /^ *daemon \| default *$/m],
    [['sh', '-c', 'mkdir -p /run/openrc && touch /run/openrc/softlevel && rc-service daemon describe'], /daemon/],
  ] as const)
    assert.match(inRoot(...command), says, command.join(' '))

  // What images hold: the same numbers whatever else is in them.
  const passwd = readFileSync(join(root, 'etc/passwd'), 'utf8')
  const [, uid] = /^demod:[^:]*:(\d+):\1:The demo's service:\/var\/lib\/demod:\/usr\/sbin\/nologin$/m.exec(passwd) ?? []
  assert.equal(uid, '681')
  assert.match(passwd, /^fixed:[^:]*:321:321:fixed:\/:\/usr\/sbin\/nologin$/m)
  const groups = readFileSync(join(root, 'etc/group'), 'utf8')
  assert.match(groups, /^dialout:[^:]*:20:demod$/m)
  const [, gid] = /^demo-readers:[^:]*:(\d+):$/m.exec(groups) ?? []
  assert.match(debugfs('stat /var/lib/demod'), new RegExp(`Mode: +0750 [\\s\\S]*User: +${uid} +Group: +${gid} `))
})
