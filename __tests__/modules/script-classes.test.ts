/** Classes of script languages, compiled programs and accounts: what they declare, and what they refuse. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PackageUnit } from '#engine/project/model.ts'
import { evaluate, shown } from '../engine/project/evaluating.ts'
import type { Texts } from '../support/project.ts'

const loads = [
  ['binary', 'binary'],
  ['bun', 'bun_app'],
  ['nodejs', 'nodejs_app'],
  ['openrc', 'openrc_service'],
  ['python', 'python_venv'],
  ['users', 'system_user'],
].map(([file, name]) => `load("@module-core//classes/${file}.star", "${name}")\n`)

async function evaluated(calls: string, texts: Texts = {}) {
  const { evaluated, errors } = await evaluate({
    'PROJECT.star':
      'project(name = "demo", version = "1.0", defaults = defaults(machine = "m"), modules = [module("yoe:module-core")])\n',
    'machines/m.star': 'machine(name = "m", arch = "x86_64")\n',
    ...texts,
    'units/app.star': `${loads.join('')}${calls}\n`,
  })
  const unit = evaluated?.project.units.find(({ name }) => name === 'app')
  return { unit: unit?.kind === 'package' ? unit : undefined, errors: errors.map(shown) }
}

async function unitOf(calls: string, texts: Texts = {}): Promise<PackageUnit> {
  const { unit, errors } = await evaluated(calls, texts)
  assert.deepEqual(errors, [])
  assert.ok(unit !== undefined)
  return unit
}

const names = ({ tasks }: PackageUnit): readonly string[] =>
  tasks.map(({ name, network }) => (network ? `${name} (network)` : name))

const commands = ({ tasks }: PackageUnit, name: string): readonly string[] =>
  tasks
    .filter((task) => task.name === name)
    .flatMap(({ steps }) => steps.flatMap((step) => (step.kind === 'run' ? [step.command] : [])))

test("an application's own tasks come before its packages are fetched, and replace those of the class by name", async () => {
  for (const [name, runtime] of [
    ['nodejs_app', 'nodejs'],
    ['bun_app', 'bun'],
  ] as const) {
    const own = 'tasks = [task("files", run = "x"), task("strip", remove = True)]'
    const unit = await unitOf(`${name}(name = "app", version = "1", ${own}, runtime_deps = ["zlib"])`)
    assert.deepEqual(names(unit), [`${runtime}-setup`, 'files', 'fetch (network)', `${runtime}-install`])
    assert.deepEqual(unit.runtimeDeps, [[{ name: runtime }], [{ name: 'zlib' }]])
    const folder = runtime === 'nodejs' ? 'node-apps' : 'bun-apps'
    assert.equal(unit.environment['APP_BUILD'], `/build/destdir/usr/lib/${folder}/app`)
    assert.equal(Object.keys(unit.cacheDirs).length, 1)
  }
})

test('python_venv: a list, its commands and where it is', async () => {
  const unit = await unitOf(
    'python_venv(name = "app", version = "1", pip_packages = ["a==1", "b==2"], install_path = "/opt/app", entry_points = {"run": "a.b", "call": "a:main"})',
  )
  assert.deepEqual(names(unit), ['fetch (network)', 'install', 'entry-points'])
  assert.deepEqual(commands(unit, 'entry-points'), ['python3 $HOME/entry_points.py /opt/app run a.b call a:main'])
  assert.deepEqual(commands(unit, 'fetch'), [
    "printf '%s\\n' 'a==1' 'b==2' >$HOME/requirements.txt",
    'python3 $HOME/fetch.py /var/cache/pip',
  ])
  const [, install, run, call] = commands(unit, 'install')
  assert.equal(install, 'python3 $HOME/install.py /var/cache/pip strip /opt/app')
  assert.match(run ?? '', /'exec \/opt\/app\/bin\/python -m a\.b "\$@"' >\$DESTDIR\/usr\/bin\/run/)
  assert.match(call ?? '', /'#!\/opt\/app\/bin\/python\nimport sys\nfrom a import main\nsys\.exit\(main\(\)\)\n'/)
})

test('binary: the one of the architecture, from wherever it is', async () => {
  const digest = '1'.repeat(64)
  const unit = await unitOf(
    `binary(name = "app", version = "1", sources = {"x86_64": ("https://example.org/x.tar.gz", "${digest}"), "arm64": ("https://example.org/a.tar.gz", "${digest}")}, files = {"a b": "/usr/bin/app"})`,
  )
  assert.deepEqual(unit.source?.kind === 'archive' && [unit.source.urls, unit.source.sha256], [
    ['https://example.org/x.tar.gz'],
    digest,
  ])
  assert.deepEqual(commands(unit, 'install'), ["sh $HOME/install.sh 'app' 'a b' '/usr/bin/app'"])
  const missing = await unitOf(
    'binary(name = "app", version = "1", npm = {"arm64": ("app", "sha512-x"), "riscv64": ("app", "sha512-x")})',
  )
  assert.match(commands(missing, 'build').join(), /error: app 1 comes compiled for arm64, riscv64, not for x86_64/)
  const npm = await unitOf('binary(name = "app", version = "1.2", npm = {"x86_64": ("@a/app", "sha512-x")})')
  assert.deepEqual(names(npm), ['fetch (network)', 'install'])
  assert.deepEqual(commands(npm, 'fetch'), ["node $HOME/npm.js /var/cache/npm-packages '@a/app@1.2' 'sha512-x'"])
})

test('system_user: an id of its own, by name or as told', async () => {
  const lines = async (call: string): Promise<readonly string[]> => {
    const unit = await unitOf(`unit(name = "app", version = "1")\n${call}`)
    return unit.tasks.flatMap(({ name }) => commands(unit, name)).map((line) => /'%s\\n' (.*) >>/.exec(line)?.[1] ?? '')
  }
  assert.deepEqual(await lines('system_user("app", "sensor", groups = ["dialout"])'), [
    `'u sensor 670 "sensor" / /usr/sbin/nologin' 'm sensor dialout'`,
  ])
  assert.deepEqual(await lines('system_user("app", "sensor", uid = 7, home = "/var/lib/s", description = "It\'s")'), [
    `'u sensor 7 "It'\\''s" /var/lib/s /usr/sbin/nologin'`,
  ])
})

test('openrc_service: a script, and a link in its runlevel', async () => {
  const unit = await unitOf(
    'unit(name = "app", version = "1")\nopenrc_service("app", "app.initd", runlevel = "boot")',
    {
      'units/app/app.initd': '#!/sbin/openrc-run\n',
    },
  )
  assert.deepEqual(commands(unit, 'openrc app'), [
    'install -d $DESTDIR/etc/runlevels/boot && ln -s /etc/init.d/app $DESTDIR/etc/runlevels/boot/app',
  ])
  assert.deepEqual([unit.conffiles, unit.runtimeDeps], [['/etc/init.d/app'], [[{ name: 'openrc' }]]])
})

const refused: Readonly<Record<string, readonly [call: string, says: RegExp]>> = {
  'an open version': [
    'python_venv(name = "app", version = "1", pip_packages = ["a[x]>=1"])',
    /"a\[x\]>=1" leaves its version open; write it as a==1\.2\.3/,
  ],
  'a text that should be a list': [
    'python_venv(name = "app", version = "1", pip_packages = "a==1")',
    /python_venv\(\): pip_packages is a list: pip_packages = \["a==1"\]/,
  ],
  'two lists': [
    'python_venv(name = "app", version = "1", pip_packages = ["a==1"], requirements = "r.txt")',
    /pip_packages or in requirements, not in both/,
  ],
  'a list that is not there': [
    'python_venv(name = "app", version = "1", requirements = "r.txt")',
    /there is no file units\/app\/r\.txt/,
  ],
  'a command with a space': [
    'python_venv(name = "app", version = "1", entry_points = {"a b": "m"})',
    /"a b" is no name of a command/,
  ],
  'what is no module': [
    'python_venv(name = "app", version = "1", entry_points = {"a": "m; rm"})',
    /"m; rm" is neither a module nor module:function/,
  ],
  'a folder that leaves': [
    'nodejs_app(name = "app", version = "1", install_path = "/opt/../etc")',
    /install_path: "\/opt\/\.\.\/etc" is no absolute folder/,
  ],
  'a program from nowhere': ['binary(name = "app", version = "1")', /say source, sources or npm, one of them/],
  'an account with a colon': [
    'unit(name = "app", version = "1")\nsystem_user("app", "a:b")',
    /"a:b" is no name of an account/,
  ],
  'a description that /etc/passwd can not hold': [
    'unit(name = "app", version = "1")\nsystem_user("app", "a", description = "x:y")',
    /"x:y" has a character/,
  ],
}

for (const [what, [call, says]] of Object.entries(refused)) {
  test(`module-core refuses ${what}`, async () => {
    const { errors } = await evaluated(call)
    assert.equal(errors.length, 1, errors.join('\n'))
    assert.match(errors[0] ?? '', /^units\/app\.star:[78]: /)
    assert.match(errors[0] ?? '', says)
  })
}
