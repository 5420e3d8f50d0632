/** One unit, several packages: built in the real sandbox, used by another unit, installed in part, published as a whole. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { before, type TestContext, test } from 'node:test'
import { crc32 } from 'node:zlib'
import { debianProject, type Ran, scratch, type TestProject, type Texts, testProject } from '../support/project.ts'
import { sharedCache } from '../support/shared-cache.ts'

const cache = sharedCache()

const greet = `unit(
    name = "greet",
    version = "1.2",
    description = "Greets",
    license = "MIT",
    source = path("//greet"),
    subpackages = ["dev", "dbg"],
    extra_subpackages = {"server": files("/usr/sbin/*", "/etc/greet.conf", "/usr/lib/systemd/**")},
    services = ["greetd"],
    conffiles = ["/etc/greet.conf"],
    tasks = [
        task("build", steps = [
            "gcc $CFLAGS -shared -fPIC -Wl,-soname,libgreet.so.1 -o libgreet.so.1.2 greet.c $LDFLAGS",
            "ln -s libgreet.so.1.2 libgreet.so.1",
            "gcc $CFLAGS -o greetd greetd.c ./libgreet.so.1",
            "gcc $CFLAGS -Wl,--build-id=none -o plain greetd.c ./libgreet.so.1",
        ]),
        task("install", steps = [
            "install -D -m 444 -t $DESTDIR/usr/lib libgreet.so.1.2",
            "cp -P libgreet.so.1 $DESTDIR/usr/lib/",
            "ln -s libgreet.so.1 $DESTDIR/usr/lib/libgreet.so",
            "install -D -m 644 -t $DESTDIR/usr/include greet.h",
            "install -D -t $DESTDIR/usr/sbin greetd",
            "install -D -t $DESTDIR/usr/libexec plain",
            "ln $DESTDIR/usr/sbin/greetd $DESTDIR/usr/sbin/greetd-again",
            "install -D -m 644 -t $DESTDIR/etc greet.conf",
            "install -D -m 644 -t $DESTDIR/usr/lib/systemd/system greetd.service",
            "install -d -m 750 $DESTDIR/var/lib/greet",
            "mkdir -p $DESTDIR/usr/share/greet && cp -a . $DESTDIR/usr/share/greet/source",
            install_file("key", "$DESTDIR/etc/greet.key", mode = 0o600),
            install_file("key", "$DESTDIR/etc/greet.group", mode = 0o640),
            install_file("key", "$DESTDIR/etc/greet.sudo", mode = 0o440),
        ]),
    ],
)
`
const texts: Texts = {
  'PROJECT.star': debianProject,
  'greet/greet.c': 'int greet(int times) { return times + 41; }\n',
  'greet/greet.h': 'int greet(int times);\n',
  'greet/greetd.c': '#include "greet.h"\nint main(void) { return greet(1) - 42; }\n',
  'greet/greet.conf': 'times = 1\n',
  'greet/greetd.service': '[Service]\nExecStart=/usr/sbin/greetd\n[Install]\nWantedBy=multi-user.target\n',
  'units/greet.star': greet,
  'units/greet/key': 'k\n',
  'user/user.c': '#include <greet.h>\nint main(void) { return greet(1) - 42; }\n',
  'units/user.star': `unit(
    name = "user",
    version = "1",
    license = "MIT",
    source = path("//user"),
    deps = ["greet"],
    tasks = [task("install", steps = [
        "gcc -s $CFLAGS $CPPFLAGS -o user user.c $LDFLAGS -lgreet && ./user",
        "install -D -t $DESTDIR/usr/bin user",
    ])],
)
`,
}

function failed(ran: Ran): string {
  return `${ran.code}: ${ran.stderr.slice(-3000)}`
}

async function built(project: TestProject, ...args: readonly string[]): Promise<readonly string[]> {
  const ran = await project.yoe(['build', ...args])
  assert.equal(ran.code, 0, failed(ran))
  return ran.stdout.trim().split('\n')
}

function unpacked(t: TestContext, deb: string): string {
  const folder = scratch(t)
  execFileSync('dpkg-deb', ['--extract', deb, folder])
  return folder
}

const field = (deb: string, name: string): string =>
  execFileSync('dpkg-deb', ['--field', deb, name], { encoding: 'utf8' }).trim()

/** The GNU build id in an ELF file's note, lowercase hex. */
function buildId(elf: Buffer): string {
  const note = Buffer.from('\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0', 'latin1')
  const at = elf.indexOf(note)
  return at < 0 ? '' : elf.toString('hex', at + note.length, at + note.length + 20)
}

let debs: ReadonlyMap<string, string>
let project: TestProject

before(async (t) => {
  assert.ok('after' in t)
  project = testProject(t, texts, cache)
  debs = new Map((await built(project, 'greet')).map((path) => [field(path, 'Package'), path]))
})

test('each part has its files and its relations', () => {
  assert.deepEqual([...debs.keys()], ['greet', 'greet-dbg', 'greet-dev', 'greet-server'])
  const depends = [...debs].map(([name, path]) => `${name}: ${field(path, 'Depends')}`)
  assert.match(depends[0] ?? '', /^greet: libc6 \(>= [\d.]+\)$/)
  assert.deepEqual(depends.slice(1, 3), ['greet-dbg: greet (= 1.2-r0)', 'greet-dev: greet (= 1.2-r0)'])
  assert.match(
    depends[3] ?? '',
    /^greet-server: greet \(= 1\.2-r0\), libc6 \(>= [\d.]+\), init-system-helpers \(>= 1\.52\)$/,
  )
})

test('debuggers find the debug information of every program, by build id or by path', (t) => {
  const dbg = join(unpacked(t, debs.get('greet-dbg') ?? ''), 'usr/lib/debug')
  const programs = [
    ['greet', 'usr/lib/libgreet.so.1.2'],
    ['greet', 'usr/libexec/plain'],
    ['greet-server', 'usr/sbin/greetd'],
  ] as const
  for (const [name, path] of programs) {
    const program = readFileSync(join(unpacked(t, debs.get(name) ?? ''), path))
    const id = buildId(program)
    assert.equal(id === '', path.endsWith('plain'), path)
    const file = id === '' ? `${path}.debug` : `.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`
    const debug = readFileSync(join(dbg, file))
    assert.equal(buildId(debug), id, path)
    assert.ok(debug.includes('.debug_info') && debug.includes('.symtab'), path)
    assert.ok(!program.includes('.debug_info') && !program.includes('.symtab'), path)
    // The other way of debuggers: a name, and the CRC of what is to be found there.
    const link = Buffer.concat([Buffer.from(`${file.slice(file.lastIndexOf('/') + 1)}\0`), Buffer.alloc(3)])
    const sum = Buffer.alloc(4)
    sum.writeUInt32LE(crc32(debug))
    const at = program.indexOf(link.subarray(0, link.length - 3))
    assert.ok(at > 0, path)
    assert.ok(program.indexOf(sum, at) - at <= link.length, path)
    assert.ok(!debug.includes('/build/src'), 'where it was built is no part of it')
  }
  const server = join(unpacked(t, debs.get('greet-server') ?? ''), 'usr/sbin')
  assert.equal(statSync(join(server, 'greetd')).ino, statSync(join(server, 'greetd-again')).ino, 'links stay links')
})

test('what is built against it sees all of it, and depends on the package with the library', async () => {
  const [user = ''] = await built(project, 'user')
  assert.match(field(user, 'Depends'), /^greet \(>= 1\.2-r0\), libc6 /)
})

test('modes are what the tasks set', () => {
  const listed = execFileSync('dpkg-deb', ['--contents', debs.get('greet') ?? ''], { encoding: 'utf8' })
  for (const line of [
    /^-rw------- root\/root .*\.\/etc\/greet\.key$/m,
    /^-rw-r----- root\/root .*\.\/etc\/greet\.group$/m,
    /^-r--r----- root\/root .*\.\/etc\/greet\.sudo$/m,
    /^drwxr-x--- root\/root .*\.\/var\/lib\/greet\/$/m,
    /^drwxr-xr-x root\/root .*\.\/usr\/share\/greet\/source\/$/m,
    /^-rw-r--r-- root\/root .*\.\/usr\/share\/greet\/source\/greet\.c$/m,
  ]) {
    assert.match(listed, line)
  }
})

test('built anew it is the same bytes, under any umask and from sources of other modes', async (t) => {
  const bytes = (): readonly Buffer[] => [...debs.values()].map((path) => readFileSync(path))
  const first = bytes()
  const umask = process.umask()
  t.after(() => process.umask(umask))
  for (const other of [0o077, 0]) {
    process.umask(other)
    for (const file of ['greet/greet.c', 'units/greet/key']) chmodSync(join(project.root, file), 0o666 & ~other)
    await built(project, '--force', 'greet')
    assert.ok(bytes().every((now, index) => first[index]?.equals(now)))
  }
})

test('an image installs what it names; the feed offers the rest', async () => {
  project.write({
    'images/small.star': 'image(name = "small", artifacts = ["user", "greet-server"])\n',
  })
  const outputs = await built(project, 'small')
  const list = outputs.find((path) => path.endsWith('packages.json')) ?? ''
  const names = [...readFileSync(list, 'utf8').matchAll(/"name": "((?:greet|user)[^"]*)"/g)].map(([, name]) => name)
  assert.deepEqual(names.sort(), ['greet', 'greet-server', 'user'])
  const feed = join(project.root, '..', 'feed')
  mkdirSync(feed)
  const published = await project.yoe(['publish', '--to', feed, 'small'])
  assert.equal(published.code, 0, failed(published))
  const offered = readdirSync(feed, { recursive: true, encoding: 'utf8' }).filter((path) =>
    /\/(greet|user)[^/]*\.deb$/.test(path),
  )
  assert.deepEqual(offered.map((path) => path.replace(/.*\/(.*?)_.*/, '$1')).sort(), [
    'greet',
    'greet-dbg',
    'greet-dev',
    'greet-server',
    'user',
  ])
})

test('two units with one file are told apart by replaces', async () => {
  const unit = (more: string): string =>
    `unit(name = "other", version = "1", license = "MIT"${more}, tasks = [task("install", run = "install -D /bin/true $DESTDIR/usr/bin/user")])\n`
  project.write({
    'units/other.star': unit(''),
    'images/small.star': 'image(name = "small", artifacts = ["user", "greet-server", "other"])\n',
  })
  const ran = await project.yoe(['build', 'small'])
  assert.equal(ran.code, 1, failed(ran))
  assert.match(
    ran.stderr,
    /error\[INSTALL_FAILED\]: units\/other\.star:1: other and user both install \/usr\/bin\/user/,
  )
  assert.match(
    ran.stderr,
    /hint: say whose file it is: add replaces = \["\w+"\] to unit \w+, or replaces = \["\w+"\] to unit \w+/,
  )
  // It is told before anything is installed: no layer was begun.
  const logs = readdirSync(join(project.root, 'build'), { recursive: true, encoding: 'utf8' })
  const log = logs.find((path) => /small\.[^/]*\/build\.log$/.test(path)) ?? ''
  assert.doesNotMatch(readFileSync(join(project.root, 'build', log), 'utf8'), /dpkg|mmdebstrap/)
  project.write({ 'units/other.star': unit(', replaces = ["user"]') })
  await built(project, 'small')
})

test('what can not be split is said with its line, all at once', async () => {
  project.write({ 'units/greet.star': greet.replace('"/etc/greet.conf", ', '"/etc/none", "/opt/**", ') })
  const ran = await project.yoe(['build', 'greet'])
  assert.equal(ran.code, 1)
  assert.match(
    ran.stderr,
    /units\/greet\.star:1: greet: extra_subpackages\["server"\]: nothing that its tasks installed matches "\/etc\/none"/,
  )
  assert.match(ran.stderr, /matches "\/opt\/\*\*"/)
})
