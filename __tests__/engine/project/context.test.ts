import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json } from '#engine/project/model.ts'
import type { Texts } from '../../support/project.ts'
import { evaluate, shown } from './evaluating.ts'

const feed = (distro: string): string =>
  `apt_feed(name = "${distro}", distro = "${distro}", url = "http://x.org/d", suite = "s", arches = ["amd64"], keyring = "k.gpg")\n`

/** What an expression is in a file of units/ or images/: None, numbers, texts and lists of them. */
async function seenAs(
  expression: string,
  texts: Texts = {},
  { machine, file = 'units/zz.star' }: { machine?: string; file?: string } = {},
): Promise<Json | string> {
  const { evaluated, errors } = await evaluate(
    { 'k.gpg': '', ...texts, [file]: `unit(name = "probe", version = "1", value = ${expression})\n` },
    machine === undefined ? {} : { machine },
  )
  if (errors.length > 0) return errors.map(shown).join('\n')
  const probe = evaluated?.project.units.find(({ name }) => name === 'probe')
  return (probe?.kind === 'package' ? probe.extra['value'] : undefined) ?? null
}

const machines = `machine(
    name = "m1", arch = "arm64", description = "One", packages = ["firmware"],
    kernel = kernel(
        unit = "linux-x", provides = "linux", cmdline = "console=ttyS0 quiet", defconfig = "x_defconfig",
        repo = "https://x.org/linux.git", branch = "6.6", tag = "v6.6", device_trees = ["x.dtb"],
    ),
    bootloader = uboot(unit = "boot-x", defconfig = "y_defconfig", branch = "v2024.01"),
    public_config = {"CFLAGS": "-O2 -march=armv8-a", "environment": {"MODE": "x"}},
)
machine(name = "m2", arch = "x86_64", distro_kernels = {"debian": kernel(unit = "linux-d", provides = "linux")})
`

const seen: Readonly<Record<string, readonly [machine: string, expression: string, value: Json]>> = {
  'the machine': ['m1', '[ctx.arch, ctx.machine]', ['arm64', 'm1']],
  'another machine': ['m2', '[ctx.arch, ctx.machine]', ['x86_64', 'm2']],
  'the version of the project': ['m1', 'ctx.project_version', '1.0'],
  'the machine as it is declared': [
    'm1',
    '[ctx.machine_config.name, ctx.machine_config.arch, ctx.machine_config.description] + ctx.machine_config.packages',
    ['m1', 'arm64', 'One', 'firmware'],
  ],
  'its kernel': [
    'm1',
    '[getattr(ctx.machine_config.kernel, f) for f in ["unit", "provides", "cmdline", "defconfig", "repo", "branch", "tag", "device_trees"]]',
    ['linux-x', 'linux', 'console=ttyS0 quiet', 'x_defconfig', 'https://x.org/linux.git', '6.6', 'v6.6', ['x.dtb']],
  ],
  'no kernel but those of distros': [
    'm2',
    '[ctx.machine_config.kernel, ctx.machine_config.distro_kernels["debian"].unit]',
    [null, 'linux-d'],
  ],
  'its boot loader': [
    'm1',
    '[getattr(ctx.machine_config.bootloader, f) for f in ["kind", "unit", "defconfig", "repo", "branch", "tag"]]',
    ['uboot', 'boot-x', 'y_defconfig', null, 'v2024.01', null],
  ],
  'no boot loader': ['m2', 'ctx.machine_config.bootloader', null],
  'what the machine says to compilers': [
    'm1',
    '[ctx.machine_config.public_config["CFLAGS"], ctx.machine_config.public_config["environment"]["MODE"]]',
    [['-O2', '-march=armv8-a'], 'x'],
  ],
  'what the kernel stands for': ['m1', 'ctx.provides.get("linux")', 'linux-x'],
  'what the kernel of the only distro stands for': ['m2', 'ctx.provides.get("linux")', 'linux-d'],
  'a name that nothing provides': [
    'm1',
    '[ctx.provides.get("init"), ctx.provides.get("init", "none")]',
    [null, 'none'],
  ],
}

for (const [what, [machine, expression, value]] of Object.entries(seen)) {
  test(`ctx: ${what}`, async () => {
    assert.deepEqual(await seenAs(expression, { 'machines/m.star': machines }, { machine }), value)
  })
}

test('ctx: without a machine nothing is made up', async () => {
  assert.deepEqual(await seenAs('[ctx.arch, ctx.machine, ctx.machine_config, ctx.provides.get("linux")]'), [
    null,
    null,
    null,
    null,
  ])
})

test('ctx has no distro, and can’t be changed', async () => {
  assert.match(String(await seenAs('ctx.distro')), /struct has no \.distro attribute/)
  const { errors } = await evaluate(
    { 'machines/m.star': machines, 'units/u.star': 'ctx.machine_config.packages.append(1)\n' },
    { machine: 'm1' },
  )
  assert.match(errors.map(shown).join(), /cannot append to frozen list/)
})

test('ctx.provides takes a name', async () => {
  for (const bad of [
    'ctx.provides.get()',
    'ctx.provides.get(1)',
    'ctx.provides.get("a", "b", "c")',
    'ctx.provides.get(name = "a")',
  ]) {
    assert.match(String(await seenAs(bad)), /STAR_EVAL ctx\.provides\.get\(\) takes a name/)
  }
})

const providers = {
  'units/a.star': 'unit(name = "systemd", version = "1", provides = ["init"])\n',
  'units/z.star': 'unit(name = "sshd", version = "1", provides = ["ssh"])\n',
}

test('ctx.provides: what units provide is known in images/, whatever the names of files', async () => {
  const both = '[ctx.provides.get("init"), ctx.provides.get("ssh")]'
  assert.deepEqual(await seenAs(both, providers), [null, null])
  for (const file of ['images/a.star', 'images/z.star']) {
    assert.deepEqual(await seenAs(both, providers, { file }), ['systemd', 'sshd'])
  }
})

test('ctx.provides: a class sees the same, whoever loaded it first', async () => {
  const texts = {
    ...providers,
    'classes/c.star': 'def provider(name):\n  return ctx.provides.get(name)\n',
    'units/b.star': 'load("//classes/c.star", "provider")\n',
    'images/i.star':
      'load("//classes/c.star", "provider")\nunit(name = "probe", version = "1", value = provider("init"))\n',
  }
  const probe = (await evaluate(texts)).evaluated?.project.units.find(({ name }) => name === 'probe')
  assert.equal(probe?.kind === 'package' && probe.extra['value'], 'systemd')
})

test('ctx.provides: of several modules the one with the last word, and the kernel of the machine above all', async () => {
  const texts = {
    'PROJECT.star': 'project(name = "demo", modules = [module(local = "one"), module(local = "two")])\n',
    'machines/m.star': machines,
    'one/units/u.star': 'unit(name = "init-one", version = "1", provides = ["init", "linux"])\n',
    'two/units/u.star': 'unit(name = "init-two", version = "1", provides = ["init"])\n',
  }
  const both = '[ctx.provides.get("init"), ctx.provides.get("linux")]'
  assert.deepEqual(await seenAs(both, texts, { machine: 'm1', file: 'images/i.star' }), ['init-two', 'linux-x'])
})

test('ctx.provides: a name that distros mean differently is an error that says how', async () => {
  const texts = {
    'PROJECT.star': `project(name = "demo")\n${feed('debian')}${feed('ubuntu')}`,
    'units/a.star':
      'unit(name = "init-d", version = "1", provides = ["init"], distro = "debian")\nunit(name = "init-u", version = "1", provides = ["init"], distro = "ubuntu")\nunit(name = "one", version = "1", provides = ["both"])\nunit(name = "other", version = "1", provides = ["half"], distro = "debian")\n',
  }
  assert.equal(
    await seenAs('ctx.provides.get("init")', texts, { file: 'images/i.star' }),
    'images/i.star:1: STAR_EVAL ctx.provides: what "init" means depends on the distro (init-d for debian, init-u for ubuntu); use the distro_… fields',
  )
  assert.deepEqual(
    await seenAs('[ctx.provides.get("both"), ctx.provides.get("half")]', texts, { file: 'images/i.star' }),
    ['one', 'other'],
  )
})
