/**
 * A machine without any network: no interface is up in its name space, its home and its cache are empty, and what the
 * project was made from is gone. It has a checkout of the project, and a bundle.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { DirectoryStore } from '#engine/store/remotes/dir.ts'
import { generateCacheKey } from '#engine/store/signing.ts'
import type { Moved } from '#toolkit/cache/transfer.ts'
import { TestRepository } from '../support/git.ts'
import { projectIn, scratch, writeTexts } from '../support/project.ts'
import { faultsOf } from '../support/schema.ts'
import { sharedCache } from '../support/shared-cache.ts'

const pair = generateCacheKey()
const version = `1.${Date.now()}.${process.pid}`
const oid = 'd10b4c3ff123b26dc068d43a8bef2d23e8a1a3b15d7bf5a5c3f5fd8a6f1e3a5a'

/** What starts a command in a network name space of its own, as who runs this; undefined where nobody may make one. */
function airGap(): readonly string[] | undefined {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0]
  if (uid === 0) return ['unshare', '--net']
  if (spawnSync('sudo', ['-n', 'true']).status !== 0) return undefined
  const back = ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--init-groups', 'env', `PATH=${process.env['PATH']}`]
  return ['sudo', '-n', '-E', 'unshare', '--net', ...back]
}
const gap = airGap() ?? []
const skip = gap.length === 0 && 'only root, or sudo that does not ask, can take the network away'

/** A module, a repository with a submodule and a large file, an archive. */
function upstreams(folder: string) {
  const words = new TestRepository(join(folder, 'words'), { 'words.txt': `words of ${version}\n` })
  const content = `large of ${version}\n`
  const digest = execFileSync('sha256sum', { input: content, encoding: 'utf8' }).slice(0, 64)
  const app = new TestRepository(join(folder, 'app'), { 'app.txt': 'before\n' })
  app.git('submodule', '--quiet', 'add', words.url, 'words')
  app.commit({
    '.gitattributes': 'big/** filter=lfs -text\n',
    'app.txt': `app ${version}\n`,
    'big/file': `version https://git-lfs.github.com/spec/v1\noid sha256:${digest}\nsize ${content.length}\n`,
  })
  app.tag('v1')
  writeTexts(join(folder, 'app/.git/lfs/objects', digest.slice(0, 2), digest.slice(2, 4)), { [digest]: content })
  const bsp = new TestRepository(join(folder, 'bsp'), {
    'MODULE.star': 'module_info(name = "bsp")\n',
    'units/board.star': unit('board', '', 'mkdir -p $DESTDIR/etc; echo board >$DESTDIR/etc/board-name'),
  })
  bsp.tag('v1')
  writeTexts(join(folder, 'lib-1.0'), { 'lib.txt': `lib ${version}\n` })
  const archive = join(folder, 'lib-1.0.tar.gz')
  execFileSync('tar', ['-C', folder, '-czf', archive, 'lib-1.0'])
  const sha256 = execFileSync('sha256sum', [archive], { encoding: 'utf8' }).slice(0, 64)
  return { app, bsp, archive: pathToFileURL(archive).href, sha256 }
}

const unit = (name: string, more: string, build: string): string => `unit(
    name = "${name}", version = "${version}", license = "MIT", scope = "noarch", container = "plain"${more},
    qa_skip = {"license": "made for a test"},
    build = ["${build}"],
)
`

function projectOf({ app, bsp, archive, sha256 }: ReturnType<typeof upstreams>) {
  const share = (name: string, what: string): string =>
    `mkdir -p $DESTDIR/usr/share/${name}; cp ${what} $DESTDIR/usr/share/${name}`
  return {
    'PROJECT.star': `project(
    name = "demo",
    version = "1.0",
    defaults = defaults(machine = "qemu-x86_64", distro = "debian", image = "small"),
    modules = [
        module("yoe:module-debian"),
        module("yoe:module-core"),
        module("${bsp.url}", ref = "v1"),
    ],
    cache = cache(signing = "${pair.publicKey}"),
)
`,
    'containers/plain.star':
      'container(name = "plain", distro = "debian", packages = ["bash", "coreutils", "dpkg", "tar"])\n',
    'units/u.star':
      unit('lib', `, source = "${archive}", sha256 = "${sha256}"`, share('lib', 'lib.txt')) +
      unit(
        'app',
        `, source = "${app.url}", tag = "v1", deps = ["lib"], runtime_deps = ["lib", "board"]`,
        share('app', 'app.txt words/words.txt big/file'),
      ),
    'images/small.star': 'image(name = "small", artifacts = ["app"])\n',
  }
}

interface Built {
  readonly units: readonly { readonly unit: string; readonly outcome: string }[]
  readonly outputs: readonly { readonly path: string }[]
}

test('a machine without a network builds from a bundle: as it is, and with a change', { skip }, async (t) => {
  const folder = scratch(t)
  const sources = join(folder, 'upstream')
  const texts = projectOf(upstreams(sources))
  const office = projectIn(join(folder, 'office'), join(folder, 'office-home'), sharedCache())
  office.write(texts)
  const bundle = join(folder, 'small.bundle')
  const signing = { env: { YOE_CACHE_SIGNING_KEY: pair.privateKey } }
  const exported = await office.yoe(['bundle', 'export', '--out', bundle, '--json'], signing)
  assert.equal(exported.code, 0, exported.stderr)
  const said = JSON.parse(exported.stdout)
  assert.deepEqual(faultsOf('bundle', said), [])
  const kinds = (kind: string): readonly string[] =>
    said.parts.filter((part: { kind: string }) => part.kind === kind).map((part: { title: string }) => part.title)
  assert.deepEqual(kinds('archive'), ['lib-1.0.tar.gz'])
  assert.equal(kinds('git').length, 2, 'a repository and its submodule')
  assert.equal(kinds('lfs').length, 1)
  assert.equal(kinds('module').length, 1)
  assert.deepEqual(
    ['app', 'board', 'lib', 'plain', 'small', 'tools-debian'].filter((name) => !kinds('result').includes(name)),
    [],
  )
  assert.deepEqual(kinds('layer'), ['feed packages of small'])
  assert.ok(kinds('package').length > 90 && kinds('feed').length > 0)

  const secret = pair.privateKey.slice('ed25519-private:'.length)
  assert.equal(spawnSync('grep', ['-qaF', secret, bundle]).status, 1, 'the key that signed it is not in it')
  assert.equal((await office.yoe(['dev', 'app'])).code, 0)
  const edited = await office.yoe(['bundle', 'export', '--out', join(folder, 'edited.bundle')], signing)
  assert.match(
    edited.stderr,
    /^error\[SOURCE_STATE\]: units\/u\.star:\d+: app is built from its work tree, which no bundle/,
  )

  // The world ends.
  renameSync(sources, join(folder, 'gone'))
  const root = join(folder, 'site')
  const site = projectIn(root, join(folder, 'site-home'))
  mkdirSync(root)
  for (const name of ['PROJECT.star', 'yoe.lock', 'containers', 'units', 'images'])
    cpSync(join(office.root, name), join(root, name), { recursive: true })
  const yoe = (...args: readonly string[]) => site.yoe(args, { through: gap })

  const links = execFileSync(gap[0] ?? '', [...gap.slice(1), 'cat', '/proc/net/dev'], { encoding: 'utf8' })
  assert.deepEqual(
    [...links.matchAll(/^ *(\w+):/gm)].map(([, name]) => name),
    ['lo'],
  )
  const without = await yoe('build')
  assert.equal(without.code, 1, 'the control: without the bundle it does not build')
  assert.match(without.stderr, /^error\[FETCH_FAILED\]: yoe\.lock:\d+: module "bsp": /)

  const cut = join(folder, 'cut.bundle')
  cpSync(bundle, cut)
  truncateSync(cut, statSync(cut).size - 1)
  assert.match((await yoe('bundle', 'import', cut)).stderr, /^error\[BUNDLE_INVALID\]: .* 1 bytes are missing/)
  const started = site.start(['bundle', 'import', bundle], { through: gap })
  const objects = join(root, 'cache/objects')
  while (started.child.exitCode === null && (!existsSync(objects) || readdirSync(objects).length < 20))
    await setTimeout(10)
  if (started.child.pid !== undefined) process.kill(-started.child.pid, 'SIGKILL')
  await started.ended
  assert.deepEqual(readdirSync(join(root, 'cache/units')), [], 'killed in the middle: nothing counts')
  const imported = await yoe('bundle', 'import', bundle, '--json')
  assert.equal(imported.code, 0, imported.stderr)
  const taken = JSON.parse(imported.stdout)
  assert.deepEqual(faultsOf('bundle', taken), [])
  assert.equal(taken.results, kinds('result').length + 1, 'and the layer')
  assert.ok(taken.objects < said.objects - 19, 'it goes on where it was')
  assert.deepEqual(
    taken.fits.map((fit: { here: number; needed: number }) => fit.here === fit.needed),
    [true],
  )

  const build = async (...args: readonly string[]): Promise<ReadonlyMap<string, string>> => {
    const { code, stdout, stderr } = await yoe('build', '--json', ...args)
    assert.equal(code, 0, stderr)
    const { units, outputs }: Built = JSON.parse(stdout)
    for (const { path } of outputs) statSync(resolve(root, path))
    return new Map(units.map((each) => [each.unit, each.outcome]))
  }
  const first = await build('--offline')
  assert.deepEqual([...new Set(first.values())], ['cached'])

  await t.test('whoever has imported it can export it again: the same bytes', async () => {
    const again = await site.yoe(['bundle', 'export', '--out', '../again.bundle', '--offline'], {
      through: gap,
      ...signing,
    })
    assert.equal(again.code, 0, again.stderr)
    execFileSync('cmp', [bundle, join(folder, 'again.bundle')])
  })

  await t.test('a shared cache gets the layer too, and who lacks the image begins with it', async () => {
    const shared = join(folder, 'shared')
    const ask = async (verb: string): Promise<readonly Moved[]> =>
      JSON.parse(
        (
          await site.yoe(['cache', verb, '--remote-cache', pathToFileURL(shared).href, '--json'], {
            through: gap,
            ...signing,
          })
        ).stdout,
      )
    const sent = await ask('push')
    assert.deepEqual(new Set(sent.map(({ outcome }) => outcome)), new Set(['saved']))
    const layer = 'feed packages of small'
    const hashOf = (name: string): string => sent.find(({ unit }) => unit === name)?.hash ?? ''
    const [image, base] = [hashOf('small'), hashOf(layer)]
    await new DirectoryStore(shared).delete(`units/x86_64/${image}`)
    for (const hash of [image, base]) rmSync(join(root, `cache/units/x86_64/${hash}.json`))
    const came = await ask('pull')
    assert.deepEqual(
      came.filter(({ outcome }) => outcome !== 'here').map(({ unit, outcome, hash }) => [unit, outcome, hash]),
      [
        ['small', 'missing', image],
        [layer, 'restored', base],
      ],
    )
  })

  await t.test('one unit is changed: it and the image are built', async () => {
    const path = join(root, 'units/u.star')
    const text = readFileSync(path, 'utf8')
    writeFileSync(
      path,
      text.replace('/usr/share/app; cp', '/usr/share/app; echo changed >$DESTDIR/usr/share/app/new; cp'),
    )
    const events = join(folder, 'events')
    const outcomes = await build('--events', events)
    const steps = readFileSync(events, 'utf8')
    assert.match(steps, /"layer: project packages"/)
    assert.doesNotMatch(steps, /"layer: feed packages"/, 'that one was in the bundle')
    const built = [...outcomes].filter(([, outcome]) => outcome === 'built').map(([name]) => name)
    assert.deepEqual(built.toSorted(), ['app', 'small'])
    const { outputs }: Built = JSON.parse((await yoe('build', 'app', '--json')).stdout)
    const deb = resolve(root, outputs[0]?.path ?? '')
    const tar = execFileSync('dpkg-deb', ['--fsys-tarfile', deb])
    const file = (name: string): string =>
      execFileSync('tar', ['-xO', `./usr/share/app/${name}`], { input: tar, encoding: 'utf8' })
    assert.equal(file('new'), 'changed\n')
    assert.equal(file('words.txt'), `words of ${version}\n`, 'of the submodule')
    assert.equal(file('file'), `large of ${version}\n`, 'of Git LFS')
  })

  await t.test('what the bundle does not have is named', async () => {
    writeTexts(root, {
      'units/more.star': unit('more', `, source = "https://example.invalid/more-2.tar.gz", sha256 = "${oid}"`, 'true'),
    })
    const offline = await yoe('build', 'more', '--offline')
    assert.equal(offline.code, 1)
    assert.match(offline.stderr, /more-2\.tar\.gz/)
    assert.match(offline.stderr, /offline/)
    const online = await yoe('build', 'more')
    assert.equal(online.code, 1)
    assert.match(online.stderr, /^error\[FETCH_FAILED\]: units\/more\.star:\d+: /m)
  })
})
