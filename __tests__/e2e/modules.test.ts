/** Modules from repositories, by the command line. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { gitDaemon, moduleTexts, TestRepository } from '../support/git.ts'
import { served } from '../support/local-server.ts'
import { scratch, testProject } from '../support/project.ts'
import { faultsOf } from '../support/schema.ts'
import { listing, units, world } from './module-world.ts'

test('modules are fetched when they are missing, all that they ask for too, and locked', async (t) => {
  const { project, hal, bsp, lock } = world(t)
  const first = await project.yoe(['list', 'modules'])
  assert.equal(first.code, 0, first.stderr)
  assert.match(first.stderr, /yoe.lock keeps 2 modules where they are now: commit it/)
  assert.match(first.stdout, /hal[\s\S]*bsp/)
  assert.equal(
    lock(),
    `# What refs and feeds meant when they were last updated. Commit it; "yoe update" moves it.
yoe.lock 1
module url=${bsp.url} ref=v1 commit=${bsp.head}
module url=${hal.url.replace('.git', '')} ref=v1 commit=${hal.head}
`,
  )
  assert.deepEqual(await units(project), ['bsp-unit 1.0', 'hal-unit 1.0'])
  // From now on nothing is asked, and no git is started.
  rmSync(bsp.folder, { recursive: true, force: true })
  const noGit = join(project.root, '../bin')
  writeFileSync(join(project.root, 'note'), '')
  const again = await project.yoe(['list', 'modules'], { env: { PATH: noGit } })
  assert.deepEqual([again.code, again.stderr], [0, ''])
})

test('a module whose repository vanished builds from what is here; what is not here is told', async (t) => {
  const { project, bsp, hal } = world(t)
  await project.yoe(['module', 'sync'])
  for (const folder of [bsp.folder, hal.folder]) renameSync(folder, `${folder}-gone`)
  for (const entry of readdirSync(join(project.root, 'cache/modules'))) {
    if (!entry.endsWith('.git')) rmSync(join(project.root, 'cache/modules', entry), { recursive: true, force: true })
  }
  assert.deepEqual(await units(project), ['bsp-unit 1.0', 'hal-unit 1.0'])
  rmSync(join(project.root, 'cache/modules'), { recursive: true, force: true })
  const { code, stderr } = await project.yoe(['list'])
  assert.equal(code, 1)
  assert.match(
    stderr,
    /^error\[FETCH_FAILED\]: yoe.lock:3: module "bsp": commit \w{40} can't be fetched\n {4}file:.*bsp: fatal: /,
  )
  renameSync(`${bsp.folder}-gone`, bsp.folder)
  const second = await project.yoe(['list'])
  assert.match(second.stderr, /yoe.lock:4: module "hal": commit \w{40} can't be fetched \(project → bsp → hal\)\n/)
})

test('offline, what is missing is named', async (t) => {
  const project = testProject(t, {
    'PROJECT.star': listing('module("https://example.invalid/vendor/hal", ref = "v1")'),
  })
  const { code, stderr } = await project.yoe(['list', '--offline'])
  assert.equal(code, 1)
  assert.match(
    stderr,
    /PROJECT.star:1: module "hal": https:\/\/example.invalid\/vendor\/hal would have to be asked, and yoe works offline/,
  )
})

test('list, its tree, info and sync say what is there', async (t) => {
  const { project, hal, bsp } = world(t)
  hal.commit({ x: '1' })
  hal.tag('v2')
  const app = new TestRepository(
    join(bsp.folder, '../app'),
    moduleTexts('app', [`module("${hal.url}", ref = "v2")`, 'module("yoe:module-core")']),
  )
  app.tag('v1')
  project.write({
    'PROJECT.star': listing(
      `module("${bsp.url}", ref = "v1")`,
      `module("${app.url}", ref = "v1")`,
      `module("${hal.url}", ref = "v9", local = "vendor/x")`,
    ),
    'vendor/x/MODULE.star': 'module_info(name = "hal", description = "mine")\n',
  })
  const sync = await project.yoe(['module', 'sync'])
  assert.equal(sync.code, 0, sync.stderr)
  assert.match(
    sync.stdout,
    /^Module +Ref +Commit +Status\n@bsp +v1 +\w{12} {2}fetched\n@module-core +ships with yoe \(transitive\)\n@app +v1 +\w{12} {2}fetched\n@hal +\(local: vendor\/x\)\n$/,
  )
  writeFileSync(
    join(
      project.root,
      'cache/modules',
      readdirSync(join(project.root, 'cache/modules')).find((name) => name.startsWith('bsp-')) ?? '',
      'MODULE.star',
    ),
    'edited',
  )
  const again = await project.yoe(['module', 'sync'])
  assert.match(again.stdout, /@bsp +v1 +\w{12} {2}fetched\n[\s\S]*@app +v1 +\w{12} {2}up to date\n/)
  const canonical = hal.url.replace('.git', '')
  const tree = await project.yoe(['module', 'list', '--tree'])
  assert.match(
    tree.stdout,
    new RegExp(`^@bsp {2}v1 \\w{12}
└── @hal {2}\\(local: vendor/x\\) {2}\\(the project's; wanted: ${canonical} at v1\\)
@app {2}v1 \\w{12}
├── @hal {2}\\(local: vendor/x\\) {2}\\(the project's; wanted: ${canonical} at v2\\)
└── @module-core {2}ships with yoe
@hal {2}\\(local: vendor/x\\)
$`),
  )
  const info = await project.yoe(['module', 'info', '@hal'])
  assert.match(info.stdout, /^description {2}mine$/m)
  assert.match(info.stdout, /^needed by +@bsp, @app$/m)
  assert.match((await project.yoe(['module', 'info', 'hale'])).stderr, /MODULE_NOT_FOUND.*\n.*did you mean "hal"\?/)
  for (const args of [['sink'], ['info'], ['list', 'x']]) assert.equal((await project.yoe(['module', ...args])).code, 2)
  const warm = await project.yoe(['module', 'list', '--json'])
  assert.deepEqual(faultsOf('module', JSON.parse(warm.stdout)), [])
  for (const args of [['info', 'hal'], ['check-updates'], ['sync'], ['update']]) {
    const { stdout } = await project.yoe(['module', ...args, '--json'])
    assert.deepEqual(faultsOf(args[0] === 'update' ? 'update' : 'module', JSON.parse(stdout)), [], args[0])
  }
  assert.deepEqual(
    JSON.parse(warm.stdout).map(({ name }: { name: string }) => name),
    ['bsp', 'module-core', 'app', 'hal'],
  )
})

test('modules of one repository, in its folders; a module names its neighbours, and nothing outside', async (t) => {
  const repos = scratch(t)
  const core = moduleTexts('core', ['module(local = "../shared")'])
  const mono = new TestRepository(join(repos, 'mono'), {
    ...Object.fromEntries(Object.entries(core).map(([path, text]) => [`modules/core/${path}`, text])),
    ...Object.fromEntries(
      Object.entries(moduleTexts('shared')).map(([path, text]) => [`modules/shared/${path}`, text]),
    ),
    'modules/bad/MODULE.star': 'module_info(name = "bad", deps = [module(local = "../../../etc")])\n',
  })
  const project = testProject(t, {
    'PROJECT.star': listing(`module("${mono.url}", ref = "main", path = "modules/core")`),
  })
  assert.deepEqual(await units(project), ['core-unit 1.0', 'shared-unit 1.0'])
  project.write({ 'PROJECT.star': listing(`module("${mono.url}", ref = "main", path = "modules/bad")`) })
  const { code, stderr } = await project.yoe(['list'])
  assert.equal(code, 2)
  assert.match(
    stderr,
    /@bad\/\/MODULE.star:1: module "etc": its folder lies outside of file:.*mono\/\/modules\/bad at main/,
  )
  // A link out of a module is no way out either.
  symlinkSync('/etc/hostname', join(mono.folder, 'modules/shared/units/link.star'))
  mono.commit({})
  project.write({ 'PROJECT.star': listing(`module("${mono.url}", ref = "${mono.head}", path = "modules/shared")`) })
  assert.match((await project.yoe(['list'])).stderr, /@shared\/\/units\/link.star is a link that leads out/)
})

test('conflicts and cycles say the way to them', async (t) => {
  const repos = scratch(t)
  const made = (name: string, deps: readonly string[] = []): TestRepository =>
    new TestRepository(join(repos, name), moduleTexts(name.replace(/.*\//, ''), deps))
  const [one, two] = [made('one/hal'), made('two/hal')]
  const [a, b] = [made('a', [`module("${one.url}", ref = "main")`]), made('b', [`module("${two.url}", ref = "main")`])]
  const project = testProject(t, {
    'PROJECT.star': listing(`module("${a.url}", ref = "main")`, `module("${b.url}", ref = "main")`),
  })
  const { code, stderr } = await project.yoe(['list'])
  assert.equal(code, 2)
  assert.ok(
    stderr.includes(`error[MODULE_CONFLICT]: @b//MODULE.star:1: two modules are called "hal":
    ${one.url} at main (project → a → hal)
    ${two.url} at main (project → b → hal)
  hint: say in PROJECT.star which is meant: modules = [module("${one.url}", ref = "main"), …]
`),
    stderr,
  )
  project.write({
    'PROJECT.star': listing(
      `module("${a.url}", ref = "main")`,
      `module("${b.url}", ref = "main")`,
      `module("${two.url}", ref = "main")`,
    ),
  })
  assert.equal((await project.yoe(['list'])).code, 0)
  const c = join(repos, 'c')
  const d = made('d', [`module("file://${c}", ref = "main")`])
  new TestRepository(c, moduleTexts('c', [`module("${d.url}", ref = "main")`]))
  project.write({ 'PROJECT.star': listing(`module("${d.url}", ref = "main")`) })
  assert.match(
    (await project.yoe(['list'])).stderr,
    /^error\[DEP_CYCLE\]: @c\/\/MODULE.star:1: module dep cycle: d → c → d$/m,
  )
})

test('any transport that git speaks, and mirrors of addresses', async (t) => {
  const { project, hal, repos } = world(t)
  // Stands in for ssh: runs what it is asked to run, whatever the host, and says that it was asked.
  const ssh = join(repos, 'ssh')
  writeFileSync(
    ssh,
    `#!/bin/sh\necho "$@" >> ${repos}/asked\nfor last; do :; done\ncd ${repos} && exec sh -c "$last"\n`,
    { mode: 0o755 },
  )
  const daemon = await gitDaemon(t, repos)
  const env = { GIT_SSH_COMMAND: ssh }
  for (const [url, more] of [
    ['git@board.example:hal.git', env],
    [`ssh://git@board.example${hal.folder}`, env],
    [`${daemon}/hal.git`, {}],
    ['https://board.example/hal', { YOE_MIRRORS: `https://board.example=file://${repos},only` }],
    ['board.example/hal.git', { YOE_MIRRORS: `https://board.example/=${daemon}/,only` }],
  ] as const) {
    project.write({ 'PROJECT.star': listing(`module("${url}", ref = "v1")`) })
    const { code, stderr } = await project.yoe(['module', 'sync'], { env: more })
    assert.equal(code, 0, stderr)
    assert.deepEqual(await units(project), ['hal-unit 1.0'])
  }
  assert.match(readFileSync(join(repos, 'asked'), 'utf8'), /git@board.example git-upload-pack 'hal.git'/)
  assert.deepEqual(
    readFileSync(join(project.root, 'yoe.lock'), 'utf8')
      .split('\n')
      .slice(2, -1)
      .map((line) => line.split(' ')[1]?.replace(/127.*:\d+/, 'daemon')),
    [
      'url=git://daemon/hal',
      'url=git@board.example:hal',
      'url=https://board.example/hal',
      `url=ssh://git@board.example${hal.folder.replace('.git', '')}`,
    ],
  )
})

test("mirrors of the project itself are asked for its modules, an ssh address's too", async (t) => {
  const { project, repos } = world(t)
  const only = { YOE_MIRRORS: 'only' }
  project.write({
    'PROJECT.star': `project(
    name = "demo",
    modules = [module("git@board.example:team/hal.git", ref = "v1")],
    sources = sources(mirrors = {"git@board.example:team": "file://${repos}"}),
)\n`,
  })
  const { code, stderr } = await project.yoe(['list'], { env: only })
  assert.equal(code, 0, stderr)
  const updates = await project.yoe(['module', 'check-updates'], { env: only })
  assert.equal(updates.code, 0, updates.stderr)
})

test('every repository that no longer answers is told at its line', async (t) => {
  const { project, hal, bsp } = world(t)
  assert.equal((await project.yoe(['list'])).code, 0)
  for (const { folder } of [hal, bsp]) renameSync(folder, `${folder}-gone`)
  assert.equal((await project.yoe(['module', 'sync'])).code, 0)
  const { code, stderr } = await project.yoe(['module', 'check-updates'])
  assert.equal(code, 1)
  assert.deepEqual(
    stderr.match(/^error.*/gm)?.toSorted(),
    [
      ['@bsp//MODULE.star:1', 'hal'],
      ['PROJECT.star:1', 'bsp'],
    ].map(([at, name]) => `error[FETCH_FAILED]: ${at}: module "${name}": a repository can't be asked for its refs`),
  )
})

test('nothing asks a question: a repository that wants a password is an error', async (t) => {
  const server = createServer((_request, response) =>
    response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end(),
  )
  const { host } = new URL(await served(t, server))
  const project = testProject(t, {
    'PROJECT.star': listing(`module("http://me:hush@${host}/hal", ref = "v1")`),
  })
  const { code, stderr } = await project.yoe(['list'])
  assert.equal(code, 1)
  assert.match(
    stderr,
    /FETCH_FAILED.*module "hal": a repository can't be asked for its refs\n {4}http:\/\/\*\*\*@127.*: fatal: /,
  )
  assert.doesNotMatch(stderr, /hush/)
})
