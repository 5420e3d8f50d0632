import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PackageUnit } from '#engine/project/model.ts'
import { evaluate, shown } from '../engine/project/evaluating.ts'
import type { Texts } from '../support/project.ts'

const core = 'project(name = "demo", version = "1.0", modules = [module("yoe:module-core")])\n'

/** The unit `app` of a project that calls classes of module-core. */
async function unitOf(calls: string, texts: Texts = {}): Promise<PackageUnit> {
  const loads = [
    ['autotools', 'autotools'],
    ['cmake', 'cmake'],
    ['go', 'go_binary'],
    ['kernel', 'kernel'],
    ['make', 'make'],
    ['meson', 'meson'],
    ['rust', 'rust_binary'],
    ['systemd', 'systemd_service'],
    ['tasks', 'merge_tasks'],
    ['zig', 'zig_binary'],
  ].map(([file, name]) => `load("@module-core//classes/${file}.star", "${name}")\n`)
  const { evaluated, errors } = await evaluate({
    'PROJECT.star': core,
    ...texts,
    'units/app.star': `${loads.join('')}${calls}`,
  })
  assert.deepEqual(errors.map(shown), [])
  const unit = evaluated?.project.units.find(({ name }) => name === 'app')
  assert.ok(unit?.kind === 'package')
  return unit
}

/** `task: step; step`, one line for each task but `strip`. */
function tasks({ tasks: all }: PackageUnit): readonly string[] {
  return all
    .filter(({ name }) => name !== 'strip')
    .map(({ name, steps }) => {
      const shownSteps = steps.map((step) =>
        step.kind === 'run' ? step.command : step.kind === 'install' ? `${step.source.path} > ${step.dest}` : step.name,
      )
      return `${name}: ${shownSteps.join('; ')}`
    })
}

const classes: Readonly<Record<string, readonly [call: string, tasks: readonly string[]]>> = {
  make: [
    'make(name = "app", version = "1", make_args = ["V=1"], install_args = ["BINDIR=/usr/sbin"])',
    [
      'compile: make -j$NPROC PREFIX=$PREFIX prefix=$PREFIX V=1',
      'install: make PREFIX=$PREFIX prefix=$PREFIX V=1 DESTDIR=$DESTDIR BINDIR=/usr/sbin install',
    ],
  ],
  meson: [
    'meson(name = "app", version = "1", meson_args = ["-Dtests=false"])',
    [
      'configure: LIBRARY_PATH=$LD_LIBRARY_PATH meson setup _build --prefix=$PREFIX --libdir=lib --sysconfdir=/etc --localstatedir=/var --buildtype=plain --wrap-mode=nodownload -Dtests=false',
      'compile: LIBRARY_PATH=$LD_LIBRARY_PATH meson compile -C _build -j $NPROC',
      'install: DESTDIR=$DESTDIR meson install -C _build --no-rebuild',
    ],
  ],
  autotools: [
    'autotools(name = "app", version = "1", configure_args = ["--with-x"], autoreconf = True)',
    [
      'configure: autoreconf --force --install; classes/autotools/machines.sh > $HOME/machines.sh; sh $HOME/machines.sh; ./configure --prefix=$PREFIX --sysconfdir=/etc --localstatedir=/var --with-x',
      'compile: make -j$NPROC',
      'install: make DESTDIR=$DESTDIR install',
    ],
  ],
  cmake: [
    'cmake(name = "app", version = "1", cmake_args = ["-DX=1"])',
    [
      'configure: cmake -S . -B _build -DCMAKE_INSTALL_PREFIX=$PREFIX -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_INSTALL_SYSCONFDIR=/etc -DCMAKE_INSTALL_LOCALSTATEDIR=/var -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH=$SYSROOT$PREFIX -DCMAKE_SKIP_INSTALL_RPATH=ON -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF -DFETCHCONTENT_FULLY_DISCONNECTED=ON -DX=1',
      'compile: cmake --build _build --parallel $NPROC',
      'install: DESTDIR=$DESTDIR cmake --install _build',
    ],
  ],
  go_binary: [
    'go_binary(name = "app", version = "1")',
    [
      'fetch: classes/go/fetch.sh > $HOME/fetch.sh; sh $HOME/fetch.sh',
      'compile: GOPROXY=off go build -o _build/app $([ -d cmd/app ] && echo ./cmd/app || echo .)',
      'install: install -D -t $DESTDIR$PREFIX/bin _build/app',
    ],
  ],
  'go_binary, with everything said': [
    'go_binary(name = "app", version = "1", go_package = "./x", binary = "y", go_args = ["-v"], ldflags = ["-X a=b", "-w"], tags = ["p", "q"])',
    [
      'fetch: classes/go/fetch.sh > $HOME/fetch.sh; sh $HOME/fetch.sh',
      'compile: GOPROXY=off go build -v -tags=p,q -ldflags="-X a=b -w" -o _build/y ./x',
      'install: install -D -t $DESTDIR$PREFIX/bin _build/y',
    ],
  ],
  rust_binary: [
    'rust_binary(name = "app", version = "1")',
    [
      'fetch: classes/rust/fetch.sh > $HOME/fetch.sh; sh $HOME/fetch.sh .',
      'compile: cargo build --manifest-path ./Cargo.toml --frozen --release',
      "install: find target/release -maxdepth 1 -type f -perm /111 ! -name '*.so' -exec install -D -t $DESTDIR$PREFIX/bin {} +",
    ],
  ],
  'rust_binary, with everything said': [
    'rust_binary(name = "app", version = "1", crate = "cli", binaries = ["a", "b"], features = ["x", "y"], cargo_args = ["--no-default-features"])',
    [
      'fetch: classes/rust/fetch.sh > $HOME/fetch.sh; sh $HOME/fetch.sh cli',
      'compile: cargo build --manifest-path cli/Cargo.toml --frozen --release --bin a --bin b --no-default-features --features x,y',
      'install: install -D -t $DESTDIR$PREFIX/bin target/release/a target/release/b',
    ],
  ],
  zig_binary: [
    'zig_binary(name = "app", version = "1", zig_args = ["-Dx=y"], optimize = "ReleaseSmall")',
    [
      'fetch: if [ -e build.zig.zon ]; then zig build --fetch; fi',
      'install: DESTDIR=$DESTDIR zig build --summary all -j$NPROC --prefix $PREFIX --search-prefix $SYSROOT$PREFIX -Doptimize=ReleaseSmall -Dx=y; classes/zig/rpath.sh > $HOME/rpath.sh; sh $HOME/rpath.sh',
    ],
  ],
  kernel: [
    'kernel(name = "app", version = "1", defconfig = "tinyconfig", fragments = ["a.config"], config = ["CONFIG_X=\\"y z\\""], device_trees = ["v/x.dtb"])',
    [
      "configure: units/app/a.config > $HOME/fragments/0; classes/kernel/native.sh > $HOME/native.sh; classes/kernel/configure.sh > $HOME/configure.sh; printf '%s\\n' '# CONFIG_LOCALVERSION_AUTO is not set' 'CONFIG_X=\"y z\"' >$HOME/lines; sh $HOME/configure.sh 'tinyconfig'",
      "compile: classes/kernel/native.sh > $HOME/native.sh; classes/kernel/compile.sh > $HOME/compile.sh; sh $HOME/compile.sh 'v/x.dtb'",
      "install: classes/kernel/native.sh > $HOME/native.sh; classes/kernel/install.sh > $HOME/install.sh; sh $HOME/install.sh 'v/x.dtb'",
    ],
  ],
  'tasks of a unit, merged into those of its class': [
    'make(name = "app", version = "1", tasks = [task("last", run = "x"), task("compile", run = "mine"), task("install", remove = True)])',
    ['compile: mine', 'last: x'],
  ],
  'a task that is not there to be removed': [
    'make(name = "app", version = "1", tasks = [task("gone", remove = True)])',
    [
      'compile: make -j$NPROC PREFIX=$PREFIX prefix=$PREFIX',
      'install: make PREFIX=$PREFIX prefix=$PREFIX DESTDIR=$DESTDIR install',
    ],
  ],
}

for (const [what, [call, expected]] of Object.entries(classes)) {
  test(`module-core: ${what}`, async () => {
    assert.deepEqual(tasks(await unitOf(`${call}\n`, { 'units/app/a.config': '' })), expected)
  })
}

test('module-core: every class passes on what it does not know, and is on record', async () => {
  for (const name of ['autotools', 'cmake', 'make', 'meson', 'go_binary', 'rust_binary', 'zig_binary']) {
    const unit = await unitOf(`${name}(name = "app", version = "1", port = 80, deps = ["zlib"], keep_docs = True)\n`)
    assert.deepEqual([unit.builtVia, unit.extra, unit.deps.at(-1)], [[name], { port: 80 }, { name: 'zlib' }])
    assert.equal(unit.tasks.at(-1)?.name, 'strip')
    const cleaned = JSON.stringify(unit.tasks.at(-1)?.steps).includes('usr/share/doc')
    assert.equal(cleaned, false)
  }
})

const boards = {
  'PROJECT.star': core.replace('modules', 'defaults = defaults(machine = "board"), modules'),
  'machines/m.star': `machine(name = "board", arch = "riscv64", kernel = kernel(
    unit = "app", repo = "https://git.example.com/linux.git", tag = "v6", defconfig = "board_defconfig", device_trees = ["a.dtb"],
))
`,
}

test('module-core: a kernel is made as its machine says, unless it says so itself', async () => {
  const unit = await unitOf('kernel(name = "app", version = "6")\n', boards)
  assert.deepEqual(
    [
      unit.scope,
      unit.source?.kind,
      tasks(unit)[0]?.endsWith("configure.sh 'board_defconfig'"),
      tasks(unit)[1]?.endsWith(" 'a.dtb'"),
    ],
    ['machine', 'git', true, true],
  )
  assert.match(unit.environment['KERNEL_MAKE'] ?? '', / ARCH=riscv CROSS_COMPILE=riscv64-linux-gnu- /)
  const own = await unitOf('kernel(name = "app", version = "6", source = path("//k"), device_trees = [])\n', {
    ...boards,
    'k/Makefile': '',
  })
  assert.deepEqual([own.source?.kind, tasks(own)[1]?.endsWith('compile.sh')], ['path', true])
  const other = await unitOf('kernel(name = "app", version = "6")\n', {
    'machines/m.star': (boards['machines/m.star'] ?? '').replace('"app"', '"else"'),
  })
  assert.deepEqual([other.scope, other.source, tasks(other)[0]?.endsWith("'defconfig'")], ['arch', undefined, true])
})

test('module-core: Go and Zig compile for the machine', async () => {
  const go = await unitOf('go_binary(name = "app", version = "1")\n', boards)
  assert.deepEqual([go.environment['GOARCH'], go.environment['CGO_ENABLED']], ['riscv64', '0'])
  const zig = await unitOf('zig_binary(name = "app", version = "1", optimize = None)\n', boards)
  assert.match(tasks(zig)[1] ?? '', / -Dtarget=riscv64-linux-\$\(.*musl.*gnu.*\) -Dcpu=baseline_rv64; /)
})

for (const [call, says] of [
  [
    'kernel(name = "app", version = "6", config = ["EXT4_FS=y"])',
    /"EXT4_FS=y" is no line of a configuration; write CONFIG_EXT4_FS=y/,
  ],
] as const)
  test(`module-core: ${call}`, async () => {
    const { errors } = await evaluate({
      'PROJECT.star': core,
      'units/app.star': `load("@module-core//classes/kernel.star", "kernel")\n${call}\n`,
    })
    assert.match(errors.map(shown).join(), says)
  })

test('module-core: a service beside the unit, installed and enabled once', async () => {
  const unit = await unitOf(
    'systemd_service(name = "app", unit = "app.service", conffiles = ["/etc/app.conf"])\nmake(name = "app", version = "1", services = ["app"])\n',
    { 'units/app/app.service': '[Install]\n' },
  )
  assert.equal(
    tasks(unit).at(-1),
    'systemd app.service: units/app/app.service > $DESTDIR/usr/lib/systemd/system/app.service',
  )
  assert.deepEqual([unit.services, unit.conffiles], [['app'], ['/etc/app.conf']])
  assert.deepEqual([unit.builtVia, unit.extensions.map(({ via }) => via)], [['make'], [['systemd_service']]])
})

test('module-core: a timer keeps its name', async () => {
  const unit = await unitOf('make(name = "app", version = "1")\nsystemd_service(name = "app", unit = "app.timer")\n', {
    'units/app/app.timer': '[Install]\n',
  })
  assert.deepEqual(unit.services, ['app.timer'])
})

test('module-core: a service without its file is an error at the line of the unit', async () => {
  const { errors } = await evaluate({
    'PROJECT.star': core,
    'units/app.star':
      'load("@module-core//classes/systemd.star", "systemd_service")\nunit(name = "app", version = "1")\nsystemd_service(name = "app", unit = "app.service")\n',
  })
  assert.deepEqual(errors.map(shown), [
    'units/app.star:3: BAD_FIELD install_file(): there is no file units/app/app.service',
  ])
})

const wrong: Readonly<Record<string, readonly [call: string, says: string]>> = {
  'a text for a list': [
    'go_binary(name = "app", version = "1", ldflags = "-s")',
    'units/app.star:2: STAR_EVAL go_binary(): ldflags is a list: ldflags = ["-s"]',
  ],
  'a text for a choice': [
    'go_binary(name = "app", version = "1", cgo = "yes")',
    'units/app.star:2: STAR_EVAL go_binary(): cgo is True or False, not "yes"',
  ],
  'a number for a text': [
    'go_binary(name = "app", version = "1", binary = 5)',
    'units/app.star:2: STAR_EVAL go_binary(): binary is a text, not 5',
  ],
  'a misspelt argument': [
    'go_binary(name = "app", version = "1", ldflag = ["-s"])',
    'units/app.star:2: UNKNOWN_FIELD go_binary() has no field "ldflag" | did you mean "ldflags"?',
  ],
}

for (const [what, [call, says]] of Object.entries(wrong)) {
  test(`module-core: ${what} is told at the line of the unit`, async () => {
    const load = 'load("@module-core//classes/go.star", "go_binary")\n'
    const { errors } = await evaluate({ 'PROJECT.star': core, 'units/app.star': load + call })
    assert.deepEqual(errors.map(shown), [says])
  })
}
