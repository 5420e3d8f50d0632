import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Texts } from '../../support/project.ts'
import { plan } from './fake-world.ts'

/** Two units with functions of one class, which has a helper and a file to install; one of the units reads `ctx`. */
const texts: Texts = {
  'classes/c.star': `load("values.star", "FLAGS")
def configure(flags): run("./configure " + flags)
def app(name, more):
    def build(ctx):
        configure(FLAGS + " " + ctx.arch)
        install_template("conf", "$DESTDIR/etc/" + name)
        more()
    unit(name = name, version = "1", tasks = [task("build", fn = build)])
def unused(): return 1
`,
  'classes/values.star': 'FLAGS = "-O2"\nOTHER = "-O3"\n',
  'classes/c/conf': '{{.name}}\n',
  'units/one.star': 'load("//classes/c.star", "app")\nX = "x"\ndef extra(): run(X)\napp("one", extra)\n',
  'units/two.star':
    'load("//classes/c.star", "app")\nARCH = ctx.arch\ndef extra():\n    run(ARCH)\n    run(ctx.machine_config.kernel.cmdline)\napp("two", extra)\n',
  'units/plain.star': 'unit(name = "plain", version = "1", build = ["make"])\n',
  'units/machine.star': 'unit(name = "board", version = "1", tasks = [task("t", fn = lambda: run(ctx.machine))])\n',
}
const targets = ['one', 'two', 'plain', 'board']

const edit = (file: string, from: string, to: string): Texts => {
  const text = texts[file] ?? ''
  assert.ok(text.includes(from), `${file} has no ${from}`)
  return { ...texts, [file]: text.replace(from, to) }
}

const machine = (name: string, arch: string, cmdline: string): Texts => ({
  ...texts,
  'PROJECT.star': `project(name = "demo", defaults = defaults(machine = "${name}", distro = "debian"))\n`,
  'machines/m.star': `machine(name = "${name}", arch = "${arch}", kernel = kernel(unit = "linux-image", cmdline = "${cmdline}"))\n`,
})

const mutations: Readonly<Record<string, readonly [Texts, readonly string[]]>> = {
  'the class function': [edit('classes/c.star', '"$DESTDIR/etc/"', '"$DESTDIR/opt/"'), ['one', 'two']],
  'a helper': [edit('classes/c.star', '"./configure "', '"sh configure "'), ['one', 'two']],
  'a value that a helper is given': [edit('classes/values.star', '-O2', '-Os'), ['one', 'two']],
  'a file that may be installed': [{ ...texts, 'classes/c/conf': '{{.version}}\n' }, ['one', 'two']],
  'a file beside it': [{ ...texts, 'classes/c/more': 'x' }, ['one', 'two']],
  'what one of them is given': [edit('units/one.star', 'run(X)', 'run(X + X)'), ['one']],
  'a global that it reads': [edit('units/one.star', 'X = "x"', 'X = "y"'), ['one']],
  'another machine': [machine('crate', 'x86_64', 'quiet'), ['board']],
  'what the machine says where it is read': [machine('box', 'x86_64', 'loud'), ['two']],

  'a comment': [edit('classes/c.star', 'def configure', '# configures\ndef configure'), []],
  'a docstring': [edit('classes/c.star', 'def app(name, more):', 'def app(name, more):\n    "An app."'), []],
  'another function': [edit('classes/c.star', 'return 1', 'return 2'), []],
  'another value': [edit('classes/values.star', '-O3', '-O1'), []],
  'a value that comes about in another way': [edit('units/one.star', '"x"', '"%s" % "x"'), []],
  'a file beside a unit that installs none from there': [{ ...texts, 'units/plain/file': 'x' }, []],
  'the name of the class file': [
    {
      ...Object.fromEntries(
        Object.entries(texts).map(([path, text]) => [
          path.replace('classes/c', 'classes/moved'),
          text.replace('//classes/c.star', '//classes/moved.star'),
        ]),
      ),
    },
    [],
  ],
}

for (const [name, [edited, changed]] of Object.entries(mutations)) {
  test(`${name} changes ${changed.join(' and ') || 'nothing'}`, async () => {
    const before = await plan(texts, targets)
    const after = await plan(edited, targets)
    const unit = (id: string): string => /([^/.]+)\.[^.]+$/.exec(id)?.[1] ?? id
    const hashes = (all: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
      Object.fromEntries(Object.entries(all).map(([id, hash]) => [unit(id), hash]))
    const [old, now] = [hashes(before.hashes), hashes(after.hashes)]
    assert.deepEqual(
      targets.filter((target) => old[target] !== now[target]),
      changed,
    )
  })
}
