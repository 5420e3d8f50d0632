import assert from 'node:assert/strict'
import { test } from 'node:test'
import { whyChanged } from '#engine/plan/why.ts'
import type { Json } from '#engine/project/model.ts'

const build = {
  name: 'build',
  network: false,
  steps: [
    { kind: 'run', command: 'make' },
    { kind: 'call', digest: 'd' },
  ] satisfies Json,
}
const install = {
  name: 'install',
  network: false,
  steps: [{ kind: 'install', dest: '$DESTDIR/etc/app.conf', content: 'c' }] satisfies Json,
}
const before = {
  engine: 1,
  project: 'demo',
  unit: {
    version: '1',
    source: { kind: 'path', content: 'a' },
    tasks: [build, install],
    extra: { port: 1 },
    patches: ['p'],
    overlays: ['o'],
  },
  config: { cflags: ['-O2'], environment: { BOARD: 'a' } },
  runtimeDeps: [[{ name: 'bash' }]],
  kernel: { defconfig: 'a' },
  toolchain: 't',
  deps: { lib: 'l' },
  packages: { bash: '5 digest', make: '4 digest' },
  cmdline: 'quiet',
}

const withTask = (index: number, task: Json): Json => ({
  ...before,
  unit: { ...before.unit, tasks: before.unit.tasks.map((one, at) => (at === index ? task : one)) },
})

const cases: readonly (readonly [change: Json, said: string])[] = [
  [{ ...before }, 'its result is no longer in the cache'],
  [{ ...before, engine: 2 }, 'yoe itself changed'],
  [{ ...before, toolchain: 'u' }, 'the toolchain changed'],
  [{ ...before, unit: { ...before.unit, version: '2' } }, 'version 1 → 2'],
  [
    withTask(0, {
      ...build,
      steps: [
        { kind: 'run', command: 'make all' },
        { kind: 'call', digest: 'd' },
      ],
    }),
    'task build changed',
  ],
  [
    withTask(0, {
      ...build,
      steps: [
        { kind: 'run', command: 'make' },
        { kind: 'call', digest: 'e' },
      ],
    }),
    "task build's function changed",
  ],
  [withTask(0, { ...build, container: 'h' }), "task build's container changed"],
  [
    withTask(1, { ...install, steps: [{ kind: 'install', dest: '$DESTDIR/etc/app.conf', content: 'x' }] }),
    'what task install installs as $DESTDIR/etc/app.conf changed',
  ],
  [{ ...before, unit: { ...before.unit, tasks: [build] } }, 'task install was removed'],
  [
    { ...before, unit: { ...before.unit, tasks: [build, install, { ...install, name: 'strip' }] } },
    'task strip was added',
  ],
  [{ ...before, unit: { ...before.unit, tasks: 'none' } }, 'its tasks changed'],
  [{ ...before, unit: { ...before.unit, overlays: ['q'] } }, 'an overlay changed'],
  [{ ...before, config: { ...before.config, cflags: ['-O3'] } }, 'public_config changed (CFLAGS)'],
  [{ ...before, config: { ...before.config, environment: { BOARD: 'b' } } }, 'public_config changed (BOARD)'],
  [{ ...before, config: null }, 'public_config changed'],
  [{ ...before, runtimeDeps: [] }, 'runtime_deps changed'],
  [{ ...before, kernel: { defconfig: 'b' } }, "the kernel's defconfig changed"],
  [{ ...before, bootloader: { kind: 'uboot' } }, 'the boot loader changed'],
  [{ ...before, installed: { zlib: ['zlib-dev'] } }, 'other packages of its units are installed'],
  [{ ...before, projectVersion: '2' }, "the project's version none → 2"],
  [{ ...before, unit: { ...before.unit, patches: [] } }, 'its patches changed'],
  [{ ...before, unit: { ...before.unit, source: { kind: 'path', content: 'b' } } }, 'its source changed'],
  [{ ...before, unit: { ...before.unit, extra: { port: 2 } } }, 'port changed'],
  [{ ...before, deps: { lib: 'm' } }, 'lib changed'],
  [{ ...before, deps: {} }, 'lib was removed'],
  [{ ...before, deps: { lib: 'l', more: 'n' } }, 'more was added'],
  [{ ...before, packages: { bash: '6 digest', make: '4 digest' } }, 'package bash 5 → 6'],
  [{ ...before, packages: { bash: '5 other', make: '4 digest' } }, 'package bash changed'],
  [{ ...before, packages: { make: '4 digest' } }, 'package bash was removed'],
  [{ ...before, console: 'ttyS1' }, "the kernel's console changed"],
  [{ ...before, cmdline: 'debug' }, "the kernel's command line changed"],
  [{ ...before, project: 'other' }, 'the project is called other, not demo'],
  [
    { ...before, toolchain: 'u', packages: {}, deps: {}, cmdline: '' },
    'the toolchain changed, lib was removed, package bash was removed, and 2 more',
  ],
]

for (const [after, said] of cases) {
  test(`says: ${said}`, () => assert.equal(whyChanged(before, after), said))
}

test('changed files are named, where it is remembered what a folder held', () => {
  const held: Readonly<Record<string, ReadonlyMap<string, string>>> = {
    a: new Map([
      ['main.c', '1'],
      ['old.c', '1'],
      ['same.c', '1'],
    ]),
    b: new Map([
      ['main.c', '2'],
      ['new.c', '1'],
      ['same.c', '1'],
    ]),
    o: new Map([['etc/motd', '1']]),
    q: new Map([['etc/motd', '2']]),
  }
  const now = { ...before, unit: { ...before.unit, source: { kind: 'path', content: 'b' }, overlays: ['q'] } }
  assert.equal(
    whyChanged(before, now, (digest) => held[digest]),
    'main.c changed, new.c was added, old.c was removed, and 1 more',
  )
  assert.equal(
    whyChanged(before, now, (digest) => (digest === 'a' ? undefined : held[digest])),
    'its source changed, etc/motd changed',
  )
})

test('what was never built here says so', () => assert.equal(whyChanged(undefined, before), 'not built here before'))

test('damaged memory of the last build is no failure', () => {
  for (const damaged of [null, 1, [], 'x', {}, { unit: null }, { unit: 3, deps: [] }])
    assert.equal(typeof whyChanged(damaged, before), 'string')
})
