/** A device follows its project's feed: booted, and updated over the network by the distro's own client. */
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join, normalize } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { makeKey, openShell, waitForBanner } from '#bsp/guest-ssh.ts'
import { firstMember } from '#feeds/alpine/gzip-members.ts'
import { type AlpineProject, alpineProject, alpineProjectText } from '../support/alpine/project.ts'
import { replica } from '../support/alpine/replica.ts'
import { freePort, served } from '../support/local-server.ts'
import { debianProject, scratch, type Texts, testProject } from '../support/project.ts'
import { sharedCache } from '../support/shared-cache.ts'
import { scriptUnit } from '../support/unit-texts.ts'

const skip = existsSync('/usr/bin/qemu-system-x86_64') ? false : 'no qemu-system-x86_64'

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

/** What tells the two apart before they are booted. */
interface Distro {
  /** PROJECT.star but for its feed. */
  readonly text: string
  /** What `yoe key` calls the feed's key, and the file that the project has it in. */
  readonly use: 'apk' | 'feed'
  readonly keyFile: string
  /** The unit `beat`: a service that writes its version to /run/beat, or a program that prints it. */
  readonly beat: (version: string) => string
  open(t: TestContext, texts: Texts): Promise<AlpineProject>
}

const alpine: Distro = {
  text: alpineProjectText(),
  use: 'apk',
  keyFile: 'keys/demo.rsa.pub',
  beat: (version) => `load("@module-core//classes/openrc.star", "openrc_service")

${scriptUnit('beat', version, `echo ${version} >/run/beat\\\\nexec sleep 10000`)}
openrc_service("beat", script = "beat.initd")
`,
  open: (t, texts) =>
    alpineProject(t, {
      ...texts,
      'units/beat/beat.initd':
        '#!/sbin/openrc-run\ncommand=/usr/bin/beat\ncommand_background=true\npidfile=/run/beat.pid\n',
    }),
}

const debian: Distro = {
  text: debianProject,
  use: 'feed',
  keyFile: 'keys/demo.asc',
  beat: (version) => scriptUnit('beat', version, `echo beat ${version}`),
  open: async (t, texts) => ({ ...testProject(t, texts, sharedCache()), env: {} }),
}

/** A device that runs, with the project that it came from. */
interface Device {
  /** Where the project is published, and its address for guests. */
  readonly site: string
  readonly feed: string
  /** What it says of how devices use the feed. */
  readonly published: string
  /** The output of a command in the guest. Fails when the command does, unless `fails`. */
  inGuest(command: string, fails?: boolean): Promise<string>
  /** Publishes 2.0 of `beat`, by another key. */
  secondRelease(): Promise<void>
}

/** Boots an image with `beat`, of a project that is published with `extra`, too, which needs it. */
async function deviceOf(t: TestContext, { text, use, keyFile, beat, open }: Distro): Promise<Device> {
  const folder = scratch(t)
  const login = await makeKey(folder)
  const site = join(folder, 'site')
  // 10.0.2.2: this machine, for guests of QEMU.
  const feed = `http://10.0.2.2:${await siteServer(t, site)}`
  const project = await open(t, {
    'PROJECT.star': text.replace(/\)\n$/, `    feed = feed(url = "${feed}", keys = ["${keyFile}"]),\n)\n`),
    'images/thing.star': `image(
    name = "thing",
    version = "1.0",
    artifacts = ["base", "ssh-server", "beat"],
    users = [user(name = "root", authorized_keys = ["${login.publicKey}"], shell = "/bin/sh")],
)
`,
    'units/beat.star': beat('1.0'),
    'units/extra.star': scriptUnit('extra', '1.0', 'echo extra', 'runtime_deps = ["beat"],'),
  })
  const ran = (...args: readonly string[]) => project.yoe(args, { env: project.env })
  const yoe = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await ran(...args)
    assert.equal(code, 0, `${args.join(' ')}: ${stdout}${stderr}`)
    return stdout
  }
  const publish = ['publish', 'thing', 'extra', '--to', site]
  const exportKey = async (): Promise<void> => project.write({ [keyFile]: await yoe('key', 'export', use) })

  const missing = await ran('build', 'thing')
  const exported = `yoe key export ${use} >${keyFile}`
  assert.ok(missing.stderr.includes(`feed(): there is no file ${keyFile}\n`), missing.stderr)
  assert.ok(missing.stderr.includes(exported), missing.stderr)
  await yoe('key', 'generate', use)
  await exportKey()
  await yoe('build', 'thing')
  return {
    site,
    feed,
    published: await yoe(...publish),
    inGuest: await boot(t, yoe, login),
    async secondRelease() {
      await yoe('key', 'rotate', use)
      project.write({ 'units/beat.star': beat('2.0') })
      const forgotten = await ran(...publish)
      assert.match(forgotten.stderr, /feed\(\) does not name .*[0-9A-Fa-f]{8}.*, which signs, too/)
      await exportKey()
      await yoe(...publish)
    },
  }
}

async function boot(
  t: TestContext,
  yoe: (...args: readonly string[]) => Promise<string>,
  login: Awaited<ReturnType<typeof makeKey>>,
): Promise<Device['inGuest']> {
  const [ssh, web] = [await freePort(), await freePort()]
  const said = await yoe('run', 'thing', '--daemon', '--port', `${ssh}:22`, '--port', `${web}:80`, '--json')
  const { pid, serialLog }: { pid: number; serialLog: string } = JSON.parse(said)
  t.after(() => process.kill(pid, 'SIGKILL'))
  const signal = AbortSignal.timeout(600_000)
  const log = (): string => readFileSync(serialLog, 'utf8').slice(-3000)
  assert.ok(await waitForBanner(ssh, signal), log())
  const shell = await openShell(ssh, login, scratch(t), signal)
  if (typeof shell === 'string') throw new Error(`${shell}\n${log()}`)
  t.after(() => shell.close())
  return async (command, fails = false) => {
    const { code, output } = await shell.run(command, signal)
    const [text, more] = [output.join('\n'), code === undefined ? log() : '']
    assert.equal(code !== 0, fails, `${command}: exit ${code}\n${text}\n${more}`)
    return text
  }
}

test('an Alpine device updates from its project: apk update, add and upgrade over two releases and a new key', {
  skip,
  timeout: 1_500_000,
}, async (t) => {
  const { site, feed, published, inGuest, secondRelease } = await deviceOf(t, alpine)
  assert.ok(published.includes(`echo ${feed}/alpine >>/etc/apk/repositories`), published)
  assert.equal(await inGuest('cat /etc/apk/repositories; cd /etc/apk/keys; ls demo*'), `${feed}/alpine\ndemo.rsa.pub`)
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
  assert.match(await inGuest(`apk update --repository ${feed}/foreign`, true), /UNTRUSTED/)

  await secondRelease()
  const upgraded = await inGuest('apk update && apk upgrade && rc-service beat restart && sleep 1')
  assert.match(upgraded, /Upgrading beat \(1\.0-r0 -> 2\.0-r0\)/)
  assert.match(upgraded, /Upgrading demo-keys \(/)
  assert.equal(await inGuest('cat /run/beat; ls /etc/apk/keys/demo* | wc -l'), '2.0\n2')
  assert.equal(await inGuest(audit), 'beat\ndemo-keys')
})

test('a Debian device updates from its project: apt-get update, install and upgrade over two releases and a new key', {
  skip,
  timeout: 1_500_000,
}, async (t) => {
  const { site, inGuest, secondRelease } = await deviceOf(t, debian)
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
  assert.match(await inGuest(`${apt} install extra && extra && beat`), /extra\nbeat 1\.0$/)

  // One letter, under the signature of the genuine one.
  const release = join(site, 'debian/dists/trixie/InRelease')
  const genuine = readFileSync(release, 'utf8')
  writeFileSync(release, genuine.replace('Origin: d', 'Origin: e'))
  assert.notEqual(readFileSync(release, 'utf8'), genuine)
  assert.match(await inGuest(`${apt} update`, true), /is not signed|signature|Bad message|BADSIG/i)
  writeFileSync(release, genuine)

  await secondRelease()
  const upgraded = await inGuest(`${apt} update && ${apt} upgrade && beat`)
  assert.match(upgraded, /^2 upgraded, 0 newly installed, 0 to remove/m)
  assert.match(upgraded, /beat 2\.0$/)
  assert.match(upgraded, /Setting up demo-archive-keyring /)
  assert.equal(await inGuest('dpkg --verify beat extra demo-archive-keyring && dpkg --audit'), '')
})
