/** Builds that go wrong, by the command line, in the real sandbox, with packages of the real feed. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { served } from '../support/local-server.ts'
import { processesWith, sleep, until } from '../support/processes.ts'
import { debianProject, scratch, type TestProject, type Texts, testProject } from '../support/project.ts'
import { sharedCache } from '../support/shared-cache.ts'
import { clean } from '../support/shown-errors.ts'

const cache = sharedCache()
const root = process.getuid?.() === 0

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
const units = (text: string): Texts => ({ 'PROJECT.star': debianProject, 'units/u.star': text })
const task = (run: string): string => `task("install", run = ${JSON.stringify(run)})`

/** Builds `uu`, which must fail; returns what was said from the error on. */
async function failing(project: TestProject, code: number): Promise<string> {
  const ran = await project.yoe(['build', 'uu', '--offline'])
  clean(ran)
  assert.equal(ran.code, code, ran.stderr)
  assert.equal(ran.stdout, '')
  return ran.stderr.slice(ran.stderr.indexOf('error['))
}

test('first a unit that builds: the shared cache is warm from here on', async (t) => {
  const project = testProject(
    t,
    units(
      `unit(name = "uu", version = "1", license = "MIT", tasks = [${task('install -D /dev/null $DESTDIR/etc/uu')}])\n`,
    ),
    cache,
  )
  const ran = await project.yoe(['build', 'uu'])
  clean(ran)
  assert.equal(ran.code, 0, ran.stderr)
  assert.match(ran.stdout, /uu_1-r0_amd64\.deb\n$/)
})

test('a task that fails: the end of its log, the line that declares it, what to type; exit 1', async (t) => {
  const project = testProject(
    t,
    units(`\nunit(\n    name = "uu",\n    version = "1",\n    tasks = [${task('seq 100; exit 3')}],\n)\n`),
    cache,
  )
  const said = await failing(project, 1)
  const lines = said.split('\n')
  assert.equal(lines[0], 'error[TASK_FAILED]: units/u.star:2: unit "uu": task "install" failed with exit code 3')
  assert.deepEqual(
    lines.slice(1, -3),
    Array.from({ length: 40 }, (_, index) => `  │ ${61 + index}`),
  )
  assert.equal(lines.at(-3), `  the whole log: ${project.root}/build/debian/uu.x86_64/build.log`)
  assert.equal(lines.at(-2), '  hint: yoe log uu shows all of it; yoe build uu tries again')
  const log = await project.yoe(['log', 'uu'])
  assert.match(log.stdout, /^=== task install\n\+ seq 100; exit 3\n1\n2\n/)
})

test('what a task prints is shown neutralised, also with -v, in the log and in a CI job', async (t) => {
  const hostile =
    "printf '::set-output name=a::b\\n  ::error::x\\nmid ##[error]y\\n\\033[31mred\\033[0m\\033]52;c;aGk=\\007\\nback\\rover\\n'; exit 1"
  const project = testProject(
    t,
    units(`unit(name = "uu", version = "1", license = "MIT", tasks = [${task(hostile)}])\n`),
    cache,
  )
  const said = await failing(project, 1)
  for (const line of [
    '  │ : :set-output name=a::b',
    '  │   : :error::x',
    '  │ mid # #[error]y',
    '  │ red',
    '  │ back',
    '  │ over',
  ])
    assert.ok(said.split('\n').includes(line), `${line} in\n${said}`)
  const verbose = await project.yoe(['build', 'uu', '-v', '--offline'])
  clean(verbose)
  const log = await project.yoe(['log', 'uu'], { env: { GITHUB_ACTIONS: 'true' } })
  clean(log)
  assert.doesNotMatch(log.stdout, /^\s*::/m)
})

test('a task that writes outside of its folders can not, and nothing of it is on the host', async (t) => {
  const places = [
    '/usr/evil',
    '/etc/evil',
    '/evil',
    '$SYSROOT/evil',
    '/build/install/evil',
    '/home/evil',
    '/proc/sys/kernel/core_pattern',
  ]
  const tries = places.map((path) => `if (echo evil >${path}) 2>/dev/null; then echo LEAK ${path}; fi`).join('; ')
  const canary = join(scratch(t), 'canary')
  writeFileSync(canary, 'here')
  const project = testProject(
    t,
    units(
      `unit(name = "uu", version = "1", license = "MIT", tasks = [${task(`${tries}; test ! -e ${canary} || echo LEAK sees; mkdir -p $DESTDIR/etc; ln -s ${canary} $DESTDIR/etc/link; echo evil >$DESTDIR/etc/link || true; exit 9`)}])\n`,
    ),
    cache,
  )
  const said = await failing(project, 1)
  assert.doesNotMatch(said, /│ LEAK/)
  assert.match(said, /exit code 9/)
  assert.equal(readFileSync(canary, 'utf8'), 'here')
  for (const path of ['/usr/evil', '/etc/evil', '/evil']) assert.ok(!existsSync(path))
})

test('a destdir that holds what no package may is refused by name', async (t) => {
  const project = testProject(
    t,
    units(
      `unit(name = "uu", version = "1", license = "MIT", tasks = [${task('cd $DESTDIR && mkdir -p usr/bin && mkfifo usr/bin/p')}])\n`,
    ),
    cache,
  )
  const said = await failing(project, 1)
  assert.match(said, /^error\[PACKAGE_INVALID\]: units\/u\.star:1: /)
  assert.match(said, /usr\/bin\/p/)
})

test('a daemon that a task leaves is gone when the task is, and writes nothing later', async (t) => {
  const mark = `yoe-test-daemon-${process.pid}`
  const daemon = `setsid bash -c 'exec -a ${mark} sleep 1000' >/dev/null 2>&1 </dev/null & (while :; do date +%N >>$DESTDIR/etc/late; sleep 0.01; done) >/dev/null 2>&1 & sleep 0.3`
  const project = testProject(
    t,
    units(`unit(name = "uu", version = "1", license = "MIT", tasks = [${task(`mkdir -p $DESTDIR/etc; ${daemon}`)}])\n`),
    cache,
  )
  const ran = await project.yoe(['build', 'uu'])
  assert.equal(ran.code, 0, ran.stderr)
  assert.deepEqual(processesWith(mark), [])
  const late = join(project.root, 'build/debian/uu.x86_64/destdir/etc/late')
  const size = readFileSync(late).length
  await sleep(300)
  assert.equal(readFileSync(late).length, size)
})

test('a task can not reach the network, not even this machine', async (t) => {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.end()
  })
  const { port } = new URL(await served(t, server))
  const project = testProject(
    t,
    units(
      `unit(name = "uu", version = "1", license = "MIT", tasks = [${task(`if timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/${port} && printf "GET /leak HTTP/1.0\\r\\n\\r\\n" >&3'; then echo LEAK; fi; exit 4`)}])\n`,
    ),
    cache,
  )
  const said = await failing(project, 1)
  assert.doesNotMatch(said, /│ LEAK/)
  assert.match(said, /exit code 4/)
  assert.ok(!asked.includes('/leak'))
})

test('SIGINT during a task: its processes are gone within 7 s, its log stays', async (t) => {
  const mark = `yoe-test-stubborn-${process.pid}`
  const project = testProject(
    t,
    units(
      `unit(name = "uu", version = "1", license = "MIT", tasks = [${task(`trap '' INT TERM HUP; echo begun; bash -c 'exec -a ${mark} sleep 1000' & wait; sleep 1000`)}])\n`,
    ),
    cache,
  )
  const running = project.start(['build', 'uu'])
  const log = join(project.root, 'build/debian/uu.x86_64/build.log')
  await until('the task runs', () => processesWith(mark).length > 0 && readFileSync(log, 'utf8').includes('begun'))
  const start = performance.now()
  running.child.kill('SIGINT')
  const ran = await running.ended
  await until('its processes are gone', () => processesWith(mark).length === 0, 7)
  assert.ok(performance.now() - start < 7000)
  assert.equal(ran.code, 1)
  assert.match(ran.stderr, /CANCELLED/)
  assert.match(readFileSync(log, 'utf8'), /begun/)
})

test('a disk that is full: named, exit 3, and with space the same command goes on', {
  skip: !root && 'needs a mount',
}, async (t) => {
  const small = join(scratch(t), 'small')
  mkdirSync(small)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=0700', 'yoe', small])
  try {
    const project = testProject(t, units('unit(name = "uu", version = "1")\n'), join(small, 'cache'))
    const ran = await project.yoe(['build', 'tools-debian'])
    clean(ran)
    assert.equal(ran.code, 3, ran.stderr)
    assert.match(ran.stderr, /error\[DISK_FULL\]: /)
    assert.ok(ran.stderr.includes(small), ran.stderr)
    execFileSync('mount', ['-o', 'remount,size=60m', small])
    const further = await project.yoe(['build', 'uu'])
    assert.equal(further.code, 0, further.stderr)
    assert.deepEqual(readdirSync(join(small, 'cache/tmp')), [])
  } finally {
    execFileSync('umount', [small])
  }
})

test('a machine without bubblewrap: exit 3, with the package to install', {
  skip: !root && 'needs a mount',
}, async (t) => {
  // This machine's programs, but for one: in an overlay, such a device hides a name.
  const hidden = join(scratch(t), 'hidden')
  mkdirSync(hidden)
  execFileSync('mknod', [join(hidden, 'bwrap'), 'c', '0', '0'])
  const hide = `mount -t overlay yoe -o lowerdir=${hidden}:/usr/bin /usr/bin && exec "$@"`
  const project = testProject(
    t,
    units(`unit(name = "uu", version = "1", license = "MIT", tasks = [${task('true; exit 5')}])\n`),
    cache,
  )
  const ran = await project.yoe(['build', 'uu'], { through: ['unshare', '--mount', 'sh', '-c', hide, 'sh'] })
  clean(ran)
  assert.equal(ran.code, 3, ran.stderr)
  assert.match(
    ran.stderr,
    /error\[SANDBOX_UNAVAILABLE\]: builds can't be isolated here: (no sandbox could be made: )?bwrap is not installed\n {2}hint: sudo apt-get install bubblewrap\n$/,
  )
})

test('a worker that is asked for and can not be used: exit 3, who asked for it and why, of every command that builds', async (t) => {
  const fields = `license = "MIT", tests = [test("one", run = "true")], tasks = [${task('true; exit 5')}]`
  const project = testProject(t, units(`unit(name = "uu", version = "1", ${fields})\n`), cache)
  const env = { DOCKER_HOST: `unix://${join(project.root, 'none.sock')}` }
  for (const command of [
    ['build', 'uu'],
    ['shell', 'uu', '-c', 'true'],
    ['test', 'uu'],
  ]) {
    const ran = await project.yoe([...command, '--worker', 'docker'], { env })
    assert.equal(ran.code, 3, ran.stderr)
    assert.match(
      ran.stderr,
      /error\[SANDBOX_UNAVAILABLE\]: builds can't be isolated here with docker \(--worker\): .*\n {2}hint: /,
    )
  }
})

const box = (size: string): Texts => ({
  'PROJECT.star': debianProject.replace('qemu-x86_64', 'box'),
  'machines/m.star': `machine(\n    name = "box",\n    arch = "x86_64",\n    partitions = [\n        partition(label = "root", type = "ext4", size = "${size}", root = True),\n    ],\n)\n`,
  'images/i.star': 'image(name = "small", artifacts = [])\n',
})

test('a partition that is too small: by how much, the line, the size to write; written, it builds', async (t) => {
  const project = testProject(t, box('8M'), cache)
  const ran = await project.yoe(['build', 'small'])
  clean(ran)
  assert.equal(ran.code, 1, ran.stderr)
  const told =
    /error\[IMAGE_TOO_SMALL\]: machines\/m\.star:5: partition "root" of image "small" has 8388608 bytes, its content needs (\d+)\n {2}hint: partition\(label = "root", size = "(\d+M)", …\), or size = "fill"\n/.exec(
      ran.stderr,
    )
  assert.ok(told, ran.stderr)
  project.write(box(told[2] ?? ''))
  const mended = await project.yoe(['build', 'small'])
  assert.equal(mended.code, 0, mended.stderr)
  assert.match(mended.stdout, /small\.img\n/)
})

test('a guest that never gets to a login: the stage, the end of its console, within the time that it was given', async (t) => {
  const project = testProject(
    t,
    {
      ...box('400M'),
      'machines/m.star':
        box('400M')['machines/m.star']?.replace(
          'arch = "x86_64",',
          'arch = "x86_64",\n    qemu = qemu_config(machine = "q35", firmware = "seabios"),',
        ) ?? '',
    },
    cache,
  )
  const built = await project.yoe(['build', 'small'])
  assert.equal(built.code, 0, built.stderr)
  const start = performance.now()
  // There is no boot loader on it: the firmware finds nothing to boot.
  const ran = await project.yoe(['run', 'small', '--boot-test', '--timeout', '8s'])
  clean(ran)
  assert.equal(ran.code, 1, ran.stderr)
  assert.match(ran.stderr, /error\[BOOT_FAILED\]: /)
  assert.ok(performance.now() - start < 40_000)
  assert.deepEqual(processesWith(project.root), [])
})

test('processes that build the same unit at once build it once', async (t) => {
  const folder = scratch(t)
  for (let round = 0; round < 3; round++) {
    const text = units(
      `unit(name = "uu", version = "${round}.${process.pid}", license = "MIT", tasks = [${task('sleep 0.5; install -D /dev/null $DESTDIR/etc/uu')}])\n`,
    )
    // Two checkouts of one project, one cache.
    const projects = [testProject(t, text, cache), testProject(t, text, cache)]
    const runs = await Promise.all(projects.map((each) => each.yoe(['build', 'uu', '--json'])))
    for (const ran of runs) assert.equal(ran.code, 0, ran.stderr)
    const reports: { units: { unit: string; why: string }[]; outputs: { path: string }[] }[] = runs.map(({ stdout }) =>
      JSON.parse(stdout),
    )
    const whys = reports.map(({ units: all }) => all.find(({ unit }) => unit === 'uu')?.why).toSorted()
    assert.equal(whys.filter((why) => why === 'not built here before').length, 1, whys.join())
    const sums = reports.map(({ outputs: [output] }) => sha256(readFileSync(output?.path ?? '')))
    assert.equal(sums[0], sums[1])
  }
  assert.ok(existsSync(folder))
})
