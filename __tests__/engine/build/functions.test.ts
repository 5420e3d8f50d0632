import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Texts } from '../../support/project.ts'
import { runApp, type Said } from './building.ts'

/** A unit file with functions and one task. */
const unit = (functions: string, task: string, more = ''): Texts => ({
  'units/app.star': `${functions}\nunit(name = "app", version = "1.2", release = 3${more}, tasks = [task("build", ${task})])\n`,
})

const rows: Readonly<Record<string, readonly [Texts, readonly string[]]>> = {
  'a function without a parameter': [unit('def f():\n    run("make")', 'fn = f'), ['make']],
  'a function with ctx': [
    unit(
      'def f(ctx):\n    run("%s %s %d %s %s" % (ctx.name, ctx.version, ctx.release, ctx.arch, ctx.project))',
      'fn = f',
    ),
    ['app 1.2 3 x86_64 demo'],
  ],
  'where things are': [
    unit(
      'def f(c):\n    run(" ".join([c.srcdir, c.destdir, c.sysroot, c.prefix, str(c.nproc), c.env["CFLAGS"][:3]]))',
      'fn = f',
    ),
    ['/build/src /build/destdir /build/sysroot /usr 3 -O2'],
  ],
  'extra arguments of the unit': [
    unit(
      'def f(ctx): run("%s %r" % (ctx.extra["port"], ctx.extra["hosts"]))',
      'fn = f',
      ', port = 80, hosts = {"a": [1]}',
    ),
    ['80 {"a": [1]}'],
  ],
  'the machine, where the scope is the machine': [
    unit('def f(ctx): run(ctx.machine)', 'fn = f', ', scope = "machine"'),
    ['box'],
  ],
  'no architecture, where the result is for all of them': [
    unit('def f(ctx): run(str(ctx.arch) + str(ctx.env.get("ARCH")))', 'fn = f', ', scope = "noarch"'),
    ['NoneNone'],
  ],
  'no machine elsewhere': [unit('def f(ctx): run(str(ctx.machine))', 'fn = f'), ['None']],
  'lambdas between commands': [
    unit('def f(): run("c")', 'run = "a", steps = [lambda: run("b"), f, "d", lambda ctx: run(ctx.name)]'),
    ['a', 'b', 'c', 'd', 'app'],
  ],
  'run, then fn, then steps': [unit('', 'steps = ["c"], run = "a", fn = lambda: run("b")'), ['a', 'b', 'c']],
  loops: [unit('def f():\n    for n in range(3):\n        if n != 1: run("n%d" % n)', 'fn = f'), ['n0', 'n2']],
  'what was printed decides': [
    unit('def f():\n    if run("uname").output.strip() == "Linux": run("yes")', 'fn = f'),
    ['uname', 'yes'],
  ],
  'what fails may fail': [
    unit('def f():\n    r = run("exit 3", check = False)\n    run("%d %s" % (r.status, r.truncated))', 'fn = f'),
    ['exit 3', '3 False'],
  ],
  'helpers and values of other files': [
    {
      ...unit('load("//classes/c.star", "make")\nX = "x"\ndef f(): make(X)', 'fn = f'),
      'classes/c.star': 'load("d.star", "Y")\ndef make(what): run(what + Y)\n',
      'classes/d.star': 'Y = "y"\n',
    },
    ['xy'],
  ],
  'a class that makes closures': [
    {
      'units/app.star': 'load("//classes/c.star", "app")\n[app(n) for n in ("app", "other")]\n',
      'classes/c.star':
        'def app(name):\n    def build(): run("make " + name + ctx.arch)\n    unit(name = name, version = "1", tasks = [task("b", fn = build)])\n',
    },
    ['make appx86_64'],
  ],
  'a global that is declared later': [later(), ['later']],
  'what ctx.provides says while units are declared': [
    unit('K = ctx.provides.get("linux", "none")\ndef f(): run(K)', 'fn = f'),
    ['none'],
  ],
  'tasks that extend() adds from another file': [
    {
      'units/app.star': 'unit(name = "app", version = "1", tasks = [task("a", run = "a")])\n',
      'units/z.star': 'def f(): run("b")\nextend("app", tasks = [task("b", fn = f)])\n',
      'images/z.star':
        'N = resolve_closure(["app"])\ndef g(): run("c" + N[0])\nextend("app", tasks = [task("c", fn = g)])\n',
    },
    ['a', 'b', 'capp'],
  ],
}

function later(): Texts {
  return { 'units/app.star': `${unit('def f(): run(X)', 'fn = f')['units/app.star']}X = "later"\n` }
}

const says = (command: string): Said =>
  command === 'uname' ? { output: 'Linux\n' } : { status: Number(/^exit (\d)/.exec(command)?.[1] ?? 0) }

for (const [name, [texts, commands]] of Object.entries(rows)) {
  test(name, async (t) => {
    const ran = await runApp(t, texts, { says })
    assert.equal(ran.error, '')
    assert.deepEqual(ran.commands, commands)
  })
}

const hint = 'yoe log app shows all of it; yoe build app tries again'

const failures: Readonly<Record<string, readonly [Texts, string]>> = {
  'a command': [
    unit('def g(): run("exit 2")\ndef f():\n    g()', 'fn = f'),
    `units/app.star:4: TASK_FAILED unit "app": task "build": run("exit 2") failed with exit code 2 (units/app.star:3 in f, units/app.star:1 in g) | ${hint}`,
  ],
  'a command of a class': [
    {
      'units/app.star': 'load("//classes/c.star", "app")\n\napp()\n',
      'classes/c.star':
        'def build(): run("exit 2")\ndef app(): unit(name = "app", version = "1", tasks = [task("b", steps = ["true", build])])\n',
    },
    `units/app.star:3: TASK_FAILED unit "app": task "b" (step 2): run("exit 2") failed with exit code 2 (classes/c.star:1 in build) | ${hint}`,
  ],
  'a command that is ended': [
    unit('def f(): run("sleep", check = False)', 'fn = f'),
    `units/app.star:2: TASK_FAILED unit "app": task "build": a command was ended: it ran too long (units/app.star:1 in f) | ${hint}`,
  ],
  'fail()': [
    unit('def f(): fail("no", 1)', 'fn = f'),
    `units/app.star:2: TASK_FAILED unit "app": task "build": fail: no 1 (units/app.star:1 in f) | ${hint}`,
  ],
  'a mistake': [
    unit('def f(): return 1 + ""', 'fn = f'),
    `units/app.star:2: TASK_FAILED unit "app": task "build": unknown binary op: int + string (units/app.star:1 in f) | ${hint}`,
  ],
  'wrong arguments': [
    unit('def f(): run(1)', 'fn = f'),
    `units/app.star:1: BAD_FIELD unit "app": task "build": run(): command must be a string, not the number 1 (units/app.star:1 in f) | ${hint}`,
  ],
  'a declaration': [
    unit('def f(): unit(name = "b", version = "1")', 'fn = f'),
    `units/app.star:1: BAD_FIELD unit "app": task "build": unit() belongs into files under units/, images/ and containers/ (units/app.star:1 in f) | ${hint}`,
  ],
  'a question about names': [
    unit('def f(): ctx.provides.get("linux")', 'fn = f'),
    'units/app.star:2: BAD_FIELD unit "app": task "build": ctx.provides is not known while a task runs (units/app.star:1 in f) | ask it outside of the function, and use the answer in there',
  ],
  'what it captured is frozen': [
    unit('def make():\n    seen = []\n    return lambda: seen.append(1)', 'fn = make()'),
    `units/app.star:4: TASK_FAILED unit "app": task "build": append: cannot append to frozen list (units/app.star:3 in lambda) | ${hint}`,
  ],
  'an endless loop (E1)': [
    unit('def f():\n    for _ in range(1 << 62): pass', 'fn = f'),
    `units/app.star:3: STAR_LIMIT unit "app": task "build": step limit of 50000000 exceeded (units/app.star:2 in f) | ${hint}`,
  ],
  'endless recursion (E2)': [
    unit('def f(): return [f]\ndef g(): return f()[0]()\n', 'fn = lambda: [h(h) for h in [lambda x: x(x)]]'),
    'called recursively',
  ],
  'too much memory (E3)': [
    unit('def f():\n    x = "a" * 1000\n    for _ in range(60): x += x', 'fn = f'),
    'STAR_LIMIT',
  ],
}

for (const [name, [texts, error]] of Object.entries(failures)) {
  test(`fails: ${name}`, async (t) => {
    const ran = await runApp(t, texts, {
      says: (command) => (command === 'sleep' ? { ended: 'it ran too long' } : says(command)),
    })
    if (error.includes('|')) assert.equal(ran.error, error)
    else assert.ok(ran.error.includes(error), ran.error)
  })
}

test('the log has what functions run and print', async (t) => {
  const { log } = await runApp(
    t,
    unit('def f():\n    print("so", 1)\n    run("uname")\n    print("two\\nlines \\x1b[31m")', 'fn = f'),
    { says },
  )
  assert.deepEqual(log, ['=== task build', '+ f()', 'so 1', '+ uname', 'Linux', 'two', 'lines '])
})

test('of much output a function sees the beginning, and is told', async (t) => {
  const output = 'ä'.repeat(1 << 20)
  const { commands } = await runApp(
    t,
    unit('def f():\n    r = run("much")\n    run("%d %s" % (len(r.output), r.truncated))', 'fn = f'),
    { says: (command) => (command === 'much' ? { output } : {}) },
  )
  assert.deepEqual(commands, ['much', `${1 << 20} True`])
})

test('install steps in functions are done at once, from beside the file that makes the call', async (t) => {
  const ran = await runApp(t, {
    ...unit(
      'load("//classes/c.star", "conf")\ndef f(ctx):\n    for n in ("a", "b"): install_file(n, "$DESTDIR/" + n, 0o600)\n    conf()\n    install_file("a", ctx.destdir + "/etc/a")\n    run("ls")',
      'fn = f',
      ', port = 80',
    ),
    'units/app/a': 'A\n',
    'units/app/b': 'B\n',
    'classes/c.star': 'def conf(): install_template("conf", "$DESTDIR/conf")\n',
    'classes/c/conf': '{{.name}}:{{.port}}\n',
  })
  assert.equal(ran.error, '')
  assert.deepEqual(ran.commands, [
    'install -D -m 600 /build/install/0 "$DESTDIR/a"',
    'install -D -m 600 /build/install/1 "$DESTDIR/b"',
    'install -D -m 644 /build/install/2 "$DESTDIR/conf"',
    'install -D -m 644 /build/install/3 "/build/destdir/etc/a"',
    'ls',
  ])
  const staged = join(ran.root, 'build/debian/app.x86_64/install')
  assert.deepEqual(
    readdirSync(staged).map((name) => readFileSync(join(staged, name), 'utf8')),
    ['A\n', 'B\n', 'app:80\n', 'A\n'],
  )
})

test('what is not there, or elsewhere, is not installed', async (t) => {
  const install = (path: string): Texts => ({
    ...unit(`def f(): install_file(${JSON.stringify(path)}, "$DESTDIR/x")`, 'fn = f'),
    'units/app/a': 'A\n',
  })
  for (const [path, error] of [
    ['b', 'there is no file units/app/b'],
    ['../app.star', '"../app.star" must lie in units/app/'],
  ] as const) {
    const ran = await runApp(t, install(path))
    assert.equal(
      ran.error,
      `units/app.star:1: BAD_FIELD unit "app": task "build": install_file(): ${error} (units/app.star:1 in f) | ${hint}`,
    )
    assert.deepEqual(ran.commands, [])
  }
})

test('a function installs below the folders of its task only', async (t) => {
  for (const dest of ['/etc/a', '/build/../etc/a', '/build/destdir/../x', 'a', '$DESTDIR']) {
    const ran = await runApp(t, {
      ...unit(`def f(): install_file("a", ${JSON.stringify(dest)})`, 'fn = f'),
      'units/app/a': 'A\n',
    })
    assert.match(
      ran.error,
      /: install_file\(\): dest must be a path under a variable or a folder of the task, such as /,
    )
    assert.deepEqual(ran.commands, [])
  }
})

test('a function that changed since the build was planned is not called', async (t) => {
  const files = unit('def g(): return "a"\ndef f(): run(g())', 'fn = f')
  const edit = (edited: string) => (root: string) => writeFileSync(join(root, 'units/app.star'), edited)
  const before = files['units/app.star'] ?? ''
  const other = await runApp(t, files, { planned: edit(before.replace('"a"', '"b"')) })
  assert.equal(
    other.error,
    'units/app.star:3: PROJECT_INVALID f() is not what it was when the build was planned | files of the project changed meanwhile; run the same command again',
  )
  assert.deepEqual(other.commands, [])
  const same = await runApp(t, files, { planned: edit(`# only a comment\n${before}`) })
  assert.deepEqual([same.error, same.commands], ['', ['a']])
})

test('cancelled in the middle, it ends when what it started has ended', async (t) => {
  const controller = new AbortController()
  let ended = false
  const ran = await runApp(t, unit('def f():\n    run("one")\n    run("two")', 'fn = f'), {
    signal: controller.signal,
    says: async () => {
      controller.abort()
      await new Promise((done) => setTimeout(done, 50))
      ended = true
      return {}
    },
  })
  assert.match(ran.error, /CANCELLED/)
  assert.ok(ended)
  assert.deepEqual(ran.commands, ['one'])
})

test('each task has its own container, and a unit its shell', async (t) => {
  const ran = await runApp(t, {
    'containers/go.star': 'container(name = "go", distro = "debian", packages = ["gcc"])\n',
    'units/app.star':
      'unit(name = "app", version = "1", shell = "sh", tasks = [task("a", run = "a"), task("b", container = "go", fn = lambda: run("b"))])\n',
  })
  assert.deepEqual(
    ran.runs.map(({ root, argv }) => [root, ...argv]),
    [
      ['/roots/toolchain-fake', '/bin/sh', '-e', '-c', 'a'],
      ['/roots/go', '/bin/sh', '-e', '-c', 'b'],
    ],
  )
  const bash = await runApp(t, { 'units/app.star': 'unit(name = "app", version = "1", build = ["a"])\n' })
  assert.deepEqual(bash.runs[0]?.argv, ['/bin/bash', '-e', '-o', 'pipefail', '-c', 'a'])
})
