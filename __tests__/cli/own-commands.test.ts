/** Commands that projects and modules bring: commands/NAME.star. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { processesWith, until } from '../support/processes.ts'
import { bareProject, type Ran, scratch, testProject } from '../support/project.ts'

const declare = (name: string, args = '', body = 'pass'): string =>
  `command(name = "${name}", description = "Does ${name}", args = [${args}])\n\ndef run(ctx):\n    ${body}\n`

const withModules = `project(
    name = "demo",
    version = "1.0",
    modules = [module(local = "mods/first"), module(local = "mods/second")],
)
`

function said({ code, stdout, stderr }: Ran): readonly [number, string, string] {
  return [code, stdout, stderr]
}

test("the seed's example: typed arguments, programs, log, and what the project is", async (t) => {
  const project = testProject(t, {
    'PROJECT.star': bareProject,
    'machines/m.star': 'machine(name = "box", arch = "arm64")\n',
    'images/i.star': 'image(name = "base-image", artifacts = [])\n',
    'local.star': 'image = "base-image"\n',
    'commands/deploy.star': `load("lib/words.star", "shout")

command(
    name = "deploy",
    description = "Deploy image to target device via SSH",
    args = [
        arg("target", required = True, help = "Target device hostname/IP"),
        arg("--image", default = "base-image", help = "Image to deploy"),
        arg("--wait-seconds", type = "int", default = 2),
        arg("--reboot", type = "bool", help = "Reboot after install"),
        arg("--note"),
    ],
)

def run(ctx):
    a = ctx.args
    ctx.log("Deploying", a.image, "to", a.target, [1, "x"], True)
    print(repr([a.target, a.image, a.wait_seconds + 1, a.reboot, a.note, shout("x")]))
    print(repr(ctx.shell("printf", "%s|%s", "a b; echo $HOME", 3)))
    print(repr(ctx.shell("echo one; echo two >&2; exit 3", check = False)))
    print(repr([ctx.project, ctx.project_version, ctx.machine, ctx.arch, ctx.image, ctx.distro]))
    print(ctx.shell("pwd") == ctx.project_root + "\\n", ctx.build_root == ctx.project_root + "/build")
    ctx.shell("echo $YOE_PROJECT $MINE")
`,
    'commands/lib/words.star': 'def shout(text): return text.upper()\n',
  })
  const args = ['deploy', '10.0.0.1', '--reboot', '--wait-seconds=40']
  const ran = await project.yoe(args, { env: { MINE: 'kept' } })
  assert.deepEqual(said(ran), [
    0,
    `["10.0.0.1", "base-image", 41, True, None, "X"]
a b; echo $HOME|3"a b; echo $HOME|3"
one
"one\\n"
["demo", "1.0", "box", "arm64", "base-image", None]
${project.root}
True True
${project.root}/PROJECT.star kept
`,
    'Deploying base-image to 10.0.0.1 [1, "x"] True\ntwo\n',
  ])
  const help = await project.yoe(['deploy', '--help'])
  assert.match(
    help.stdout,
    /^usage: yoe deploy TARGET \[--image IMAGE\] \[--wait-seconds N\] \[--reboot\] \[--note NOTE\]\n\nDeploy image/,
  )
  assert.match(help.stdout, /TARGET {2}Target device hostname\/IP \(required\)/)
  assert.match(help.stdout, /--image IMAGE +Image to deploy \(default: base-image\)/)
  assert.doesNotMatch(help.stdout, /--json/)
  assert.equal((await project.yoe(['help', 'deploy'])).stdout, help.stdout)
})

test('wrong use is told as for every command', async (t) => {
  const project = testProject(t, {
    'PROJECT.star': bareProject,
    'commands/go.star': declare('go', 'arg("where"), arg("--times", type = "int"), arg("--how", required = True)'),
  })
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['go', 'a', 'b', '--how', 'x'], /yoe go takes 0 to 1 argument.*, not 2/],
    [['go'], /yoe go needs --how/],
    [['go', '--how', 'x', '--times', 'many'], /--times must be a whole number, not "many"/],
    [['go', '--howw', 'x'], /yoe go has no option --howw\n.*did you mean "--how"/],
    [['go', '--how'], /--how needs a value/],
    [['goo'], /yoe has no command "goo"\n.*did you mean "go"/],
  ]
  for (const [args, want] of cases) {
    const ran = await project.yoe(args)
    assert.equal(ran.code, 2, args.join(' '))
    assert.match(ran.stderr, want)
  }
})

test('failures: exit 1 and what ran, no stack trace', async (t) => {
  const project = testProject(t, {
    'PROJECT.star': bareProject,
    'commands/go.star': declare(
      'go',
      'arg("what")',
      `if ctx.args.what == "exit": ctx.shell("sh", "-c", "exit 7")
    if ctx.args.what == "signal": ctx.shell("kill -9 $$")
    if ctx.args.what == "fail": fail("no device \\x1b[31m answers")
    if ctx.args.what == "missing": ctx.shell("no-such-program", "x")
    if ctx.args.what == "bug": ctx.nothing
    if ctx.args.what == "misuse": ctx.shell(["ls"])
    if ctx.args.what == "nul": ctx.shell("echo", "\\x00")
    if ctx.args.what == "endless": [x for x in range(1000000000)]
    if ctx.args.what == "much": ctx.shell("head -c 20000000 /dev/zero")`,
    ),
  })
  const cases: Readonly<Record<string, readonly [number, RegExp]>> = {
    exit: [1, /^error\[TASK_FAILED\]: commands\/go\.star:4: exit 7 of: sh -c 'exit 7'\n$/],
    signal: [1, /^error\[TASK_FAILED\]: commands\/go\.star:5: SIGKILL of: kill -9 \$\$\n$/],
    fail: [1, /^error\[TASK_FAILED\]: commands\/go\.star:6: no device {2}answers\n$/],
    missing: [3, /^error\[TOOL_MISSING\]: commands\/go\.star:7: there is no program "no-such-program"/],
    bug: [2, /^error\[STAR_EVAL\]: commands\/go\.star:8: .*has no \.nothing/],
    misuse: [2, /^error\[BAD_FIELD\]: commands\/go\.star:9: ctx\.shell takes texts and numbers, not a list/],
    nul: [2, /^error\[BAD_FIELD\]: commands\/go\.star:10: .*NUL/],
    endless: [2, /^error\[STAR_LIMIT\]: commands\/go\.star:11/],
    much: [1, /^error\[TASK_FAILED\]: commands\/go\.star:12: more than \d+ bytes were printed by: head/],
  }
  for (const [what, [code, want]] of Object.entries(cases)) {
    const ran = await project.yoe(['go', what])
    assert.match(ran.stderr, want)
    assert.equal(ran.code, code, what)
  }
})

test('a signal ends what the command started, and all that this started', async (t) => {
  const mark = `731${process.pid}`
  const project = testProject(t, {
    'PROJECT.star': bareProject,
    'commands/go.star': declare('go', '', `ctx.shell("sleep ${mark} & sleep ${mark}; echo never")`),
  })
  const running = project.start(['go'])
  await until('the programs run', () => processesWith(`sleep ${mark}`).length >= 2)
  running.child.kill('SIGINT')
  const ran = await running.ended
  assert.deepEqual([ran.code, ran.stdout], [1, ''])
  assert.match(ran.stderr, /^error\[CANCELLED\]: .*stopped by SIGINT/)
  await until('they are gone', () => processesWith(`sleep ${mark}`).length === 0, 10)
})

test('the project wins over modules, later modules over earlier; a broken file harms no other', async (t) => {
  const project = testProject(t, {
    'PROJECT.star': withModules,
    'commands/three.star': declare('three', '', 'print("project")'),
    'commands/broken.star': 'command(\n',
    'commands/build.star': declare('build'),
    'commands/other-name.star': declare('another'),
    'commands/silent.star': 'x = 1\n',
    'commands/idle.star': 'command(name = "idle", description = "x")\n',
    'commands/twice.star': `${declare('twice')}\n${declare('twice')}`,
    'commands/args.star': declare(
      'args',
      'arg("--in"), arg("b", type = "bool"), arg("--json"), arg("Bad"), arg("c", 3)',
    ),
    'commands/units.star': `unit(name = "x", version = "1")\n${declare('units')}`,
    'mods/first/commands/one.star': declare('one', '', 'print("first")'),
    'mods/first/commands/two.star': declare('two', '', 'print("first")'),
    'mods/second/commands/two.star': `load("//classes/c.star", "v")\n${declare('two', '', 'print("second", v)')}`,
    'mods/second/classes/c.star': 'v = 2\n',
    'mods/second/commands/three.star': declare('three', '', 'print("second")'),
  })
  const out = async (name: string): Promise<string> => (await project.yoe([name])).stdout
  assert.deepEqual([await out('one'), await out('two'), await out('three')], ['first\n', 'second 2\n', 'project\n'])
  const problems: Readonly<Record<string, RegExp>> = {
    broken: /STAR_SYNTAX\]: commands\/broken\.star:2/,
    'other-name': /name must be that of its file, "other-name"/,
    silent: /commands\/silent\.star calls no command/,
    idle: /commands\/idle\.star has no function run\(ctx\)/,
    twice: /command\(\) is called twice/,
    args: /word of the language[\s\S]*a bool is an option[\s\S]*every command has --json already[\s\S]*name must be[\s\S]*5 errors/,
    units: /commands\/units\.star:1: undefined: unit/,
  }
  for (const [name, want] of Object.entries(problems)) {
    const ran = await project.yoe([name])
    assert.equal(ran.code, 2, name)
    assert.match(ran.stderr, want)
  }
  const help = await project.yoe(['--help'])
  assert.equal(help.code, 0)
  assert.match(help.stdout, /\n {2}one +Does one +of first\n/)
  assert.match(help.stdout, /\n {2}three +Does three\n/)
  assert.match(help.stdout, /\n {2}build +can't be used: commands\/build\.star: yoe itself has this command\n/)
  assert.match(help.stdout, /\n {2}broken +can't be used: commands\/broken\.star:2: /)
  project.write({ 'commands/broken.star': declare('broken') })
  assert.match(
    (await project.yoe(['--help'])).stdout,
    /\n {2}broken +Does broken\n/,
    'what was kept is not believed for long',
  )
})

test('units can not load commands, and declare none', async (t) => {
  const project = testProject(t, {
    'PROJECT.star': bareProject,
    'commands/go.star': declare('go'),
    'units/a.star': 'load("//commands/go.star", "run")\n',
    'units/b.star': 'command(name = "x", description = "x")\n',
  })
  const ran = await project.yoe(['list'])
  assert.equal(ran.code, 2)
  assert.match(ran.stderr, /LOAD_OUTSIDE\]: units\/a\.star:1: load\("\/\/commands\/go\.star"\): commands act/)
  assert.match(ran.stderr, /units\/b\.star:1: undefined: command/)
})

test('nothing is run before it is asked for, and by nothing but its name', async (t) => {
  const witness = join(scratch(t), 'ran')
  const project = testProject(t, {
    'PROJECT.star': bareProject,
    'commands/go.star': declare('go', '', `ctx.shell("touch", "${witness}")`),
    'commands/$(touch x).star': 'x',
  })
  for (const args of [['list'], ['--help'], ['go', '--help'], ['__complete', 'bash', '1', 'yoe', '']])
    await project.yoe(args)
  assert.ok(!existsSync(witness))
  assert.equal((await project.yoe(['go'])).code, 0)
  assert.ok(existsSync(witness))
})

test('outside of a project, and in a broken one', async (t) => {
  const project = testProject(t, { 'PROJECT.star': 'project(\n', 'commands/go.star': declare('go') })
  const help = await project.yoe(['--help'])
  assert.equal(help.code, 0)
  assert.match(help.stderr, /this project has errors, so its own commands are not listed/)
  assert.match((await project.yoe(['go'])).stderr, /STAR_SYNTAX/)
  assert.match((await project.yoe(['bild'])).stderr, /yoe has no command "bild"\n.*did you mean "build"/)
  const elsewhere = scratch(t)
  const far = await project.yoe(['go', '--project', project.root], { cwd: elsewhere })
  assert.match(far.stderr, /STAR_SYNTAX/)
  writeFileSync(join(project.root, 'PROJECT.star'), bareProject)
  assert.equal((await project.yoe(['go', '--project', project.root], { cwd: elsewhere })).code, 0)
  assert.equal((await project.yoe(['--project', project.root, 'go'], { cwd: elsewhere })).code, 0)
  assert.equal(readFileSync(join(project.root, 'PROJECT.star'), 'utf8'), bareProject)
})
