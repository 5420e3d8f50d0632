/** What the command line says to wrong projects and wrong use: exit codes, texts, JSON; nothing here needs a network or a sandbox. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { bareProject, checkout, projectIn, type Ran, scratch, type Texts, testProject } from '../support/project.ts'

/** Whatever happens, these never reach a user. */
function clean({ stdout, stderr }: Ran): void {
  const text = stdout + stderr
  assert.doesNotMatch(text, /^ {4}at |node:internal|\.ts:\d+/m, 'no stack trace')
  assert.doesNotMatch(text, /internal error/)
  assert.doesNotMatch(text, /[\x00-\x08\x0b-\x1f\x7f-\x9f]|[\u202a-\u202e]/, 'nothing that a terminal obeys')
}

interface Case {
  readonly texts?: Texts
  readonly args: readonly string[]
  readonly code: number
  /** All of standard error. */
  readonly said: string
}

const usage = (said: string, ...args: string[]): Case => ({ args, code: 2, said: `error[USAGE]: ${said}\n` })

const cases: Readonly<Record<string, Case>> = {
  'a misspelt command': usage('yoe has no command "bild"\n  hint: did you mean "build"?', 'bild'),
  'a command that JavaScript knows': usage(
    'yoe has no command "constructor"\n  hint: yoe --help lists the commands',
    'constructor',
  ),
  'help for what is no command': usage(
    'yoe has no command "toString"\n  hint: yoe --help lists the commands',
    'help',
    'toString',
  ),
  'options before the command': usage(
    '--quiet stands where the command belongs\n  hint: options come after it: yoe list --quiet',
    '--quiet',
    'list',
  ),
  'a misspelt option': usage(
    'yoe list has no option --machin\n  hint: did you mean "--machine"?',
    'list',
    '--machin',
    'x',
  ),
  'an option without its value': usage(
    'yoe list: --machine needs a value\n  hint: yoe list --help explains its options',
    'list',
    '--machine',
  ),
  'a value that is an option': usage(
    'yoe list: --machine needs a value\n  hint: yoe list --help explains its options',
    'list',
    '--machine',
    '--quiet',
  ),
  'a value for a switch': usage(
    'yoe list: --quiet takes no value\n  hint: yoe list --help explains its options',
    'list',
    '--quiet=1',
  ),
  'too many arguments': usage('yoe doctor takes no arguments, not 1\n  hint: yoe doctor', 'doctor', 'now'),
  'nothing to add': usage('say what to add\n  hint: yoe new unit URL, or yoe new app --lang LANG NAME', 'new'),
  'an application without a name': usage(
    'say how it is called\n  hint: yoe new app --lang go NAME',
    'new',
    'app',
    '--lang',
    'go',
  ),
  'sources from nowhere': usage('say where the sources are\n  hint: yoe new unit URL', 'new', 'unit'),
  'too few arguments': usage('yoe desc takes 1 argument, not 0\n  hint: yoe desc NAME [--inputs|--config]', 'desc'),
  'a number of jobs that is none': usage('"many" is no number of jobs\n  hint: say -j 4', 'build', '-j', 'many'),
  'a lock file that is none': {
    texts: { 'PROJECT.star': bareProject, 'yoe.lock/x': '' },
    args: ['list'],
    code: 3,
    said: "error[PERMISSION]: yoe.lock can't be read (EISDIR)\n  hint: remove it, or make it a readable file\n",
  },
  'no default image': {
    texts: {
      'PROJECT.star': 'project(name = "demo", modules = [module("yoe:module-debian")])\n',
      'machines/m.star': 'machine(name = "box", arch = "x86_64")\n',
      'images/i.star': 'image(name = "one", artifacts = [])\nimage(name = "two", artifacts = [])\n',
    },
    args: ['graph'],
    code: 2,
    said: `error[USAGE]: PROJECT.star:1: this project has no default image, so say what to build
  hint: add defaults = defaults(image = "one"), or name one: one, two
`,
  },
  'machines that are none': {
    texts: { 'PROJECT.star': bareProject, 'machines/m.star': 'machine(name = "box", arch = "x86_64")\n' },
    args: ['list', 'machines', 'foo'],
    code: 0,
    said: 'nothing is so\n',
  },
  'a time that is none': usage(
    '"soon" is no time\n  hint: say --timeout 90s or --timeout 10m',
    'run',
    '--timeout',
    'soon',
  ),
  'a size that is none': usage('"big" is no size\n  hint: say --memory 2G', 'run', '--memory', 'big'),
  'a field of a query that is misspelt': usage(
    'a query knows no field "tpye"\n  hint: did you mean "type"?',
    'list',
    'tpye:unit',
  ),
  'no place to publish to': usage('say where to publish\n  hint: yoe publish --to DIR', 'publish'),
  'no log': usage('nothing was built here yet\n  hint: yoe build makes logs', 'log'),
  'nothing to clean': usage(
    'nothing of "app" was built here\n  hint: yoe clean, without a name, removes all that was built',
    'clean',
    'app',
  ),
  'a project elsewhere that is none': {
    args: ['list', '--project', '/nonexistent/PROJECT.star'],
    code: 2,
    said: 'error[PROJECT_NOT_FOUND]: there is no PROJECT.star in /nonexistent\n  hint: name the folder that holds it, or a .star file that declares a project\n',
  },
  'a project without machines': {
    args: ['plan'],
    code: 2,
    said: 'error[MACHINE_NOT_FOUND]: PROJECT.star:1: this project names no machine\n  hint: add defaults = defaults(machine = "…"), or say --machine; there are: none\n',
  },
  'one error': {
    texts: {
      'units/a.star': 'unit(name = "aa", versoin = "1")\nunit(name = "bb", version = "1")\n'.replace(
        'versoin = "1"',
        'version = "1", licens = ""',
      ),
    },
    args: ['list'],
    code: 2,
    said: 'error[UNKNOWN_FIELD]: units/a.star:1: unit() has no field "licens"\n  hint: did you mean "license"?\n',
  },
  'several errors, counted': {
    texts: {
      'units/b.star': 'load("//no.star", "x")\n',
      'units/c.star': 'unit(\n',
      'images/i.star': 'image(name = "ii")\n',
    },
    args: ['list'],
    code: 2,
    said: `error[LOAD_NOT_FOUND]: units/b.star:1: there is no file no.star
error[STAR_SYNTAX]: units/c.star:2: got end of file, want ')'
error[BAD_FIELD]: images/i.star:1: image(): artifacts is missing
  hint: add artifacts = …
3 errors
`,
  },
  'escape codes in a message': {
    texts: { 'units/a.star': 'fail("\\x1b[31mred\\x1b[0m \\x1b]52;c;aGk=\\x07 \\r\\u202egnp.exe")\n' },
    args: ['list'],
    code: 2,
    said: 'error[STAR_EVAL]: units/a.star:1: red  \\x0d\\u{202e}gnp.exe\n',
  },
  'a hostile file name': {
    texts: { 'units/a\u001b[31m\u202e.star': 'fail("x")\n' },
    args: ['list'],
    code: 2,
    said: 'error[STAR_EVAL]: units/a\\u{202e}.star:1: x\n',
  },
}

for (const [what, { texts = {}, args, code, said }] of Object.entries(cases)) {
  test(`${what}: exit ${code}`, async (t) => {
    const project = testProject(t, { 'PROJECT.star': bareProject, ...texts })
    const ran = await project.yoe(args)
    clean(ran)
    assert.deepEqual({ code: ran.code, stderr: ran.stderr, stdout: ran.stdout }, { code, stderr: said, stdout: '' })
  })
}

test('outside of any project: exit 2, and how to make one', async (t) => {
  const project = testProject(t, {})
  mkdirSync(project.root, { recursive: true })
  const ran = await project.yoe(['list'])
  clean(ran)
  assert.equal(ran.code, 2)
  assert.match(
    ran.stderr,
    /^error\[PROJECT_NOT_FOUND\]: neither .*project nor a folder above it has a PROJECT.star\n {2}hint: yoe init NAME/,
  )
})

test('errors as JSON: the same facts, and nothing else on standard output', async (t) => {
  const project = testProject(t, {
    'PROJECT.star': bareProject,
    'units/a.star': '\nunit(name = "aa", version = "1", licens = "x", deps = 3)\n',
  })
  const ran = await project.yoe(['list', '--json'])
  clean(ran)
  assert.equal(ran.code, 2)
  assert.deepEqual(JSON.parse(ran.stdout), {
    errors: [
      {
        code: 'UNKNOWN_FIELD',
        message: 'unit() has no field "licens"',
        at: { file: 'units/a.star', line: 2, column: 5 },
        hint: 'did you mean "license"?',
      },
      {
        code: 'BAD_FIELD',
        message: 'unit(): deps must be a list, not the number 3',
        at: { file: 'units/a.star', line: 2, column: 5 },
      },
    ],
  })
  assert.match(ran.stderr, /2 errors\n$/)
})

test('a machine that lacks programs: exit 3, each with the package that brings it', async (t) => {
  const empty = scratch(t)
  const ran = await testProject(t, { 'PROJECT.star': bareProject }).yoe(['doctor', '--json'], { env: { PATH: empty } })
  clean(ran)
  assert.equal(ran.code, 3)
  const { ok, findings }: { ok: boolean; findings: { subject: string; ok: boolean; hint?: string }[] } = JSON.parse(
    ran.stdout,
  )
  assert.equal(ok, false)
  for (const [tool, debianPackage] of [
    ['bwrap', 'bubblewrap'],
    ['git', 'git'],
  ]) {
    const finding = findings.find(({ subject }) => subject === tool)
    assert.equal(finding?.ok, false, JSON.stringify(findings))
    assert.match(finding?.hint ?? '', new RegExp(`apt(-get)? install .*${debianPackage}`))
  }
})

test('help: for all, for each, exit 0', async (t) => {
  const project = testProject(t, {})
  mkdirSync(project.root, { recursive: true })
  const overview = await project.yoe([])
  assert.deepEqual([overview.code, overview.stderr], [0, ''])
  const names = [...overview.stdout.matchAll(/^ {2}([a-z]+) {2,}/gm)].map(([, name = '']) => name)
  assert.ok(names.length >= 13, overview.stdout)
  const helps = await Promise.all(names.map((name) => project.yoe([name, '--help'])))
  helps.forEach((help, index) => {
    assert.deepEqual([help.code, help.stderr], [0, ''])
    assert.ok(help.stdout.startsWith(`usage: yoe ${names[index]}`))
    // A script is a script.
    assert.match(
      help.stdout,
      names[index] === 'completion' ? /\noptions:\n {2}-h, --help/ : /\noptions:\n[\s\S]*--json/,
    )
    for (const line of help.stdout.split('\n')) assert.ok(line.length <= 130, line)
  })
})

test('a current folder that is gone is told as such', (t) => {
  const { root } = testProject(t, { 'PROJECT.star': bareProject })
  const script = `mkdir gone && cd gone && rmdir "$PWD" && "${process.execPath}" --disable-warning=ExperimentalWarning "${join(checkout, 'src/cli/main.mjs')}" list`
  const ran = spawnSync('bash', ['-c', script], { cwd: root, encoding: 'utf8' })
  assert.deepEqual([ran.status, ran.stdout], [2, ''])
  assert.equal(
    ran.stderr,
    'error[PROJECT_NOT_FOUND]: the current folder was removed\n  hint: cd to one that is there\n',
  )
})

test('a reader that has seen enough closes its pipe: no stack trace', (t) => {
  const { root } = testProject(t, {
    'PROJECT.star': bareProject,
    'units/u.star': '[unit(name = "unit-%d" % n, version = "1", description = "x" * 190) for n in range(3000)]\n',
  })
  const script = `"${process.execPath}" --disable-warning=ExperimentalWarning "${join(checkout, 'src/cli/main.mjs')}" list | head -c 100 >/dev/null; echo "\${PIPESTATUS[0]}"`
  const ran = spawnSync('bash', ['-c', script], { cwd: root, encoding: 'utf8' })
  assert.equal(ran.stderr, '')
  assert.equal(ran.stdout, '0\n')
})

test('a project is found from any folder of it', async (t) => {
  const project = testProject(t, {
    'PROJECT.star': bareProject,
    'units/deep/u.star': 'unit(name = "uu", version = "1")\n',
  })
  for (const cwd of ['.', 'units', 'units/deep']) {
    const ran = await project.yoe(['list', 'units', '--json'], { cwd: join(project.root, cwd) })
    assert.deepEqual(
      JSON.parse(ran.stdout).units.map(({ name }: { name: string }) => name),
      ['uu'],
    )
  }
})

test('what is kept of an evaluation is used, and deleted or damaged makes no difference', async (t) => {
  const project = testProject(t, {
    'PROJECT.star': bareProject,
    'classes/c.star': 'v = "1"\n',
    'units/u.star': 'load("//classes/c.star", "v")\nunit(name = "uu", version = v, x = {"__proto__": 1, "a\\\\": 2})\n',
  })
  const listed = async (): Promise<string> => {
    const ran = await project.yoe(['list', '--json'])
    clean(ran)
    assert.equal(ran.code, 0, ran.stderr)
    return ran.stdout
  }
  const first = await listed()
  const [kept = '', ...others] = globSync('build/.evaluated/*', { cwd: project.root }).map((path) =>
    join(project.root, path),
  )
  assert.ok(kept !== '' && others.length === 0)
  const { ino } = statSync(kept)
  assert.equal(await listed(), first)
  assert.equal(statSync(kept).ino, ino, 'nothing was evaluated again')
  const whole = readFileSync(kept)
  const damages: readonly (() => void)[] = [
    () => writeFileSync(kept, ''),
    () => writeFileSync(kept, '{}'),
    () => writeFileSync(kept, 'null'),
    () => truncateSync(kept, 100),
    () => writeFileSync(kept, whole.toString().replace('"version":"1"', '"version":"9"')),
    () => writeFileSync(kept, Buffer.concat([whole, Buffer.from('{}')])),
  ]
  for (const damage of damages) {
    damage()
    assert.equal(await listed(), first)
    assert.deepEqual(readFileSync(kept), whole, 'and it is kept anew')
  }
  project.write({ 'classes/c.star': 'v = "2"\n' })
  assert.match(await listed(), /"version": "2"/)
  project.write({ 'units/more.star': 'unit(name = "more", version = "1")\n' })
  assert.match(await listed(), /"more"/)
  project.write({ 'images/i.star': 'image(name = "first-image", artifacts = [])\n' })
  assert.match(await listed(), /"first-image"/)
})

test('a cache that can not be written is no failure', {
  skip: process.getuid?.() === 0 && 'root writes anywhere',
}, async (t) => {
  const project = testProject(
    t,
    { 'PROJECT.star': bareProject, 'units/u.star': 'unit(name = "uu", version = "1")\n' },
    '/proc/yoe',
  )
  assert.equal((await project.yoe(['list'])).code, 0)
})

test('a new project says of itself what it was told, and hostile names make none', async (t) => {
  const folder = scratch(t)
  const project = projectIn(folder, join(folder, 'home'))
  for (const name of ['..', 'a b', '-x', 'A', 'x"y', '$(id)', '\u202ex']) {
    const ran = await project.yoe(['init', '--', join(folder, 'made', name)])
    clean(ran)
    assert.equal(ran.code, 2, name)
  }
  const bad = await project.yoe(['init', 'fine', '--machine', 'x"); fail("y'])
  assert.equal(bad.code, 2)
  const made = await project.yoe(['init', 'fine'])
  assert.deepEqual([made.code, made.stderr], [0, ''])
  const again = await project.yoe(['init', 'fine'])
  assert.match(again.stderr, /is not empty/)
  const alpine = await project.yoe(['init', 'small', '--distro', 'alpine'])
  assert.deepEqual([alpine.code, alpine.stderr], [0, ''])
  for (const [name, base] of [
    ['fine', 'base-debian'],
    ['small', 'base-alpine'],
  ] as const) {
    const listed = await project.yoe(['list', 'units'], { cwd: join(folder, name) })
    assert.match(listed.stdout, /hello +make +project +0\.1\.0/)
    assert.ok(listed.stdout.includes(base), listed.stdout)
  }
  const unknown = await project.yoe(['init', 'other', '--distro', 'alpin'])
  assert.match(
    unknown.stderr,
    /^error\[USAGE\]: there is no new project for alpin\n {2}hint: did you mean "alpine"\?\n$/,
  )
})

test('the example is evaluated the same wherever it lies', async (t) => {
  const folder = scratch(t)
  const outputs = await Promise.all(
    ['one', 'other/place'].map(async (place) => {
      const root = join(folder, place)
      mkdirSync(root, { recursive: true })
      for (const part of ['PROJECT.star', 'units', 'images', 'overlays', 'sensord'])
        cpSync(join(checkout, 'examples/gateway', part), join(root, part), { recursive: true })
      return (await projectIn(root, join(folder, 'home')).yoe(['list', '--json'])).stdout
    }),
  )
  assert.equal(outputs[0], outputs[1])
})
