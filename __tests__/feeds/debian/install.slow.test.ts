import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { YoeError } from '../../../src/engine/errors.ts'
import { readTar } from '../../../src/engine/image/tar-read.ts'
import { readZstd } from '../../../src/engine/image/zstd.ts'
import { hashFileSync } from '../../../src/engine/source/stamps.ts'
import { packDeb } from '../../../src/feeds/debian/pack.ts'
import { assertNotInstalled } from '../../support/installing.ts'
import { packInput, scratch } from '../../support/making.ts'
import {
  bootRoots,
  engineArch,
  entryOf,
  install,
  makeDeb,
  plainMmdebstrap,
  rootOf,
  smallRoots,
  toolsRoot,
  trixie,
  worker,
} from './trixie.ts'

const usable = await worker.probe()
const skip = usable.ok ? false : `${usable.reason} (${usable.hint})`

/** Path to everything that a root file system says about it, content as a digest. */
async function tree(tar: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  for await (const { entry, body } of readTar(readZstd(tar), tar)) {
    const hash = createHash('sha256')
    for await (const chunk of body()) hash.update(chunk)
    const { type, mode, uid, gid, link, xattrs } = entry
    // Which of a file's names comes first is no property of the tree.
    const what = type === 'hardlink' ? 'another name' : hash.digest('hex').slice(0, 16)
    found.set(entry.path, [type, mode.toString(8), uid, gid, link, what, [...xattrs.keys()].join()].join(' '))
  }
  return found
}

async function contentOf(tar: string, wanted: string): Promise<string | undefined> {
  let found: string | undefined
  for await (const { entry, body } of readTar(readZstd(tar), tar)) {
    if (entry.path !== wanted) continue
    found = ''
    for await (const chunk of body()) found += chunk.toString()
  }
  return found
}

test('a root with kernel and SSH: the same bytes twice, nothing of one device in it, and the tree that mmdebstrap makes', {
  skip,
}, async (t) => {
  const folder = await scratch(t)
  const tools = await toolsRoot()
  const packages = await trixie(bootRoots)
  const first = await rootOf(bootRoots)
  const second = join(folder, 'second.tar.zst')
  const log = await install(second, packages, { tools })
  assert.equal(hashFileSync(second), hashFileSync(first))
  assert.equal(log.match(/Generating \/boot\/initrd/g)?.length, 1, 'one initial RAM disk')

  const ours = await tree(second)
  const status = (await contentOf(second, 'var/lib/dpkg/status')) ?? ''
  assert.equal(status.match(/^Status: install ok installed$/gm)?.length, packages.length)
  assert.doesNotMatch(status, /newconffile(?! remove-on-upgrade)|triggers-/)
  for (const path of [
    'usr/sbin/policy-rc.d',
    'etc/apt/sources.list',
    'etc/resolv.conf',
    'var/lib/dpkg/status-old',
    'etc/passwd-',
  ])
    assert.ok(!ours.has(path), path)
  assert.deepEqual(
    [...ours.keys()].filter((path) =>
      /^(dev|run|tmp)\/|ssh_host_|\.dpkg-new$|__pycache__|^var\/log\/.*\.log$/.test(path),
    ),
    [],
  )
  assert.match(ours.get('etc/machine-id') ?? '', /^file/)
  assert.equal(await contentOf(second, 'etc/machine-id'), '')
  assert.match(ours.get('usr/bin/su') ?? '', /^file 4755 0 0/)
  assert.match(ours.get('etc/shadow') ?? '', /^file 640 0 42/)
  assert.match(ours.get('var/mail') ?? '', /^directory 2775 0 8/)
  assert.equal(ours.get('bin')?.split(' ')[4], 'usr/bin')

  const peer = join(folder, 'peer.tar.zst')
  await plainMmdebstrap(peer, packages, tools)
  const theirs = await tree(peer)
  const different = [...new Set([...ours.keys(), ...theirs.keys()])]
    .filter((path) => ours.get(path) !== theirs.get(path))
    .sort()
  // What we leave out on purpose; and what holds a list in the order of installation, or of processing.
  const expected =
    /^(dev|run|tmp)\/|ssh_host_|^var\/lib\/apt\/|^var\/cache\/|^var\/log\/|^etc\/(passwd|group|shadow|gshadow|subuid|subgid)-$|^etc\/\.pwd\.lock$|^var\/lib\/dpkg\/([^/]*(-old|lock|lock-frontend)|triggers\/Lock)$|99mmdebstrap$|^etc\/(apt\/sources\.list|resolv\.conf|hostname)$|^boot\/initrd|^var\/lib\/initramfs-tools\//
  const unexpected = different.filter((path) => !expected.test(path))
  assert.deepEqual(
    unexpected.map((path) => `${path}: ${ours.get(path)} | ${theirs.get(path)}`),
    [],
  )
})

test('packages are added to a base: dependencies from it, scripts run, the same bytes twice', { skip }, async (t) => {
  const folder = await scratch(t)
  const tools = await toolsRoot()
  const base = await rootOf(smallRoots)
  const postinst = '#!/bin/sh\nset -e\ntest "$1" = configure\ninstall -d -o nobody -g nogroup -m 2750 /var/lib/app\n'
  const app = await makeDeb(
    folder,
    { name: 'app', fields: 'Depends: libc6, coreutils\n' },
    {
      'usr/bin/app': '#!/bin/sh\n',
      'etc/app.conf': 'a\n',
      'DEBIAN/conffiles': '/etc/app.conf\n',
      'DEBIAN/postinst': postinst,
    },
  )
  const [one, two] = [join(folder, 'one.tar.zst'), join(folder, 'two.tar.zst')]
  await install(one, [app], { tools, base })
  await install(two, [app], { tools, base })
  assert.equal(hashFileSync(one), hashFileSync(two))
  const [before, after] = [await tree(base), await tree(one)]
  assert.match(after.get('var/lib/app') ?? '', /^directory 2750 65534 65534/)
  const changed = [...after.keys()].filter((path) => after.get(path) !== before.get(path)).sort()
  const own = [
    'etc/app.conf',
    'usr/bin/app',
    'var/lib/app',
    'var/lib/dpkg/status',
    ...['conffiles', 'list', 'md5sums', 'postinst'].map((name) => `var/lib/dpkg/info/app.${name}`),
  ]
  assert.deepEqual(changed, own.sort())
  assert.deepEqual(
    [...before.keys()].filter((path) => !after.has(path)),
    [],
  )
})

test('a package that diverts a file of another is unpacked by dpkg itself', { skip }, async (t) => {
  const folder = await scratch(t)
  const preinst =
    '#!/bin/sh\nset -e\ndpkg-divert --package diverts --add --rename --divert /usr/bin/tac.orig /usr/bin/tac\n'
  const diverts = await makeDeb(
    folder,
    { name: 'diverts', fields: 'Pre-Depends: coreutils\n' },
    { 'DEBIAN/preinst': preinst, 'usr/bin/tac': '#!/bin/sh\n' },
  )
  const output = join(folder, 'root.tar.zst')
  const log = await install(output, [...(await trixie(smallRoots)), diverts], { tools: await toolsRoot() })
  assert.match(log, /dpkg unpacks by itself/)
  const made = await tree(output)
  assert.ok(made.has('usr/bin/tac.orig'))
  assert.equal(await contentOf(output, 'usr/bin/tac'), '#!/bin/sh\n')
  assert.match((await contentOf(output, 'var/lib/dpkg/status')) ?? '', /Package: diverts\nStatus: install ok installed/)
})

const failing = [
  {
    name: 'a failing postinst names package, script and what it printed',
    control: { name: 'broken', fields: '' },
    files: { 'DEBIAN/postinst': '#!/bin/sh\necho cannot reach the moon >&2\nexit 7\n' },
    says: /^broken's post-installation script failed/,
    tail: /cannot reach the moon/,
  },
  {
    name: 'a failing preinst too',
    control: { name: 'broken', fields: '' },
    files: { 'DEBIAN/preinst': '#!/bin/sh\necho too early >&2\nexit 7\n' },
    says: /^broken's pre-installation script failed/,
    tail: /too early/,
  },
  {
    name: 'a dependency that nobody brings names who asks for it',
    control: { name: 'broken', fields: 'Depends: moon (>= 2)\n' },
    files: {},
    says: /don't fit together: broken needs moon/,
    tail: /moon/,
  },
] as const
for (const { name, control, files, says, tail } of failing) {
  for (const onto of ['a base', 'nothing']) {
    test(`onto ${onto}: ${name}`, { skip }, async (t) => {
      const folder = await scratch(t)
      const tools = await toolsRoot()
      const broken = await makeDeb(folder, control, files)
      const output = join(folder, 'root.tar.zst')
      const attempt =
        onto === 'a base'
          ? install(output, [broken], { tools, base: await rootOf(smallRoots) })
          : install(output, [...(await trixie(smallRoots)), broken], { tools })
      await assertNotInstalled(attempt, output, { says, tail })
    })
  }
}

test('a package whose bytes are not what its record says is refused, and nothing of it runs', { skip }, async (t) => {
  const folder = await scratch(t)
  const good = await makeDeb(folder, { name: 'app' }, { 'DEBIAN/postinst': '#!/bin/sh\necho it ran\n' })
  const bytes = await readFile(good.path)
  bytes[bytes.length - 20] = (bytes[bytes.length - 20] ?? 0) ^ 1
  await writeFile(good.path, bytes)
  let said: unknown
  await install(join(folder, 'root.tar.zst'), [good], {
    tools: await toolsRoot(),
    base: await rootOf(smallRoots),
  }).catch((failure: unknown) => {
    said = failure
  })
  assert.ok(said instanceof YoeError)
  assert.ok(['INSTALL_FAILED', 'DIGEST_MISMATCH'].includes(said.code), said.message)
  assert.doesNotMatch(said.log?.tail.join('\n') ?? '', /it ran/)
})

const clashes = [
  {
    name: 'two units',
    packages: ['aa', 'bb'],
    says: /^(aa and bb|bb and aa) both install \/usr\/bin\/greet$/,
    hint: /^say whose file it is: add replaces = \["(aa|bb)"\] to unit (aa|bb), or replaces = \["(aa|bb)"\] to unit (aa|bb)$/,
  },
  {
    name: 'a unit and a package of a feed',
    packages: ['aa'],
    file: 'usr/bin/tac',
    says: /^(aa and coreutils|coreutils and aa) both install \/usr\/bin\/tac$/,
    hint: /^say whose file it is: add replaces = \["coreutils"\] to unit aa$/,
  },
] as const
for (const clash of clashes) {
  const file = 'file' in clash ? clash.file : 'usr/bin/greet'
  for (const onto of ['a base', 'nothing']) {
    test(`onto ${onto}: one file in ${clash.name} needs replaces, and then is the replacing one's`, {
      skip,
    }, async (t) => {
      const folder = await scratch(t)
      const tools = await toolsRoot()
      const attempt = async (output: string, fields: Readonly<Record<string, string>>): Promise<void> => {
        const own = await Promise.all(
          clash.packages.map((name) =>
            makeDeb(folder, { name, fields: fields[name] ?? '' }, { [file]: `#!/bin/sh\n# of ${name}\n` }),
          ),
        )
        if (onto === 'a base') await install(output, own, { tools, base: await rootOf(smallRoots) })
        else await install(output, [...(await trixie(smallRoots)), ...own], { tools })
      }
      const output = join(folder, 'root.tar.zst')
      await assert.rejects(attempt(output, {}), (failure) => {
        assert.ok(failure instanceof YoeError, String(failure))
        assert.equal(failure.code, 'INSTALL_FAILED')
        assert.match(failure.message, clash.says)
        assert.match(failure.hint ?? '', clash.hint)
        assert.equal(failure.at?.file, `units/${failure.unit}.star`)
        assert.equal(failure.log?.path, '/build.log')
        return true
      })
      const loser = clash.packages.length === 1 ? 'coreutils' : 'bb'
      await attempt(output, { aa: `Replaces: ${loser}\n` })
      assert.equal(await contentOf(output, file), '#!/bin/sh\n# of aa\n')
      if (clash.packages.length === 1) return
      await attempt(output, { bb: 'Replaces: aa\n' })
      assert.equal(await contentOf(output, file), '#!/bin/sh\n# of bb\n')
    })
  }
}

test("a companion unit enables a service of a feed's package", { skip }, async (t) => {
  const folder = await scratch(t)
  const dest = join(folder, 'dest')
  await mkdir(dest)
  const unit = { name: 'enable-networkd', scope: 'noarch', tasks: [], services: ['systemd-networkd'] } as const
  const runtimeDeps = [[{ name: 'systemd' }]]
  const [packed] = await packDeb(packInput(dest, join(folder, 'out'), { unit, runtimeDeps, arch: engineArch }))
  const companion = await entryOf(packed?.path ?? '', 'unit')
  const base = await rootOf(bootRoots)
  const output = join(folder, 'root.tar.zst')
  await install(output, [companion], { tools: await toolsRoot(), base })
  const link = 'etc/systemd/system/multi-user.target.wants/systemd-networkd.service'
  assert.ok(!(await tree(base)).has(link))
  assert.match(
    (await tree(output)).get(link) ?? '',
    /^symlink .* \/usr\/lib\/systemd\/system\/systemd-networkd\.service /,
  )
})
