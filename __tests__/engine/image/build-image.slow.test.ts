import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { file } from '#engine/image/overlay.ts'
import { removeTree } from '../../../src/engine/build/tree.ts'
import { defaultLimits } from '../../../src/engine/build/worker.ts'
import { YoeError } from '../../../src/engine/errors.ts'
import type { RepositoryEntry } from '../../../src/engine/formats.ts'
import type { BuiltImage } from '../../../src/engine/image/build-image.ts'
import type { Partition } from '../../../src/engine/project/model.ts'
import { hashFileSync } from '../../../src/engine/source/stamps.ts'
import { deviceFiles } from '../../../src/feeds/debian/device-feed.ts'
import { makeDeb, run, smallRoots, toolsRoot, trixie, worker } from '../../feeds/debian/trixie.ts'
import { at, layersIn, type Making, make, projectPackages, rootfs } from './making.ts'

const usable = await worker.probe()
const skip = usable.ok ? false : `${usable.reason} (${usable.hint})`

async function scratch(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'yoe-image-test-'))
  await chmod(folder, 0o755)
  t.after(() => removeTree(folder))
  return folder
}

/** Runs a tool of the tools root on a disk or a partition's copy. */
async function inspect(folder: string, argv: readonly string[]): Promise<string> {
  let said = ''
  const result = await worker.run({
    root: await toolsRoot(),
    argv,
    env: { PATH: '/usr/sbin:/usr/bin' },
    cwd: '/',
    mounts: [{ source: folder, target: '/img', writable: false }],
    network: false,
    identity: 'user',
    limits: { ...defaultLimits },
    output: (chunk) => {
      said += Buffer.from(chunk).toString()
    },
  })
  assert.deepEqual(result, { kind: 'exited', code: 0 }, said)
  return said
}

async function copyPartition({ disk, partitions }: BuiltImage, label: string, to: string): Promise<void> {
  const part = partitions.find((each) => each.label === label)
  assert.ok(part)
  await run('dd', [
    `if=${disk}`,
    `of=${to}`,
    'bs=1M',
    `skip=${part.offset / 2 ** 20}`,
    `count=${part.size / 2 ** 20}`,
    'conv=sparse',
  ])
}

test('an image: accounts, services, overlays and feed are in a clean ext4, and the same bytes come out again', {
  skip,
}, async (t) => {
  const folder = await scratch(t)
  await mkdir(join(folder, 'overlay/etc/app'), { recursive: true })
  await mkdir(join(folder, 'overlay/usr/bin'), { recursive: true })
  await writeFile(join(folder, 'overlay/etc/app/app.conf'), 'conf\n', { mode: 0o600 })
  await writeFile(join(folder, 'overlay/usr/bin/tool'), '#!/bin/sh\n', { mode: 0o700 })
  await writeFile(join(folder, 'overlay/etc/debian_version'), 'mine\n')
  await symlink('/usr/bin/tool', join(folder, 'overlay/etc/app/link'))
  const boot: Partition = {
    label: 'boot',
    type: 'vfat',
    size: 40 * 2 ** 20,
    root: false,
    contents: ['vmlinuz*', '*.dtb', 'overlays'],
    at,
  }
  const feed = deviceFiles({ project: 'demo', url: 'https://feed.example/demo', suite: 'trixie' })
  const given = [...feed, { path: 'usr/bin/true', text: 'another', isDefault: true }]
  const extraFiles = given.map(({ path, text, isDefault }) => ({ ...file(path, text, 'the feed of demo'), isDefault }))
  const user = {
    name: 'dev',
    groups: ['dialout'],
    shell: '/bin/sh',
    home: '/home/dev',
    password: '',
    authorizedKeys: ['ssh-ed25519 AAAA me'],
  }
  const making: Making = {
    image: { hostname: 'thing', services: ['app'], users: [user], overlays: [{ module: '', path: 'overlay' }] },
    machine: { partitions: [boot, rootfs] },
    extraFiles,
  }
  const built = await make(folder, making)
  assert.deepEqual(
    built.layers.slice(1).map(({ name, reused }) => [name, reused]),
    [
      ['project packages', false],
      ['configuration', false],
      ['disk', false],
    ],
  )
  const first = hashFileSync(built.disk)
  assert.equal(await run('cat', [built.kernel ?? '']).then(({ stdout }) => stdout.slice(0, 6)), 'KERNEL')
  const { blocks, size } = await stat(built.disk)
  assert.ok(blocks * 512 < size * 0.9, 'the disk is sparse')

  await copyPartition(built, 'rootfs', join(folder, 'root.img'))
  await inspect(folder, ['fsck.ext4', '-fn', '/img/root.img'])
  const debugfs = async (command: string): Promise<string> =>
    inspect(folder, ['debugfs', '-R', command, '/img/root.img'])
  const facts = async (path: string): Promise<string> => {
    const said = await debugfs(`stat ${path}`)
    const field = (name: string): string => new RegExp(`${name}:\\s+(\\w+)`).exec(said)?.[1] ?? ''
    return `${field('Type')} ${field('Mode')} ${field('User')}:${field('Group')}`
  }
  const expected = {
    '/usr/bin/su': 'regular 04755 0:0',
    '/etc/shadow': 'regular 0640 0:42',
    '/home/dev': 'directory 0700 1000:1000',
    '/home/dev/.ssh/authorized_keys': 'regular 0600 1000:1000',
    '/etc/app/app.conf': 'regular 0644 0:0',
    '/usr/bin/tool': 'regular 0755 0:0',
    '/etc/app/link': 'symlink 0777 0:0',
    '/etc/systemd/system/multi-user.target.wants/app.service': 'symlink 0777 0:0',
    '/tmp': 'directory 01777 0:0',
  }
  for (const [path, want] of Object.entries(expected)) assert.equal(await facts(path), want, path)
  const content = async (path: string): Promise<string> => (await debugfs(`cat ${path}`)).replace(/^debugfs .*\n/, '')
  assert.equal(await content('/etc/hostname'), 'thing\n')
  assert.equal(await content('/etc/debian_version'), 'mine\n')
  assert.equal(await content('/etc/machine-id'), '')
  assert.match(await content('/etc/passwd'), /^dev:x:1000:1000::\/home\/dev:\/bin\/sh$/m)
  assert.match(await content('/etc/fstab'), /^LABEL=BOOT\t\/boot\/firmware\tvfat/m)
  assert.match(await content('/etc/apt/sources.list.d/demo.sources'), /Signed-By: \/etc\/apt\/keyrings\/demo\.gpg/)
  assert.match(await content('/usr/bin/true'), /^.ELF/, 'what a package brings outranks a default')

  await copyPartition(built, 'boot', join(folder, 'boot.img'))
  assert.match(await inspect(folder, ['mdir', '-b', '-i', '/img/boot.img', '::']), /board\.dtb[\s\S]*vmlinuz-6\.1/)
  const overlays = await inspect(folder, ['mdir', '-/', '-b', '-i', '/img/boot.img', '::/overlays'])
  assert.deepEqual(overlays.trim().split(/\s+/), [
    '::/overlays/deep/',
    '::/overlays/one.dtbo',
    '::/overlays/deep/two.dtbo',
  ])
  await inspect(folder, ['fsck.vfat', '-n', '/img/boot.img'])
  const table = JSON.parse(await inspect(join(folder, 'out'), ['sfdisk', '--json', '/img/disk.img']))
  assert.equal(table.partitiontable.label, 'gpt')
  assert.deepEqual(
    table.partitiontable.partitions.slice(0, 2).map((each: { name: string; start: number }) => [each.name, each.start]),
    [
      ['boot', 2048],
      ['rootfs', 2048 + 40 * 2048],
    ],
  )
  assert.match(await inspect(join(folder, 'out'), ['sfdisk', '--verify', '/img/disk.img']), /No errors detected/)

  // Made again from nothing but the feed layer, elsewhere and later.
  const again = await make(folder, { ...making, layers: layersIn(join(folder, 'other')), outdir: join(folder, 'out2') })
  assert.equal(hashFileSync(again.disk), first)
  assert.equal(hashFileSync(again.rootfs), hashFileSync(built.rootfs))
  assert.deepEqual((await readdir(join(folder, 'out2'))).sort(), ['boot', 'disk.img', 'image.json'])
})

test('layers: what is unchanged is reused, a change costs its layer and those above it', { skip }, async (t) => {
  const folder = await scratch(t)
  const shown = ({ layers }: BuiltImage): string => layers.map(({ reused }) => (reused ? '=' : '*')).join('')
  await make(folder)
  assert.equal(shown(await make(folder)), '====')
  const packages = [...(await trixie(smallRoots)), ...(await projectPackages(folder))]
  const app = await makeDeb(folder, { name: 'app', version: '1.1-r0' }, { 'usr/bin/app': '#!/bin/sh\necho new\n' })
  const changed = packages.map((entry) => (entry.record.name === 'app' ? app : entry))
  assert.equal(shown(await make(folder, { packages: changed })), '=***')
  assert.equal(shown(await make(folder, { packages: changed, image: { hostname: 'other' } })), '==**')
  assert.equal(
    shown(
      await make(folder, {
        packages: changed,
        image: { hostname: 'other' },
        machine: { partitions: [{ ...rootfs, size: 512 * 2 ** 20 }] },
      }),
    ),
    '==**',
  )
  const extraFiles = deviceFiles({ project: 'demo', url: 'https://elsewhere.example', suite: 'trixie' }).map(
    ({ path, text, isDefault }) => ({ ...file(path, text, 'the feed of demo'), isDefault }),
  )
  assert.equal(shown(await make(folder, { packages: changed, image: { hostname: 'other' }, extraFiles })), '==**')
  const disk = join(folder, 'out/disk.img')
  await utimes(disk, 1, 1) // as a guest that wrote to it would leave it
  const last: Making = {
    packages: changed,
    image: { hostname: 'other' },
    machine: { partitions: [{ ...rootfs, size: 512 * 2 ** 20 }] },
  }
  assert.equal(shown(await make(folder, last)), '===*')
})

const refusals = [
  {
    name: 'too small: how much is needed, before anything is written',
    making: { machine: { partitions: [{ ...rootfs, size: 64 * 2 ** 20 }] } },
    code: 'IMAGE_TOO_SMALL',
    says: /partition "rootfs" of image "test-image" has 67108864 bytes, its content needs \d+/,
    at: rootfs.at,
  },
  {
    name: 'contents of a partition that the image does not have',
    making: {
      machine: {
        partitions: [
          { ...rootfs, label: 'boot', type: 'vfat', size: 2 ** 26, root: false, contents: ['*.dtb', 'MLO', 'fw/**'] },
          rootfs,
        ],
      },
    },
    code: 'BAD_FIELD',
    says: /partition "boot" of image "test-image": nothing in \/boot of the image matches "\*.dtb", "MLO", "fw\/\*\*"/,
    at: rootfs.at,
  },
  {
    name: 'an overlay through a link of the image',
    overlay: { 'bin/tool': 'x' },
    code: 'BAD_FIELD',
    says: /overlay\/bin\/tool: \/bin is a link to "usr\/bin"/,
    at,
  },
  {
    name: 'an overlay in place of a folder',
    overlay: { 'usr/share': 'x' },
    code: 'BAD_FIELD',
    says: /overlay\/usr\/share would replace the folder/,
    at,
  },
  {
    name: 'an overlay under a file',
    overlay: { 'etc/debian_version/x': 'x' },
    code: 'BAD_FIELD',
    says: /debian_version is no folder/,
    at,
  },
  {
    name: 'a service that nothing brings',
    making: { image: { services: ['apq'] } },
    code: 'BAD_FIELD',
    says: /nothing in the image brings apq\.service/,
    at,
  },
  {
    name: 'a time zone that does not exist',
    making: { image: { timezone: 'Europe/Brelin' } },
    code: 'BAD_FIELD',
    says: /timezone "Europe\/Brelin"/,
    at,
  },
  {
    name: 'a shell that is not there',
    making: {
      image: {
        users: [{ name: 'dev', groups: [], shell: '/bin/zsh', home: '/home/dev', password: '', authorizedKeys: [] }],
      },
    },
    code: 'BAD_FIELD',
    says: /the image has no \/bin\/zsh/,
    at,
  },
] as const
for (const row of refusals) {
  test(`refused: ${row.name}`, { skip }, async (t) => {
    const folder = await scratch(t)
    const making: Making = 'making' in row ? row.making : { image: { overlays: [{ module: '', path: 'overlay' }] } }
    for (const [path, content] of Object.entries('overlay' in row ? row.overlay : {})) {
      await mkdir(join(folder, 'overlay', path, '..'), { recursive: true })
      await writeFile(join(folder, 'overlay', path), content)
    }
    await assert.rejects(make(folder, { ...making, packages: await bare() }), (failure) => {
      assert.ok(failure instanceof YoeError, String(failure))
      assert.equal(failure.code, row.code)
      assert.match(failure.message, row.says)
      assert.deepEqual(failure.at, row.at)
      return true
    })
    if (existsSync(join(folder, 'out'))) assert.deepEqual(await readdir(join(folder, 'out')), [])
  })
}

/** Feed packages alone: their layer is there already. */
const bare = (): Promise<readonly RepositoryEntry[]> => trixie(smallRoots)

/** Makes an image in the folder that it is given, as a process that can be killed. */
const alone = `
import { make } from ${JSON.stringify(join(import.meta.dirname, 'making.ts'))}
await make(process.argv[1])
`

test('killed at any time: the next run makes what was never disturbed, and nothing of it stays', {
  skip,
}, async (t) => {
  const folder = await scratch(t)
  const calm = await scratch(t)
  const start = performance.now()
  const wanted = hashFileSync((await make(calm)).disk)
  const whole = performance.now() - start
  for (let kill = 1; kill <= 5; kill++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', alone, folder], { stdio: 'ignore' })
    const ended = once(child, 'exit')
    await Promise.race([ended, setTimeout((whole * kill) / 6)])
    child.kill('SIGKILL')
    await ended
  }
  const built = await make(folder)
  assert.equal(hashFileSync(built.disk), wanted)
  assert.deepEqual((await readdir(join(folder, 'out'))).sort(), ['boot', 'disk.img', 'image.json'])
})
