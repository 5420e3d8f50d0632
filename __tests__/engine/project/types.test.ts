import assert from 'node:assert/strict'
import { test } from 'node:test'
import { evaluate, shown } from './evaluating.ts'

/** Values of every type of the language, and how an error names each. */
const values: Readonly<Record<string, string>> = {
  None: 'None',
  True: 'True',
  '7': 'the number 7',
  '-1': 'the number -1',
  '1 << 80': 'the number 1208925819614629174706176',
  '0.5': 'the float 0.5',
  '"text"': 'the string "text"',
  'b"x"': 'bytes',
  '[1]': 'a list',
  '{"a": 1}': 'a dict',
  len: 'the function len',
  'lambda: 1': 'the function lambda',
  'struct(a = 1)': 'a struct',
  'task("t", run = "x")': 'a task',
}

/** Every field of every builtin that declares or makes something: what it takes, and the rest of its call. */
const calls: Readonly<
  Record<string, readonly [file: string, call: string, fields: Readonly<Record<string, readonly string[]>>]>
> = {
  project: [
    'PROJECT.star',
    'project(name = "demo", FIELD)',
    {
      version: ['"text"'],
      description: ['"text"'],
      defaults: [],
      modules: [],
    },
  ],
  machine: [
    'machines/m.star',
    'machine(name = "m", arch = "x86_64", FIELD)',
    {
      description: ['"text"'],
      kernel: [],
      packages: [],
      distro_packages: [],
      partitions: [],
      qemu: [],
    },
  ],
  partition: [
    'machines/m.star',
    'partition(label = "a", type = "ext4", size = "1G", FIELD)',
    {
      root: ['True'],
      contents: [],
    },
  ],
  'a partition of some size': ['machines/m.star', 'partition(label = "a", type = "ext4", FIELD)', { size: ['7'] }],
  qemu_config: [
    'machines/m.star',
    'qemu_config(machine = "q35", FIELD)',
    {
      cpu: ['"text"'],
      memory: ['7'],
      firmware: [],
      display: [],
      ports: [],
    },
  ],
  unit: [
    'units/u.star',
    'unit(name = "uu", version = "1", FIELD)',
    {
      release: ['7'],
      description: ['"text"'],
      license: ['"text"'],
      distro: ['"text"'],
      scope: [],
      source: [],
      sha256: [],
      patches: [],
      deps: [],
      distro_deps: [],
      runtime_deps: [],
      provides: [],
      replaces: [],
      conflicts: [],
      services: [],
      conffiles: [],
      environment: [],
      container: ['"text"'],
      tasks: [],
      build: [],
    },
  ],
  'the context of a unit': [
    'units/u.star',
    'unit(name = "uu", version = "1", FIELD)',
    {
      some_context: ['True', '7', '-1', '"text"', '[1]', '{"a": 1}'],
    },
  ],
  task: ['units/u.star', 'task(name = "t", FIELD)', { steps: [] }],
  'a task of one command': ['units/u.star', 'task(name = "t", run = "x", FIELD)', { remove: ['True'] }],
  image: ['images/i.star', 'image(name = "ii", FIELD)', { artifacts: [] }],
  'an image of nothing': [
    'images/i.star',
    'image(name = "ii", artifacts = [], FIELD)',
    {
      exclude: [],
      hostname: ['"text"'],
      timezone: ['"text"'],
      locale: ['"text"'],
      services: [],
      users: [],
      overlays: [],
      partitions: [],
      tests: [],
    },
  ],
  user: [
    'images/i.star',
    'user(name = "uu", FIELD)',
    {
      uid: ['7'],
      groups: [],
      shell: [],
      home: [],
      password: [],
      authorized_keys: [],
    },
  ],
  // Without an image it needs packages; that it has one of the two is told elsewhere.
  container: [
    'containers/c.star',
    'container(name = "cc", distro = "debian", image = "cc:1", FIELD)',
    { packages: [] },
  ],
}

/** Optional fields may be None, as if they were not there. */
const required = new Set(['artifacts', 'size'])

for (const [what, [file, call, fields]] of Object.entries(calls)) {
  for (const [field, taken] of Object.entries(fields)) {
    test(`${what}: ${field} takes only what it is made for`, async () => {
      for (const [value, description] of Object.entries(values)) {
        const text = `x = ${call.replace('FIELD', `${field} = ${value}`)}\n`
        const { errors } = await evaluate({ [file]: text })
        const lines = errors.map(shown)
        const fits = taken.includes(value) || (value === 'None' && !required.has(field))
        if (fits) {
          assert.ok(!lines.some((line) => line.includes(`${field} must`)), `${value}: ${lines.join('\n')}`)
          continue
        }
        assert.equal(errors.length, 1, `${value}: ${lines.join('\n')}`)
        const [error] = errors
        assert.equal(error?.at?.file, file)
        assert.match(error?.message ?? '', new RegExp(`\\(\\): ${field}[^ ]* `), value)
        // Either the type is named, or (for values of the right type that do not fit) the grammar is.
        assert.ok(
          error?.message.includes(`not ${description}`) || / must | is too large/.test(error?.message ?? ''),
          lines.join('\n'),
        )
      }
    })
  }
}

const combinations: Readonly<Record<string, readonly [fields: string, said: string]>> = {
  'sha256 without a source': [`sha256 = "${'0'.repeat(64)}"`, 'unit "uu": has sha256, tag or branch, but no source'],
  'an archive without sha256': [
    'source = "https://x.org/a.tar.gz"',
    'unit "uu": an archive needs its sha256 | curl -L https://x.org/a.tar.gz | sha256sum prints it',
  ],
  'a tag of an archive': [
    'source = "https://x.org/a.tar.gz", tag = "v1"',
    'unit "uu": tag and branch belong to git sources, and this is an archive',
  ],
  'a repository without a tag': [
    'source = "https://x.org/a.git"',
    'unit "uu": a git source needs a tag (or a branch) | git ls-remote https://x.org/a.git prints what there is; write tag = "v1.0"',
  ],
  'a tag that is an option': [
    'source = "https://x.org/a.git", tag = "--upload-pack=touch /tmp/x"',
    'unit(): tag must be the name of a tag or branch, or a commit id; "--upload-pack=touch /tmp/x" is not',
  ],
  'build and tasks': ['build = ["make"], tasks = [task("t", run = "x")]', 'unit(): build and tasks exclude each other'],
  'two tasks of one name': [
    'tasks = [task("t", run = "x"), task("t", run = "y")]',
    'unit "uu" has two tasks called "t"',
  ],
  'a task that does nothing': [
    'tasks = [task("t")]',
    'task("t") does nothing | give it run = "…", fn = … or steps = […]',
  ],
  'the network where nothing is fetched': [
    'tasks = [task("compile", run = "x", network = True)]',
    'task("compile"): only a task called "fetch" may use the network | move what downloads into task("fetch", network = True, …); builds then work offline',
  ],
  'a source that is no URL': [
    'source = "--upload-pack=x"',
    'unit(): source must be a URL of http, https, git, ssh or file, or user@host:path; "--upload-pack=x" is not',
  ],
}

for (const [what, [fields, said]] of Object.entries(combinations)) {
  test(`a unit is refused for ${what}`, async () => {
    const { errors } = await evaluate({ 'units/u.star': `unit(name = "uu", version = "1", ${fields})\n` })
    assert.ok(
      errors.map((error) => shown(error).replace(/^units\/u\.star:1: \w+ /, '')).includes(said),
      errors.map(shown).join('\n'),
    )
  })
}

test('what makes a source a repository', async () => {
  const kinds: Readonly<Record<string, string>> = {
    'source = "https://x.org/musl", tag = "v1"': 'git tag v1',
    'source = "https://x.org/a.git", branch = "main"': 'git branch main',
    'source = "https://x.org/a.git", tag = "v1", branch = "main"': 'git tag v1',
    [`source = "git@x.org:a/b", tag = "${'1'.repeat(40)}"`]: `git commit ${'1'.repeat(40)}`,
    'source = "ssh://x.org/a", tag = "v1"': 'git tag v1',
    [`source = "https://x.org/musl", sha256 = "${'1'.repeat(64)}"`]: 'archive',
    [`source = ["https://x.org/a.tgz", "https://y.org/a.tgz"], sha256 = "${'1'.repeat(64)}"`]: 'archive',
    'source = path("//src")': 'path',
  }
  for (const [fields, expected] of Object.entries(kinds)) {
    const { evaluated, errors } = await evaluate({
      'src/x': '',
      'units/u.star': `unit(name = "uu", version = "1", ${fields})\n`,
    })
    assert.deepEqual(errors.map(shown), [], fields)
    const [unit] = evaluated?.project.units ?? []
    const source = unit?.kind === 'package' ? unit.source : undefined
    assert.equal(source?.kind === 'git' ? `git ${source.refKind} ${source.ref}` : source?.kind, expected, fields)
  }
})
