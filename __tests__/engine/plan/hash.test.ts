import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { scratch, type Texts, writeTexts } from '../../support/project.ts'
import { base, fakeFeed, packages, plan, planAt } from './fake-world.ts'

/** A project that uses every field which can decide about a result. */
const texts: Texts = {
  ...base,
  'units/u.star': `unit(name = "lib", version = "1.0", source = path("//lib"), tasks = [task("install", run = "make install")])
unit(
    name = "app", version = "2.0", release = 1, description = "An app", license = "MIT",
    source = path("//app"), patches = ["patches/fix.patch"], deps = ["lib", "zlib1g-dev"], runtime_deps = ["bash"],
    provides = ["apps"], replaces = ["oldapp"], conflicts = ["badapp"], services = ["app"], conffiles = ["/etc/app.conf"],
    environment = {"MODE": "fast"}, port = 1502,
    tasks = [
        task("fetch", run = "true", network = True),
        task("install", steps = ["make", install_template("app.conf", "$DESTDIR/etc/app.conf"), install_file("tool", "$DESTDIR/usr/bin/tool", 0o755)]),
    ],
)
unit(name = "got", version = "1", source = "https://a.org/got.tar.gz", sha256 = "${'1'.repeat(64)}", tasks = [task("t", run = "x")])
unit(name = "cloned", version = "1", source = "https://a.org/cloned.git", tag = "${'2'.repeat(40)}", tasks = [task("t", run = "x")])
unit(name = "board", version = "1", scope = "machine", tasks = [task("t", run = "x")])
`,
  'units/u/app.conf': 'port {{.port}}\n',
  'units/u/tool': '#!/bin/sh\n',
  'units/patches/fix.patch': 'a patch\n',
  'lib/lib.c': 'int one;\n',
  'app/app.c': 'int two;\n',
  'app/sub/more.c': '',
  'overlays/o/etc/motd': 'hello\n',
  'images/i.star': `image(
    name = "im", version = "1", artifacts = ["app", "got", "bash"], hostname = "host", timezone = "UTC", locale = "C.UTF-8",
    services = ["app"], users = [user(name = "op", uid = 1001)], overlays = ["//overlays/o"],
    tests = [test("works", run = "true")],
)
`,
}
const targets = ['im', 'cloned', 'board']

const ids = {
  lib: 'debian/lib.x86_64',
  app: 'debian/app.x86_64',
  got: 'debian/got.x86_64',
  cloned: 'debian/cloned.x86_64',
  board: 'debian/board.box',
  im: 'debian/im.box',
  toolchain: 'debian/toolchain-fake.x86_64',
  tools: 'debian/tools-fake.x86_64',
} as const
type Id = keyof typeof ids
const built: readonly Id[] = ['lib', 'app', 'got', 'cloned', 'board', 'im']

/** Replaces `from`, which must be there, in one file. */
const edit =
  (file: string, from: string, to: string): ((texts: Texts) => Texts) =>
  (before) => {
    const text = before[file] ?? ''
    assert.ok(text.includes(from), `${file} has no ${from}`)
    return { ...before, [file]: text.replace(from, to) }
  }
const units = (from: string, to: string): ((texts: Texts) => Texts) => edit('units/u.star', from, to)
const images = (from: string, to: string): ((texts: Texts) => Texts) => edit('images/i.star', from, to)
const machines = (from: string, to: string): ((texts: Texts) => Texts) => edit('machines/m.star', from, to)

interface Change {
  readonly texts?: (texts: Texts) => Texts
  readonly prepare?: (root: string) => void
  readonly feed?: readonly string[]
  /** Whose keys change; every other key stays. */
  readonly changes: readonly Id[]
}

const changes: Readonly<Record<string, Change>> = {
  // What a unit declares.
  'its version': { texts: units('"2.0"', '"2.1"'), changes: ['app', 'im'] },
  'its release': { texts: units('release = 1', 'release = 2'), changes: ['app', 'im'] },
  'its description': { texts: units('An app', 'The app'), changes: ['app', 'im'] },
  'its licence': { texts: units('"MIT"', '"BSD"'), changes: ['app', 'im'] },
  'a task': { texts: units('"make"', '"make all"'), changes: ['app', 'im'] },
  'the name of a task': { texts: units('task("install", steps', 'task("instal", steps'), changes: ['app', 'im'] },
  'the network of a task': { texts: units(', network = True', ''), changes: ['app', 'im'] },
  'a destination': { texts: units('$DESTDIR/etc/app.conf', '$DESTDIR/etc/b.conf'), changes: ['app', 'im'] },
  'a mode': { texts: units('0o755', '0o700'), changes: ['app', 'im'] },
  'a copy instead of a template': { texts: units('install_template', 'install_file'), changes: ['app', 'im'] },
  'the boundary between two steps': { texts: units('["make", ', '["mak", "e", '), changes: ['app', 'im'] },
  'its environment': { texts: units('fast', 'slow'), changes: ['app', 'im'] },
  'the name of a variable': { texts: units('"MODE"', '"MODUS"'), changes: ['app', 'im'] },
  'template context': { texts: units('1502', '1503'), changes: ['app', 'im'] },
  'the type of template context': { texts: units('1502', '"1502"'), changes: ['app', 'im'] },
  'the name of template context': { texts: units('port = ', 'prt = '), changes: ['app', 'im'] },
  'what it provides': { texts: units('["apps"]', '["apps2"]'), changes: ['app', 'im'] },
  'what it replaces': { texts: units('"oldapp"', '"olderapp"'), changes: ['app', 'im'] },
  'what it conflicts with': { texts: units('"badapp"', '"worseapp"'), changes: ['app', 'im'] },
  'its services': { texts: units('services = ["app"]', 'services = ["app2"]'), changes: ['app', 'im'] },
  'its configuration files': { texts: units('"/etc/app.conf"]', '"/etc/b.conf"]'), changes: ['app', 'im'] },
  'its scope': { texts: units('name = "lib", ', 'name = "lib", scope = "machine", '), changes: ['lib', 'app', 'im'] },
  // What it needs.
  'one dependency less, which nobody needs then': {
    texts: units('["lib", "zlib1g-dev"]', '["zlib1g-dev"]'),
    changes: ['lib', 'app', 'im'],
  },
  'one feed dependency less': { texts: units(', "zlib1g-dev"', ''), changes: ['app', 'im'] },
  'a run-time dependency': {
    texts: units('runtime_deps = ["bash"]', 'runtime_deps = ["make"]'),
    changes: ['app', 'im'],
  },
  'a dependency of a dependency': { texts: edit('lib/lib.c', 'one', 'uno'), changes: ['lib', 'app', 'im'] },
  'the version of a feed dependency': {
    feed: packages.map((line) => line.replace('zlib1g-dev 1.3', 'zlib1g-dev 1.4')),
    changes: ['app', 'im'],
  },
  'the version of a package of the toolchain': {
    feed: packages.map((line) => line.replace('make 4', 'make 5')),
    changes: ['toolchain', ...built],
  },
  'the version of a package of the tools': {
    feed: packages.map((line) => line.replace('mmdebstrap 1', 'mmdebstrap 2')),
    changes: ['tools', 'toolchain', ...built],
  },
  'one more package in the toolchain': {
    texts: edit('containers/c.star', '"gcc", ', '"gcc", "bash", '),
    changes: ['toolchain', ...built],
  },
  // What lies in its files.
  'a byte of its source': { texts: edit('app/app.c', 'two', 'twp'), changes: ['app', 'im'] },
  'one more file in its source': { texts: (before) => ({ ...before, 'app/new.c': '' }), changes: ['app', 'im'] },
  'a file of its source under another name': {
    texts: ({ 'app/sub/more.c': more = '', ...before }: Texts) => ({ ...before, 'app/sub/other.c': more }),
    changes: ['app', 'im'],
  },
  'an empty folder in its source': { prepare: (root) => mkdirSync(join(root, 'app/empty')), changes: ['app', 'im'] },
  'a link in its source': { prepare: (root) => symlinkSync('app.c', join(root, 'app/link')), changes: ['app', 'im'] },
  'the executable bit of a source file': {
    prepare: (root) => chmodSync(join(root, 'app/app.c'), 0o755),
    changes: ['app', 'im'],
  },
  'a byte of a patch': { texts: edit('units/patches/fix.patch', 'a patch', 'b patch'), changes: ['app', 'im'] },
  'a byte of a template': { texts: edit('units/u/app.conf', 'port', 'Port'), changes: ['app', 'im'] },
  'a byte of an installed file': { texts: edit('units/u/tool', 'sh', 'bash'), changes: ['app', 'im'] },
  'the digest of an archive': { texts: units('1'.repeat(64), '3'.repeat(64)), changes: ['got', 'im'] },
  'a commit': { texts: units('2'.repeat(40), '3'.repeat(40)), changes: ['cloned'] },
  // The image and its machine.
  'the version of an image': { texts: images('version = "1"', 'version = "2"'), changes: ['im'] },
  'the host name': { texts: images('"host"', '"guest"'), changes: ['im'] },
  'the time zone': { texts: images('"UTC"', '"Europe/Berlin"'), changes: ['im'] },
  'the locale': { texts: images('"C.UTF-8"', '"C"'), changes: ['im'] },
  'the services of an image': { texts: images('services = ["app"]', 'services = []'), changes: ['im'] },
  'a user': { texts: images('1001', '1002'), changes: ['im'] },
  'a byte of an overlay': { texts: edit('overlays/o/etc/motd', 'hello', 'hallo'), changes: ['im'] },
  'an artifact': { texts: images(', "bash"]', ', "bash", "make"]'), changes: ['im'] },
  'the size of a partition': { texts: machines('"1G"', '"2G"'), changes: ['im', 'board'] },
  "the kernel's command line, which boot loaders and templates hold": {
    texts: machines('"quiet"', '"debug"'),
    changes: ['im', 'board'],
  },
  'the kernel': { texts: machines('unit = "linux-image"', 'unit = "bash"'), changes: ['im'] },
  'the version of a package of the image': {
    feed: packages.map((line) => line.replace('bash 5', 'bash 6')),
    changes: ['im'],
  },
  'the version of the project, which templates hold': {
    texts: edit('PROJECT.star', 'name = "demo"', 'name = "demo", version = "9"'),
    changes: ['app', 'im'],
  },
  'the name of the project, which packages and templates hold': {
    texts: edit('PROJECT.star', '"demo"', '"other"'),
    changes: built,
  },
  // What changes nothing.
  'a comment': {
    texts: (before) => ({ ...before, 'units/u.star': `# nothing\n\n${before['units/u.star']}` }),
    changes: [],
  },
  'the order of dependencies': { texts: units('["lib", "zlib1g-dev"]', '["zlib1g-dev", "lib"]'), changes: [] },
  'the order of variables': { texts: units('{"MODE": "fast"}', '{"MODE": "fast"} | {}'), changes: [] },
  'another unit': {
    texts: (before) => ({ ...before, 'units/v.star': 'unit(name = "bystander", version = "1")\n' }),
    changes: [],
  },
  'where declarations stand': {
    texts: ({ 'units/u.star': text = '', ...before }) => ({
      ...before,
      'units/u.star': `${text.split('\n').slice(1).join('\n')}\n${text.split('\n')[0]}\n`,
    }),
    changes: [],
  },
  'who serves an archive': {
    texts: units('"https://a.org/got.tar.gz"', '["https://b.org/got.tar.gz", "https://a.org/x.tar.gz"]'),
    changes: [],
  },
  'who serves a repository': { texts: units('https://a.org/cloned.git', 'https://b.org/cloned.git'), changes: [] },
  'the checks of an image': { texts: images('run = "true"', 'run = "false"'), changes: [] },
  'what a guest gets from QEMU': {
    texts: machines('arch = "x86_64"', 'arch = "x86_64", qemu = qemu_config(machine = "q35", memory = "2G")'),
    changes: [],
  },
  'descriptions of machines': {
    texts: machines('arch = "x86_64"', 'arch = "x86_64", description = "A box"'),
    changes: [],
  },
  'the default image': { texts: edit('PROJECT.star', 'machine = "box"', 'machine = "box", image = "im"'), changes: [] },
  'times of files': { prepare: (root) => utimesSync(join(root, 'app/app.c'), 1, 1), changes: [] },
  'modes that are not the executable bit': {
    prepare: (root) => chmodSync(join(root, 'app/app.c'), 0o600),
    changes: [],
  },
  'what git keeps in a source': {
    prepare: (root) => {
      mkdirSync(join(root, 'app/.git'))
      writeFileSync(join(root, 'app/.git/HEAD'), 'x')
    },
    changes: [],
  },
  'packages of the feed that nothing needs': { feed: [...packages, 'unrelated 1'], changes: [] },
}

const golden = {
  'debian/app.x86_64': 'f5e70172df6509f66cadc1ed8404e66ec71e0695eb2d36b12602f4c7d2c6cc98',
  'debian/board.box': 'ecdc303014b79e85bd676b7b318187078818425c6c87455d85ee95b7938ab4d5',
  'debian/cloned.x86_64': '3716c0854bfecf40f4579c4a5647c66d7af69e8a01dccf77778337f5596dac3a',
  'debian/got.x86_64': '7c17af7e803a9282c6fac7bac57ab4776006dae89fa6307f89f2eb458ad8b257',
  'debian/im.box': '5789ba2006f818ae88ac7c5cb15b647ef94014c21d0f2a33d4578c41a7475f65',
  'debian/lib.x86_64': '10f627eccf56cee17941fc4a0431453fc8390c631ba55434b77229f50b7503fa',
  'debian/toolchain-fake.x86_64': '93686f0806bd974f1fb097ee55031a97fa1328ab4901ccad9c8fb41506b67e58',
  'debian/tools-fake.x86_64': '25e2964ea5cdfc66374b1acc5b301a2741d0164344e7fb7fb4c39c442fc97c8f',
}

const same = (before: Texts): Texts => before

const unchanged = plan(texts, targets)

for (const [what, { texts: change = same, prepare, feed, changes: expected }] of Object.entries(changes)) {
  test(`${expected.length === 0 ? 'no key depends on' : `${expected.join(', ')} ${expected.length === 1 ? 'depends' : 'depend'} on`} ${what}`, async () => {
    const before = (await unchanged).hashes
    const after = (
      await plan(change(texts), targets, {
        ...(prepare === undefined ? {} : { prepare }),
        ...(feed === undefined ? {} : { feed: fakeFeed(feed) }),
      })
    ).hashes
    const name = (id: string): string => Object.entries(ids).find(([, known]) => known === id)?.[0] ?? id
    // A unit of another scope has another name for its folder.
    const changed = Object.entries(before)
      .filter(([id, hash]) => after[id] !== hash)
      .map(([id]) => name(id))
    assert.deepEqual(changed.sort(), [...expected].sort())
  })
}

test('keys do not depend on where the project lies, who asks, when, where and in which language', async (t) => {
  const { hashes } = await unchanged
  const folder = scratch(t)
  for (const place of ['a', 'b/deeper/päth with spaces']) {
    writeTexts(join(folder, place), texts)
    assert.deepEqual((await planAt(join(folder, place), targets)).hashes, hashes)
  }
  const { TZ, LANG, USER } = process.env
  const [cwd, umask] = [process.cwd(), process.umask(0o077)]
  try {
    Object.assign(process.env, { TZ: 'Asia/Kathmandu', LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8', USER: 'somebody' })
    process.chdir('/')
    t.mock.timers.enable({ apis: ['Date'], now: 4_000_000_000_000 })
    writeTexts(join(folder, 'c'), texts)
    assert.deepEqual((await planAt(join(folder, 'c'), targets)).hashes, hashes)
  } finally {
    t.mock.timers.reset()
    process.chdir(cwd)
    process.umask(umask)
    for (const [name, value] of Object.entries({ TZ, LANG, LC_ALL: undefined, USER })) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
})

test('the order in which things are asked for changes no key', async () => {
  const { hashes } = await unchanged
  assert.deepEqual((await plan(texts, targets.toReversed())).hashes, hashes)
})

test('documents hold no path of this machine', async (t) => {
  const root = join(scratch(t), 'project')
  writeTexts(root, texts)
  const { keys } = await planAt(root, targets)
  for (const { inputs } of keys.values()) assert.ok(!JSON.stringify(inputs).includes(root))
})

test('keys are what they were: who changes them on purpose raises engineRevision', async () => {
  const { hashes } = await unchanged
  assert.deepEqual(hashes, golden)
})
