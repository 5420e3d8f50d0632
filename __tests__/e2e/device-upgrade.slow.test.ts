/** A device follows its project's feed: booted, and updated over the network by the distro's own client. */
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join, normalize } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { makeKey, openShell, waitForBanner } from '#bsp/guest-ssh.ts'
import { firstMember } from '#feeds/alpine/gzip-members.ts'
import { alpineProject } from '../support/alpine/project.ts'
import { replica } from '../support/alpine/replica.ts'
import { freePort, served } from '../support/local-server.ts'
import { debianProject, scratch, type TestProject, testProject } from '../support/project.ts'
import { sharedCache } from '../support/shared-cache.ts'

const skip = existsSync('/usr/bin/qemu-system-x86_64') ? false : 'no qemu-system-x86_64'

type Env = Readonly<Record<string, string>>

async function ok(project: TestProject, env: Env, ...args: readonly string[]): Promise<string> {
  const ran = await project.yoe(args, { env })
  assert.equal(ran.code, 0, `${args.join(' ')}: ${ran.stdout}${ran.stderr}`)
  return ran.stdout
}

/** Serves a folder, files whole and never from a cache, whatever was asked: they change within a second. The port. */
async function siteServer(t: TestContext, folder: string): Promise<string> {
  mkdirSync(folder)
  const server = createServer((request, response) => {
    const file = join(folder, normalize(decodeURIComponent(new URL(request.url ?? '', 'http://site').pathname)))
    if (statSync(file, { throwIfNoEntry: false })?.isFile() === true) response.end(readFileSync(file))
    else response.writeHead(404).end()
  })
  return new URL(await served(t, server)).port
}

/** Boots an image; what runs a command in it, and gives its output. Fails when the command does, unless `fails`. */
async function boot(
  t: TestContext,
  project: TestProject,
  env: Env,
  image: string,
  key: Awaited<ReturnType<typeof makeKey>>,
) {
  const [ssh, web] = [await freePort(), await freePort()]
  const said = await ok(project, env, 'run', image, '--daemon', '--port', `${ssh}:22`, '--port', `${web}:80`, '--json')
  const { pid, serialLog }: { pid: number; serialLog: string } = JSON.parse(said)
  t.after(() => process.kill(pid, 'SIGKILL'))
  const signal = AbortSignal.timeout(600_000)
  const log = (): string => readFileSync(serialLog, 'utf8').slice(-3000)
  assert.ok(await waitForBanner(ssh, signal), log())
  const shell = await openShell(ssh, key, scratch(t), signal)
  if (typeof shell === 'string') throw new Error(`${shell}\n${log()}`)
  t.after(() => shell.close())
  return async (command: string, fails = false): Promise<string> => {
    const { code, output } = await shell.run(command, signal)
    assert.equal(
      code !== 0,
      fails,
      `${command}: exit ${code}\n${output.join('\n')}\n${code === undefined ? log() : ''}`,
    )
    return output.join('\n')
  }
}

const beat = (version: string): string => `load("@module-core//classes/openrc.star", "openrc_service")

unit(
    name = "beat",
    version = "${version}",
    license = "MIT",
    scope = "noarch",
    distro = "alpine",
    container = "tools",
    shell = "sh",
    tasks = [task("install", run = "install -d $DESTDIR/usr/bin && printf '#!/bin/sh\\\\necho ${version} >/run/beat\\\\nexec sleep 10000\\\\n' >$DESTDIR/usr/bin/beat && chmod 755 $DESTDIR/usr/bin/beat")],
)
openrc_service("beat", script = "beat.initd")
`

const extra = `unit(
    name = "extra",
    version = "1.0",
    license = "MIT",
    scope = "noarch",
    distro = "alpine",
    container = "tools",
    shell = "sh",
    runtime_deps = ["beat"],
    tasks = [task("install", run = "install -d $DESTDIR/usr/bin && printf '#!/bin/sh\\\\necho extra\\\\n' >$DESTDIR/usr/bin/extra && chmod 755 $DESTDIR/usr/bin/extra")],
)
`

const project = (feed: string, name = 'demo'): string => `project(
    name = "${name}",
    version = "1.0",
    defaults = defaults(distro = "alpine", machine = "qemu-x86_64"),
    modules = [
        module("yoe:module-core"),
        module("yoe:module-debian"),
        module("https://example.com/alpine.git", ref = "v1", path = "module-alpine", local = "modules"),
    ],
    feed = feed(url = "${feed}", keys = ["keys/demo.rsa.pub"]),
)
`

test('an Alpine device updates from its project: apk update, add and upgrade over two releases and a new key', {
  skip,
  timeout: 1_500_000,
}, async (t) => {
  const folder = scratch(t)
  const key = await makeKey(folder)
  const site = join(folder, 'site')
  const port = await siteServer(t, site)
  const demo = await alpineProject(t, {
    // 10.0.2.2: this machine, for guests of QEMU.
    'PROJECT.star': project(`http://10.0.2.2:${port}`),
    'images/thing.star': `image(
    name = "thing",
    version = "1.0",
    artifacts = ["base", "ssh-server"],
    distro_artifacts = {"alpine": ["beat"]},
    users = [user(name = "root", authorized_keys = ["${key.publicKey}"], shell = "/bin/sh")],
)
`,
    'units/beat.star': beat('1.0'),
    'units/beat/beat.initd':
      '#!/sbin/openrc-run\ncommand=/usr/bin/beat\ncommand_background=true\npidfile=/run/beat.pid\n',
    'units/extra.star': extra,
  })
  const { env } = demo
  const yoe = (...args: readonly string[]): Promise<string> => ok(demo, env, ...args)
  const missing = await demo.yoe(['build', 'thing'], { env })
  assert.match(
    missing.stderr,
    /feed\(\): there is no file keys\/demo\.rsa\.pub\n.*yoe key export apk >keys\/demo\.rsa\.pub/,
  )
  const exportKey = async (): Promise<void> => demo.write({ 'keys/demo.rsa.pub': await yoe('key', 'export', 'apk') })
  await yoe('key', 'generate', 'apk')
  await exportKey()
  const publish = (): Promise<string> => yoe('publish', 'thing', 'extra', '--to', site)
  await yoe('build', 'thing')
  assert.match(await publish(), new RegExp(`echo http://10\\.0\\.2\\.2:${port}/alpine >>/etc/apk/repositories`))

  const inGuest = await boot(t, demo, env, 'thing', key)
  assert.equal(
    await inGuest('cat /etc/apk/repositories; cd /etc/apk/keys; ls demo*'),
    `http://10.0.2.2:${port}/alpine\ndemo.rsa.pub`,
  )
  assert.match(await inGuest('apk --version'), /^apk-tools 3\./)
  const audit = 'apk audit --system && apk info -e beat demo-keys'
  assert.equal(await inGuest(audit), 'beat\ndemo-keys')
  await inGuest('apk update')
  // Whatever the image holds is in the feed as it is.
  assert.match(await inGuest('apk upgrade --simulate'), /^OK: [^\n]*$/)
  await inGuest('apk add extra && extra')
  assert.equal(await inGuest('cat /run/beat'), '1.0')

  // An index with another version, under the signature of the genuine one; then somebody else's.
  const index = join(site, 'alpine/x86_64/APKINDEX.tar.gz')
  const genuine = readFileSync(index)
  const signature = firstMember(genuine, 1 << 20)
  if (typeof signature === 'string') throw new Error(signature)
  const text = gunzipSync(genuine.subarray(signature.length))
  const at = text.indexOf('\nP:beat\nV:1.0-r0\n') + '\nP:beat\nV:'.length
  text.write('9', at)
  writeFileSync(index, Buffer.concat([genuine.subarray(0, signature.length), gzipSync(text)]))
  assert.match(await inGuest('apk update', true), /WARNING: updating .*\/APKINDEX\.tar\.gz: BAD signature/)
  assert.match(await inGuest('apk upgrade --simulate'), /^OK: [^\n]*$/)
  writeFileSync(index, genuine)
  mkdirSync(join(site, 'foreign/x86_64'), { recursive: true })
  cpSync(join(await replica('v3.23', 'x86_64'), 'x86_64/APKINDEX.tar.gz'), join(site, 'foreign/x86_64/APKINDEX.tar.gz'))
  assert.match(await inGuest(`apk update --repository http://10.0.2.2:${port}/foreign`, true), /UNTRUSTED/)

  // The second release, by another key.
  await yoe('key', 'rotate', 'apk')
  demo.write({ 'units/beat.star': beat('2.0') })
  const forgotten = await demo.yoe(['publish', 'thing', 'extra', '--to', site], { env })
  assert.match(forgotten.stderr, /feed\(\) does not name demo-[0-9a-f]{8}\.rsa\.pub .*, which signs, too/)
  await exportKey()
  await publish()
  const upgraded = await inGuest('apk update && apk upgrade && rc-service beat restart && sleep 1')
  assert.match(upgraded, /Upgrading beat \(1\.0-r0 -> 2\.0-r0\)/)
  assert.match(upgraded, /Upgrading demo-keys \(/)
  assert.equal(await inGuest('cat /run/beat; ls /etc/apk/keys/demo* | wc -l'), '2.0\n2')
  assert.equal(await inGuest(audit), 'beat\ndemo-keys')
})

const debianUnit = (name: string, version: string): string => `unit(
    name = "${name}",
    version = "${version}",
    license = "MIT",
    scope = "noarch",
    container = "tools",
    tasks = [task("install", run = "install -d $DESTDIR/usr/bin && printf '#!/bin/sh\\\\necho ${name} ${version}\\\\n' >$DESTDIR/usr/bin/${name} && chmod 755 $DESTDIR/usr/bin/${name}")],
)
`

test('a Debian device updates from its project: apt-get update, install and upgrade over two releases and a new key', {
  skip,
  timeout: 1_500_000,
}, async (t) => {
  const folder = scratch(t)
  const key = await makeKey(folder)
  const site = join(folder, 'site')
  const port = await siteServer(t, site)
  const demo = testProject(
    t,
    {
      'PROJECT.star': debianProject.replace(
        /\)\n$/,
        `    feed = feed(url = "http://10.0.2.2:${port}", keys = ["keys/demo.asc"]),\n)\n`,
      ),
      'images/thing.star': `image(
    name = "thing",
    version = "1.0",
    artifacts = ["base", "ssh-server", "beat"],
    users = [user(name = "root", authorized_keys = ["${key.publicKey}"])],
)
`,
      'units/beat.star': debianUnit('beat', '1.0'),
      'units/extra.star': debianUnit('extra', '1.0'),
    },
    sharedCache(),
  )
  const yoe = (...args: readonly string[]): Promise<string> => ok(demo, {}, ...args)
  const exportKey = async (): Promise<void> => demo.write({ 'keys/demo.asc': await yoe('key', 'export', 'feed') })
  await yoe('key', 'generate', 'feed')
  await exportKey()
  const publish = (): Promise<string> => yoe('publish', 'thing', 'extra', '--to', site)
  await yoe('build', 'thing')
  await publish()

  const inGuest = await boot(t, demo, {}, 'thing', key)
  const apt = 'DEBIAN_FRONTEND=noninteractive apt-get --yes -o APT::Update::Error-Mode=any'
  assert.equal(
    await inGuest('cd /etc/apt; ls sources.list.d keyrings; ! test -e sources.list'),
    'keyrings:\ndemo.gpg\n\nsources.list.d:\ndemo.sources',
  )
  await inGuest(`${apt} update`)
  // Whatever the image holds is in the feed as it is.
  assert.match(
    await inGuest(`${apt} --simulate dist-upgrade`),
    /^0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded/m,
  )
  assert.match(await inGuest(`${apt} install extra && extra && beat`), /extra 1\.0\nbeat 1\.0$/)

  // One letter, under the signature of the genuine one.
  const release = join(site, 'debian/dists/trixie/InRelease')
  const genuine = readFileSync(release, 'utf8')
  writeFileSync(release, genuine.replace('Origin: d', 'Origin: e'))
  assert.notEqual(readFileSync(release, 'utf8'), genuine)
  assert.match(await inGuest(`${apt} update`, true), /is not signed|signature|Bad message|BADSIG/i)
  writeFileSync(release, genuine)

  await yoe('key', 'rotate', 'feed')
  demo.write({ 'units/beat.star': debianUnit('beat', '2.0') })
  await exportKey()
  await publish()
  const upgraded = await inGuest(`${apt} update && ${apt} upgrade && beat`)
  assert.match(upgraded, /^2 upgraded, 0 newly installed, 0 to remove/m)
  assert.match(upgraded, /beat 2\.0$/)
  assert.match(upgraded, /Setting up demo-archive-keyring /)
  assert.equal(await inGuest('dpkg --verify beat extra demo-archive-keyring && dpkg --audit'), '')
})
