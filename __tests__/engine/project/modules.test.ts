import assert from 'node:assert/strict'
import { test } from 'node:test'
import { evaluate, shown } from './evaluating.ts'

/** What `module(…)` in PROJECT.star comes to: its errors, each without its place; `asked NAME` where it is to be fetched. */
async function outcome(call: string): Promise<readonly string[]> {
  try {
    const { errors } = await evaluate({ 'PROJECT.star': `project(name = "demo", modules = [module(${call})])\n` })
    return errors.map((error) => shown(error).replace('PROJECT.star:1: ', ''))
  } catch (failure) {
    // The fetching that no test of the language has.
    return [/nothing here fetches (.*)/.exec(`${failure}`)?.[1] ?? `${failure}`]
  }
}

const names: Readonly<Record<string, string>> = {
  '"https://github.com/vendor/hal.git", ref = "v1"': 'hal',
  '"https://github.com/vendor/hal/", ref = "v1"': 'hal',
  '"github.com/vendor/hal-common", ref = "v1.3.0"': 'hal-common',
  '"git@github.com:vendor/bsp-imx8.git", ref = "main"': 'bsp-imx8',
  '"git@host:bsp", ref = "main"': 'bsp',
  '"ssh://git@host:2222/~me/bsp.git", ref = "main"': 'bsp',
  '"git://host/bsp", ref = "release/1.x"': 'bsp',
  '"file:///srv/git/bsp.git", ref = "0123456789012345678901234567890123456789"': 'bsp',
  '"https://github.com/yoebuild/yoe.git", ref = "main", path = "modules/module-core"': 'module-core',
  'url = "https://github.com/a/b", ref = "v1", path = "c"': 'c',
}
for (const [call, name] of Object.entries(names)) {
  test(`module(${call}) is called ${name}`, async () => assert.deepEqual(await outcome(call), [name]))
}

const grammar =
  'BAD_FIELD module(): url must be a URL of http, https, git, ssh or file, or user@host:path, or yoe:NAME;'
const folder = 'a folder on this machine is local = "../my-module"'
const write = 'write module("https://…", ref = "v1.0"), or "yoe:module-core"'
const ref = 'BAD_FIELD module(): ref must be the name of a tag or branch, or a commit id;'
const path =
  'BAD_FIELD module(): path must be a folder in the repository, such as modules/module-core, without ".." or spaces;'
const faults: Readonly<Record<string, string>> = {
  '': `BAD_FIELD module(): it needs a url, or local = "FOLDER" | ${write}`,
  '"https://host/x"': `BAD_FIELD module(): a repository needs a ref: a tag, a branch or a commit | ${write}`,
  '"../x", ref = "v1"': `${grammar} "../x" is not | ${folder}`,
  '"/srv/git/x", ref = "v1"': `${grammar} "/srv/git/x" is not | ${folder}`,
  '"--upload-pack=touch /tmp/x", ref = "v1"': `${grammar} "--upload-pack=touch /tmp/x" is not | ${folder}`,
  '"ext::sh -c id", ref = "v1"': `${grammar} "ext::sh -c id" is not | ${folder}`,
  '"ssh://-oProxyCommand=id/x", ref = "v1"': `${grammar} "ssh://-oProxyCommand=id/x" is not | ${folder}`,
  '"git@-oProxyCommand=id:x", ref = "v1"': `${grammar} "git@-oProxyCommand=id:x" is not | ${folder}`,
  '"https://host/x y", ref = "v1"': `${grammar} "https://host/x y" is not | ${folder}`,
  '"https://host/x", ref = "--upload-pack=id"': `${ref} "--upload-pack=id" is not`,
  '"https://host/x", ref = "a..b"': `${ref} "a..b" is not`,
  '"https://host/x", ref = "v1:refs/heads/x"': `${ref} "v1:refs/heads/x" is not`,
  '"https://host/x", ref = "v1^{}"': `${ref} "v1^{}" is not`,
  '"https://host/x", ref = ""': `${ref} "" is not`,
  '"https://host/x", ref = "v1", path = "../y"': `${path} "../y" is not`,
  '"https://host/x", ref = "v1", path = "/etc"': `${path} "/etc" is not`,
  '"https://host/x", ref = "v1", path = "-c"': `${path} "-c" is not`,
  '"https://host/x", ref = "v1", path = "a//b"': `${path} "a//b" is not`,
  '"https://host/x", ref = "v1", path = ":(glob)*"': `${path} ":(glob)*" is not`,
  '"https://host/.git", ref = "v1"':
    'BAD_NAME module(): the last part of "https://host/.git" names the module and must be letters, digits, "+", "-", "_" and ".", starting with a letter or digit, at most 100 characters',
  '"yoe:module-core", ref = "v1"': `BAD_FIELD module(): "yoe:module-core" ships with yoe: it takes neither ref nor path | ${write}`,
  'local = "a\\nb"': 'BAD_FIELD module(): local must be a folder on this machine; "a\\nb" is not',
  '"https://host/x", rev = "v1"': 'UNKNOWN_FIELD module() has no field "rev" | did you mean "ref"?',
}
for (const [call, want] of Object.entries(faults)) {
  test(`module(${call}) is refused`, async () => assert.deepEqual(await outcome(call), [want]))
}

test('a folder stands in for everything else, under the same name', async () => {
  const { evaluated, errors } = await evaluate({
    'PROJECT.star': `project(name = "demo", modules = [
    module("https://github.com/yoebuild/yoe.git", local = "../project/mine", path = "modules/module-core"),
    module("git@github.com:vendor/bsp-imx8.git", local = "checkout"),
    module("yoe:module-debian", local = "deb"),
    module(local = "plain"),
])\n`,
    'mine/modules/module-core/units/a.star': 'unit(name = "aa", version = "1")\n',
    'checkout/MODULE.star': 'module_info(name = "x", description = "d")\n',
    'deb/MODULE.star': '',
    'plain/MODULE.star':
      'module_info(name = "plain", deps = [module(local = "../neighbour"), module("yoe:module-core")])\n',
    'neighbour/units/n.star': 'unit(name = "nn", version = "1")\n',
  })
  assert.deepEqual(errors, [])
  const modules = evaluated?.project.modules ?? []
  assert.deepEqual(
    modules.map(({ name, origin, listed }) => `${name} ${origin.kind} ${listed}`),
    [
      'module-core local true',
      'bsp-imx8 local true',
      'module-debian local true',
      'neighbour local false',
      'plain local true',
    ],
  )
  assert.deepEqual(
    modules.find(({ name }) => name === 'plain')?.requires.map(({ name, met }) => `${name} ${met}`),
    ['neighbour same', 'module-core project'],
  )
  assert.deepEqual(
    evaluated?.project.units.map(({ name, module }) => `${module} ${name}`),
    ['module-core aa', 'neighbour nn'],
  )
})

const manifests: Readonly<Record<string, readonly [text: string, want: string]>> = {
  'a dep twice': [
    'module_info(name = "m", deps = [module("yoe:module-core"), module(local = "../module-core")])',
    '@m//MODULE.star:1: DUPLICATE module "module-core" is in deps twice',
  ],
  'a dep that is none': [
    'module_info(name = "m", deps = ["yoe:module-core"])',
    '@m//MODULE.star:1: BAD_FIELD module_info(): deps[0] must be made with module(…), not the string',
  ],
  'two calls': [
    'module_info(name = "m")\nmodule_info(name = "m", deps = [])',
    '@m//MODULE.star:2: DUPLICATE module_info() is called twice',
  ],
  'an error': ['deps = oops', '@m//MODULE.star:1: STAR_EVAL undefined: oops'],
  'a folder that is not there': [
    'module_info(name = "m", deps = [module(local = "../gone")])',
    'MODULE_NOT_FOUND module "gone": there is no folder',
  ],
}
for (const [name, [text, want]] of Object.entries(manifests)) {
  test(`MODULE.star: ${name} is told once`, async () => {
    const { errors } = await evaluate({
      'PROJECT.star': 'project(name = "demo", modules = [module(local = "m")])\n',
      'm/MODULE.star': text,
    })
    assert.equal(errors.length, 1, errors.map(shown).join('\n'))
    assert.ok(errors.map(shown)[0]?.includes(want), shown(errors[0] ?? assert.fail()))
  })
}
