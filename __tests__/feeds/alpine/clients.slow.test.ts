/**
 * Packages of ours in systems that Alpine's own apk 2.14.4 and 3.0.8 install and update: triggers, what joins others, scripts,
 * configuration, priorities, modes and capabilities. Our own solver says the same, and an image holds the same.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { before, type TestContext, test } from 'node:test'
import { universe } from '#engine/catalog/universe.ts'
import type { PackedPackage, SigningKey } from '#engine/formats.ts'
import type { PackageUnit } from '#engine/project/model.ts'
import { readTar } from '../../../src/engine/image/tar-read.ts'
import { readZstd } from '../../../src/engine/image/zstd.ts'
import { resolveAlpineClosure } from '../../../src/feeds/alpine/closure.ts'
import { describeApk } from '../../../src/feeds/alpine/describe.ts'
import { openAlpineFeed } from '../../../src/feeds/alpine/feed.ts'
import { publishRepository } from '../../../src/feeds/alpine/repository.ts'
import { alpineVersions } from '../../../src/feeds/alpine/version.ts'
import { generateRsaKey } from '../../../src/feeds/keys/rsa.ts'
import { apk2, apk3 } from '../../support/alpine/apk.ts'
import { replica, testKeyFolder } from '../../support/alpine/replica.ts'
import { type Files, scratch } from '../../support/making.ts'
import { feedScene } from './feed-making.ts'
import { keysFolder, packed, publishInput } from './making.ts'
import { branchClosure, entryOf, install as installImage, toolsRoot, worker } from './roots.ts'

let key: SigningKey
before(async () => {
  key = await generateRsaKey('demo')
})

const releases = [
  { branch: 'v3.20', apk: apk2 },
  { branch: 'v3.23', apk: apk3 },
] as const

interface Own extends Partial<PackageUnit> {
  readonly files?: Files
}

/** The packages of these units. */
async function packages(folder: string, units: Readonly<Record<string, Own>>): Promise<readonly PackedPackage[]> {
  const all: PackedPackage[] = []
  for (const [name, { files = { [`usr/share/${name}/file`]: name }, ...unit }] of Object.entries(units))
    all.push(...(await packed(folder, files, { name, qaSkip: { license: 'a test' }, ...unit })))
  return all
}

/** An empty system of a release, its client, and a repository of ours. */
async function system(t: TestContext, { branch, apk }: (typeof releases)[number]) {
  const folder = await scratch(t)
  const [root, repository] = [join(folder, 'root'), join(folder, 'repo')]
  await mkdir(root)
  const keys = await keysFolder(folder, key)
  const theirs = await testKeyFolder()
  for (const name of readdirSync(theirs)) copyFileSync(join(theirs, name), join(keys, name))
  const options = { root, keys, repositories: [await replica(branch, 'x86_64'), repository] }
  /** @returns all that apk said */
  const run = async (...args: readonly string[]): Promise<string> => {
    const ran = await apk(['--no-cache', ...args], options)
    assert.equal(ran.code, 0, `${branch}: apk ${args.join(' ')}\n${ran.stdout}${ran.stderr}`)
    return ran.stdout + ran.stderr
  }
  const publish = async (units: Readonly<Record<string, Own>>): Promise<void> => {
    const made = await packages(await mkdtemp(join(folder, 'units-')), units)
    await publishRepository(publishInput(repository, key, made))
    const files = made.map(({ record }) => join(repository, 'x86_64', `${record.name}-${record.version}.apk`))
    const verified = await apk(['verify', ...files], { keys, reads: [repository] })
    assert.equal(verified.code, 0, verified.stdout + verified.stderr)
  }
  await publish({ none: {} })
  await run('add', '--initdb', 'alpine-baselayout', 'busybox', 'busybox-binsh')
  return {
    ...{ folder, root, repository, run, publish },
    read: (path: string): string => (existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : ''),
    audit: async (what = '--system'): Promise<string> => (await apk(['audit', what], options)).stdout.trim(),
    installed: async (): Promise<readonly string[]> =>
      (await run('list', '--installed')).split('\n').flatMap((line) => /^(\S+) /.exec(line)?.[1] ?? []),
  }
}

const log = (what: string): string => `#!/bin/sh\nmkdir -p /var/lib/told\necho ${what} "$@" >>/var/lib/told/log\n`

for (const release of releases) {
  const { branch } = release

  test(`${branch}: triggers are told the folders that changed, and what joins others comes and goes with them`, async (t) => {
    const { run, publish, read, audit, installed, root } = await system(t, release)
    await publish({
      watcher: {
        extra: { apk_triggers: ['/usr/share/plug', '/usr/lib/plug*'], apk_scripts: { trigger: log('trigger') } },
      },
      one: { files: { 'usr/share/plug/one': '1' } },
      two: { files: { 'usr/lib/plug-two/two': '2' } },
      three: { files: { 'usr/share/other': '3' } },
      app: {},
      docs: {},
      'app-doc': { extra: { apk_install_if: ['app=1.0-r0', 'docs'] } },
    })
    const told = (): readonly string[] => read('var/lib/told/log').trim().split('\n').slice(-1)
    await run('add', 'watcher')
    await run('add', 'one')
    assert.deepEqual(told(), ['trigger /usr/share/plug'])
    await run('add', 'two', 'three')
    assert.deepEqual(told(), ['trigger /usr/lib/plug-two'])
    await run('del', 'one')
    assert.match(told().join(), /^trigger \/usr\/share\/plug/)
    writeFileSync(join(root, 'var/lib/told/log'), '')
    await run('add', 'app')
    assert.deepEqual([told(), (await installed()).some((name) => name.startsWith('app-doc'))], [[''], false])
    await run('add', 'docs')
    assert.ok((await installed()).includes('app-doc-1.0-r0'))
    await run('del', 'docs')
    assert.ok(!(await installed()).includes('app-doc-1.0-r0'))
    assert.equal(await audit(), '')
  })

  test(`${branch}: upgrade, downgrade and removal run their scripts; configuration that somebody changed stays`, async (t) => {
    const { run, publish, read, audit, root } = await system(t, release)
    const names = ['pre-install', 'post-install', 'pre-upgrade', 'post-upgrade', 'pre-deinstall', 'post-deinstall']
    const app = (version: string): Own => ({
      version,
      files: {
        'etc/app/changed.conf': `a=${version}\n`,
        'etc/app/same.conf': `b=${version}\n`,
        [`usr/share/app/${version}`]: '',
      },
      extra: { apk_scripts: Object.fromEntries(names.map((name) => [name, log(name)])) },
    })
    await publish({ app: app('1.0') })
    await publish({ app: app('2.0') })
    const told = (): readonly string[] => {
      const lines = read('var/lib/told/log').trim().split('\n')
      writeFileSync(join(root, 'var/lib/told/log'), '')
      return lines
    }
    await run('add', 'app=1.0-r0')
    assert.deepEqual(told(), ['pre-install 1.0-r0', 'post-install 1.0-r0'])
    assert.equal(await audit(), '')
    writeFileSync(join(root, 'etc/app/changed.conf'), 'a=mine\n')
    await run('add', 'app')
    await run('upgrade')
    assert.deepEqual(told(), ['pre-upgrade 2.0-r0 1.0-r0', 'post-upgrade 2.0-r0 1.0-r0'])
    assert.deepEqual(
      ['changed.conf', 'changed.conf.apk-new', 'same.conf'].map((name) => read(`etc/app/${name}`)),
      ['a=mine\n', 'a=2.0\n', 'b=2.0\n'],
    )
    assert.deepEqual(
      [existsSync(join(root, 'usr/share/app/1.0')), existsSync(join(root, 'usr/share/app/2.0'))],
      [false, true],
    )
    assert.equal(await audit(), '')
    const changed = (await audit('--backup')).match(/^.*etc\/app\/.*$/gm)
    assert.deepEqual(changed, ['U etc/app/changed.conf'])
    await run('add', 'app=1.0-r0')
    assert.deepEqual(told(), ['pre-upgrade 1.0-r0 2.0-r0', 'post-upgrade 1.0-r0 2.0-r0'])
    assert.ok(existsSync(join(root, 'usr/share/app/1.0')))
    await run('del', 'app')
    assert.deepEqual(told(), ['pre-deinstall 1.0-r0', 'post-deinstall 1.0-r0'])
    assert.ok(!existsSync(join(root, 'usr/share/app')))
  })

  test(`${branch}: of several that provide a name, and of two with one file, those win that say so; our closure agrees`, async (t) => {
    const { folder, repository, run, publish, read, installed, audit } = await system(t, release)
    const mta = (priority: number): Own => ({ provides: [{ name: 'mta' }], extra: { apk_provider_priority: priority } })
    const tool = (priority: number, others: readonly string[]): Own => ({
      files: { 'usr/bin/tool': `of ${priority}\n` },
      replaces: others.map((name) => ({ name })),
      extra: { apk_replaces_priority: priority },
    })
    await publish({
      'mail-a': mta(10),
      'mail-b': mta(30),
      'mail-c': mta(20),
      tool20: tool(20, ['tool10']),
      tool10: tool(10, ['tool20']),
    })
    await run('add', 'mta')
    const chosen = (await installed()).filter((name) => name.startsWith('mail-'))
    assert.deepEqual(chosen, ['mail-b-1.0-r0'])
    await run('add', 'tool20')
    await run('add', 'tool10')
    assert.equal(read('usr/bin/tool'), 'of 20\n')
    await run('del', 'tool20', 'tool10')
    await run('add', 'tool10')
    await run('add', 'tool20')
    assert.equal(read('usr/bin/tool'), 'of 20\n')
    assert.equal(await audit(), '')

    const scene = await feedScene(t)
    for (const name of readdirSync(join(folder, 'keys')))
      copyFileSync(join(folder, 'keys', name), join(scene.module, 'keys', name))
    await mkdir(join(scene.mirror, 'v3.19'), { recursive: true })
    execFileSync('cp', ['-r', repository, join(scene.mirror, 'v3.19/main')])
    const feed = await openAlpineFeed(scene.declaration({ keys: ['keys/demo.rsa.pub'] }), scene.environment())
    const roots = [{ dependency: [{ name: 'mta' }], by: 'the test' }]
    const ours = resolveAlpineClosure({ ...universe([feed], []), versions: alpineVersions, arch: 'x86_64', roots })
    assert.deepEqual(
      ours.packages.map(({ name, version }) => `${name}-${version}`),
      chosen,
    )
  })

  test(`${branch}: modes, owners and capabilities are so in a system and in an image`, async (t) => {
    const { folder, root, run, publish, audit } = await system(t, release)
    const perm: Own = {
      files: {
        'usr/bin/perm-su': '#!/bin/sh\n',
        'usr/bin/perm-ping': '#!/bin/sh\n',
        'var/lib/perm/x': '',
        'var/spool/perm/x': '',
        'usr/lib/sysusers.d/perm.conf': 'u perm 450 "Perm" /\n',
      },
      permissions: {
        '/usr/bin/perm-su': { mode: 0o4755 },
        '/usr/bin/perm-ping': { mode: 0o755, capabilities: 'cap_net_raw+ep' },
        '/var/lib/perm': { mode: 0o2750, owner: { user: 'perm', group: 'perm' } },
        '/var/spool/perm': { mode: 0o2775, owner: { user: 'root', group: 'mail' } },
      },
    }
    await publish({ perm })
    await run('add', 'perm')
    const facts = (path: string): string => {
      const { mode, uid, gid } = statSync(join(root, path))
      return `${(mode & 0o7777).toString(8)} ${uid}:${gid}`
    }
    const wanted: Readonly<Record<string, string>> = {
      'usr/bin/perm-su': '4755 0:0',
      'usr/bin/perm-ping': '755 0:0',
      'var/lib/perm': '2750 450:450',
      'var/spool/perm': '2775 0:12',
    }
    // A plain user's ids are others outside.
    if (process.getuid?.() === 0)
      for (const [path, said] of Object.entries(wanted)) assert.equal(facts(path), said, path)
    assert.equal(await audit(), '')

    const usable = await worker.probe()
    if (!usable.ok) return t.skip(usable.reason)
    const [own] = await packages(await mkdtemp(join(folder, 'image-')), { perm })
    assert.ok(own)
    const output = join(folder, 'root.tar.zst')
    const base = await branchClosure(branch, ['alpine-baselayout', 'busybox', 'busybox-binsh', 'apk-tools'])
    await installImage(output, [...base, await entryOf(own.path, 'unit')], { tools: await toolsRoot(branch) })
    const found: Record<string, string> = {}
    for await (const { entry } of readTar(readZstd(output), output)) {
      const { path, mode, uid, gid, xattrs } = entry
      if (!(path in wanted)) continue
      found[path] = `${mode.toString(8)} ${uid}:${gid}`
      // struct vfs_cap_data, version 2 with the effective bit: CAP_NET_RAW is 13; no id of the build's namespace.
      const capabilities = xattrs.get('security.capability')?.toString('hex')
      const said = path.endsWith('ping') ? '0100000200200000000000000000000000000000' : undefined
      assert.equal(capabilities, said, path)
    }
    assert.deepEqual(found, wanted)
    assert.equal((await describeApk(own.path, undefined)).name, 'perm')
  })
}
