import assert from 'node:assert/strict'
import { access, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { YoeError } from '../../../src/engine/errors.ts'
import { readTar } from '../../../src/engine/image/tar-read.ts'
import { readZstd } from '../../../src/engine/image/zstd.ts'
import { hashFileSync } from '../../../src/engine/source/stamps.ts'
import { apk2, apk3 } from '../../support/alpine/apk.ts'
import { replica, testKeyFolder } from '../../support/alpine/replica.ts'
import { unusable } from '../../support/emulation.ts'
import { assertNotInstalled } from '../../support/installing.ts'
import { scratch } from '../../support/making.ts'
import { branchClosure, closureOf, install, makeApk, repositoriesOf, toolsRoot, worker } from './roots.ts'

const usable = await worker.probe()
const skip = usable.ok ? false : `${usable.reason} (${usable.hint})`

/** Path to type, mode, owner and content of everything in a root file system; the text of what is small. */
async function tree(tar: string): Promise<ReadonlyMap<string, { readonly facts: string; readonly text: string }>> {
  const found = new Map<string, { facts: string; text: string }>()
  for await (const { entry, body } of readTar(readZstd(tar), tar)) {
    const chunks: Buffer[] = []
    for await (const chunk of body()) chunks.push(chunk)
    const { type, mode, uid, gid, link } = entry
    const text = entry.size < 1 << 20 ? Buffer.concat(chunks).toString('latin1') : ''
    found.set(entry.path, { facts: `${type} ${mode.toString(8)} ${uid}:${gid} ${link}`.trim(), text })
  }
  return found
}

const paragraphs = (text: string): readonly string[] => text.trim().split('\n\n').sort()
const lines = (text: string): readonly string[] => text.trim().split('\n').sort()

const small = ['alpine-baselayout', 'alpine-keys', 'apk-tools', 'busybox', 'musl-utils']
/** A system that boots, in the words of a release that has them. */
const booting = [...small, 'openrc', 'busybox-openrc', 'linux-virt', 'sudo', 'dhcpcd', 'ca-certificates']

const releases = [
  { branch: 'v3.20', roots: small, apk: apk2, world: ['alpine-baselayout', 'alpine-keys', 'apk-tools', 'musl-utils'] },
  { branch: 'v3.23', roots: booting, apk: apk3, world: ['alpine-baselayout', 'alpine-keys', 'linux-virt', 'sudo'] },
] as const
for (const { branch, roots, apk, world } of releases) {
  test(`${branch}: the same bytes twice, nothing of one device in it, and the database that apk itself makes`, {
    skip,
  }, async (t) => {
    const folder = await scratch(t)
    const packages = await branchClosure(branch, roots)
    const [first, second] = [join(folder, 'first.tar.zst'), join(folder, 'second.tar.zst')]
    const tools = await toolsRoot(branch)
    // Side by side: what is told of a sandbox, such as the number of its memory's device, differs then.
    const [log] = await Promise.all([first, second].map((path) => install(path, packages, { tools })))
    assert.equal(hashFileSync(second), hashFileSync(first))
    assert.ok((log?.match(/creating \/boot\/initramfs/g) ?? []).length <= 1, 'one initial RAM disk')
    const ours = await tree(first)
    // Without tools, the apk of the packages themselves does the same.
    if (roots === small) {
      const bare = join(folder, 'bare.tar.zst')
      await install(bare, packages)
      assert.deepEqual(await tree(bare), ours)
    }
    const text = (path: string): string => ours.get(path)?.text ?? assert.fail(path)
    const asked = lines(text('etc/apk/world'))
    assert.deepEqual(
      world.filter((name) => !asked.includes(name)),
      [],
    )
    for (const name of ['musl', 'zlib', 'libcrypto3', 'busybox']) assert.ok(!asked.includes(name), name)
    assert.equal(ours.get('etc/shadow')?.facts, 'file 640 0:42')
    assert.equal(ours.get('tmp')?.facts, 'directory 1777 0:0')
    assert.equal(ours.get('dev/pts')?.facts, 'directory 755 0:0')
    assert.deepEqual(
      [...ours].flatMap(([path, { facts }]) =>
        (/^(dev|run|tmp)\//.test(path) && !facts.startsWith('directory')) ||
        /^var\/log\/.|^var\/cache\/apk\/.|ssh_host_|^etc\/(passwd|group|shadow)-$|db\/lock$/.test(path)
          ? [path]
          : [],
      ),
      [],
    )
    assert.match(text('etc/shadow'), /^klogd:!:19675:/m)
    if (roots === booting) {
      assert.equal(ours.get('boot/initramfs-virt')?.facts, 'file 600 0:0')
      assert.match(ours.get('usr/bin/sudo')?.facts ?? '', /^file 4/)
      assert.ok(!ours.has('usr/sbin/mkinitfs') || !text('usr/sbin/mkinitfs').includes('yoe'))
    }

    const root = join(folder, 'theirs')
    await mkdir(root)
    const names = packages.map(({ record }) => record.name)
    const keys = await testKeyFolder()
    const made = await apk(['add', '--initdb', '--no-cache', ...names], {
      root,
      keys,
      repositories: await repositoriesOf(branch),
    })
    assert.equal(made.code, 0, made.stdout + made.stderr)
    const theirs = async (path: string): Promise<string> => readFile(join(root, path), 'latin1')
    const places = ['lib/apk/db', 'usr/lib/apk/db']
    const place = places.find((path) => ours.has(`${path}/installed`)) ?? ''
    assert.deepEqual(paragraphs(text(`${place}/installed`)), paragraphs(await theirs(`${place}/installed`)))
    assert.deepEqual(lines(text(`${place}/triggers`)), lines(await theirs(`${place}/triggers`)))
    assert.ok([...ours.keys()].some((path) => path.startsWith(`${place}/scripts.tar`)))
    assert.equal(text('etc/passwd'), await theirs('etc/passwd'))
    const commands = async (path: string) => (await readdir(join(root, path))).map((name) => `${path}/${name}`)
    for (const path of [...(await commands('bin')), ...(await commands('usr/sbin')), ...(await commands('etc'))])
      if (!/-$/.test(path)) assert.ok(ours.has(path), path)
  })

  test(`${branch}: packages are added to a base: scripts run, what they need is no longer asked for`, {
    skip,
  }, async (t) => {
    const folder = await scratch(t)
    const tools = await toolsRoot(branch)
    const base = join(folder, 'base.tar.zst')
    await install(base, await branchClosure(branch, small), { tools })
    const script = '#!/bin/sh\nset -e\ninstall -d -o nobody -g nobody -m 2750 /var/lib/app\naddgroup -S app\n'
    const app = await makeApk(
      folder,
      'app',
      { 'usr/bin/app': '#!/bin/sh\n', 'etc/app.conf': 'a\n' },
      { lines: ['depend = musl-utils', 'depend = so:libz.so.1'], scripts: { 'post-install': script } },
    )
    const [one, two] = [join(folder, 'one.tar.zst'), join(folder, 'two.tar.zst')]
    await install(one, [app], { tools, base })
    await install(two, [app], { tools, base })
    assert.equal(hashFileSync(one), hashFileSync(two))
    const [before, after] = [await tree(base), await tree(one)]
    assert.equal(after.get('var/lib/app')?.facts, 'directory 2750 65534:65534')
    const asked = lines(after.get('etc/apk/world')?.text ?? '')
    assert.ok(asked.includes('app') && asked.includes('apk-tools') && !asked.includes('musl-utils'), asked.join())
    assert.deepEqual(
      [...before.keys()].filter((path) => !after.has(path)),
      [],
    )
  })
}

const failing = [
  {
    name: 'a failing post-install names package, script and what it printed',
    scripts: { 'post-install': '#!/bin/sh\necho cannot reach the moon >&2\nexit 7\n' },
    says: /^broken's post-install script failed/,
    tail: /cannot reach the moon/,
  },
  {
    name: 'a failing pre-install too',
    scripts: { 'pre-install': '#!/bin/sh\necho too early >&2\nexit 7\n' },
    says: /^broken's pre-install script failed/,
    tail: /too early/,
  },
  {
    name: 'a failing trigger too',
    lines: ['triggers = /usr/bin'],
    scripts: { trigger: '#!/bin/sh\necho no way >&2\nexit 7\n' },
    says: /^broken's trigger script failed/,
    tail: /no way/,
  },
  {
    name: 'a dependency that nobody brings names who asks for it',
    lines: ['depend = moon>=2'],
    says: /don't fit together: broken needs moon/,
    tail: /moon/,
  },
  {
    name: 'a package that goes not with another is named with it',
    lines: ['depend = !musl-utils'],
    says: /don't fit together: broken does not go with musl-utils|musl-utils/,
    tail: /musl-utils/,
  },
  {
    name: 'a file that another package has',
    files: { 'sbin/ldconfig': '#!/bin/sh\n' },
    says: /^(broken and musl-utils|musl-utils and broken) both install \/sbin\/ldconfig$/,
    tail: /ldconfig/,
  },
] as const
for (const { branch } of releases) {
  for (const { name, says, tail, ...broken } of failing) {
    test(`${branch}: ${name}`, { skip }, async (t) => {
      const folder = await scratch(t)
      const tools = await toolsRoot(branch)
      const files = 'files' in broken ? broken.files : { 'usr/bin/broken': '#!/bin/sh\n' }
      const more = {
        lines: 'lines' in broken ? broken.lines : [],
        scripts: 'scripts' in broken ? broken.scripts : {},
      }
      const output = join(folder, 'root.tar.zst')
      const packages = [...(await branchClosure(branch, small)), await makeApk(folder, 'broken', files, more)]
      await assertNotInstalled(install(output, packages, { tools }), output, { says, tail })
    })
  }

  const tampered: readonly (readonly [string, (bytes: Buffer) => number])[] = [
    ['control', () => 400],
    ['data', (bytes) => bytes.length - 20],
  ]
  for (const [what, at] of tampered) {
    test(`${branch}: a package whose ${what} is not what it was is refused, and nothing of it runs`, {
      skip,
    }, async (t) => {
      const folder = await scratch(t)
      const good = await makeApk(
        folder,
        'app',
        { 'usr/bin/app': 'a'.repeat(1000) },
        { scripts: { 'post-install': '#!/bin/sh\necho it ran\n', 'pre-install': '#!/bin/sh\necho it ran\n' } },
      )
      const bytes = await readFile(good.path)
      const place = at(bytes)
      bytes[place] = (bytes[place] ?? 0) ^ 1
      await writeFile(good.path, bytes)
      const output = join(folder, 'root.tar.zst')
      let said: unknown
      await install(output, [...(await branchClosure(branch, small)), good], { tools: await toolsRoot(branch) }).catch(
        (failure: unknown) => {
          said = failure
        },
      )
      assert.ok(said instanceof YoeError, String(said))
      assert.ok(['INSTALL_FAILED', 'DIGEST_MISMATCH', 'ARCHIVE_UNSAFE'].includes(said.code), said.message)
      assert.doesNotMatch(said.log?.tail.join('\n') ?? '', /it ran/)
      await assert.rejects(access(output))
    })
  }
}

test('without apk in the packages, the first root says what is missing', { skip }, async (t) => {
  const folder = await scratch(t)
  const output = join(folder, 'root.tar.zst')
  const packages = await branchClosure('v3.20', ['alpine-baselayout'])
  await assert.rejects(install(output, packages), (failure) => {
    assert.ok(failure instanceof YoeError)
    assert.equal(failure.code, 'TOOL_MISSING')
    assert.match(failure.message, /^apk is missing/)
    return true
  })
})

test('a root of aarch64 is made by the apk of x86_64: its scripts run under emulation', { skip }, async (t) => {
  const why = await unusable(t, 'arm64')
  if (why !== undefined) return t.skip(why)
  const folder = await scratch(t)
  const output = join(folder, 'root.tar.zst')
  const repositories = [await replica('v3.20', 'aarch64')]
  const packages = await closureOf(small, repositories, await testKeyFolder(), 'aarch64')
  await install(output, packages, { tools: await toolsRoot('v3.20'), arch: 'arm64' })
  const made = await tree(output)
  assert.equal(made.get('etc/apk/arch')?.text, 'aarch64\n')
  assert.equal(made.get('bin/ls')?.facts, 'symlink 777 0:0 /bin/busybox')
  assert.match(made.get('etc/passwd')?.text ?? '', /^klogd:/m)
})
