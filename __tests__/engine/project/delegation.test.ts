import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Texts } from '../../support/project.ts'
import { evaluate, shown } from './evaluating.ts'

/** A project file that declares a project of its own name, after some lines. */
const declares = (name: string, before = ''): string => `${before}project(name = "${name}")\n`

/** Which project is meant, or what is wrong. */
const rows: Readonly<Record<string, readonly [texts: Texts, said: string]>> = {
  'one that is loaded for what it does': [
    { 'PROJECT.star': 'load("projects/a.star")\n', 'projects/a.star': declares('aa') },
    'aa',
  ],
  'one that is loaded through another': [
    {
      'PROJECT.star': 'load("projects/a.star")\n',
      'projects/a.star': 'load("b.star")\n',
      'projects/b.star': declares('bb'),
    },
    'bb',
  ],
  'the entry before what it loads': [
    { 'PROJECT.star': declares('top', 'load("projects/a.star")\n'), 'projects/a.star': declares('aa') },
    'top',
  ],
  'a product that extends another, itself loaded': [
    {
      'PROJECT.star': 'load("projects/b.star")\n',
      'projects/a.star': declares('aa'),
      'projects/b.star': declares('bb', 'load("a.star")\n'),
    },
    'bb',
  ],
  'of two that the entry loads the one that loads the other': [
    {
      'PROJECT.star': 'load("projects/a.star")\nload("projects/b.star")\n',
      'projects/a.star': declares('aa'),
      'projects/b.star': declares('bb', 'load("a.star")\n'),
    },
    'bb',
  ],
  'a function of another file, called by the entry': [
    {
      'PROJECT.star': 'load("projects/a.star", "product")\nproduct("top")\n',
      'projects/a.star': `def product(name):\n  project(name = name)\n${declares('aa')}`,
    },
    'top',
  ],
  'two that know nothing of each other': [
    {
      'PROJECT.star': 'load("projects/a.star")\nload("projects/b.star")\n',
      'projects/a.star': declares('aa'),
      'projects/b.star': declares('bb', '\n'),
    },
    'projects/b.star:2: DUPLICATE two projects are loaded: "aa" at projects/a.star:1 and "bb" at projects/b.star:2 | load one of the files only, or call project() in the file that loads both: its call then counts',
  ],
  'two in one file': [
    { 'PROJECT.star': declares('bb', declares('aa')) },
    'PROJECT.star:2: DUPLICATE project() is called twice | the first call is at PROJECT.star:1',
  ],
  'two in one file that is loaded': [
    { 'PROJECT.star': 'load("projects/a.star")\n', 'projects/a.star': declares('bb', declares('aa')) },
    'projects/a.star:2: DUPLICATE project() is called twice | the first call is at projects/a.star:1',
  ],
  'mistakes in what is loaded, though it has no say': [
    { 'PROJECT.star': declares('top', 'load("projects/a.star")\n'), 'projects/a.star': 'project(nam = "a")\n' },
    'projects/a.star:1: UNKNOWN_FIELD project() has no field "nam" | did you mean "name"?\nprojects/a.star:1: BAD_FIELD project(): name is missing | add name = …',
  ],
  'a file that declares nothing': [
    { 'PROJECT.star': 'load("projects/a.star")\n', 'projects/a.star': 'x = 1\n' },
    'PROJECT.star:1: PROJECT_INVALID PROJECT.star calls no project(…) | write project(name = "my-product", …)',
  ],
  'two that load each other': [
    {
      'PROJECT.star': 'load("projects/a.star")\n',
      'projects/a.star': declares('aa', 'load("b.star")\n'),
      'projects/b.star': declares('bb', 'load("a.star")\n'),
    },
    'projects/b.star:1: LOAD_CYCLE load cycle: projects/a.star → projects/b.star → projects/a.star',
  ],
}

for (const [what, [texts, said]] of Object.entries(rows)) {
  test(`the project that is meant: ${what}`, async () => {
    const { evaluated, errors } = await evaluate(texts)
    assert.equal(errors.map(shown).join('\n') || evaluated?.project.name, said)
  })
}

test('a default project adds modules to those of a product', async () => {
  const { evaluated, errors } = await evaluate({
    'PROJECT.star':
      'load("projects/customer-a.star", "MODULES")\nproject(name = "default", modules = MODULES + [module(local = "tools")])\n',
    'projects/customer-a.star': 'MODULES = [module(local = "core")]\nproject(name = "customer-a", modules = MODULES)\n',
    'core/units/u.star': 'unit(name = "core-unit", version = "1")\n',
    'tools/units/u.star': 'unit(name = "tool-unit", version = "1")\n',
  })
  assert.deepEqual(errors.map(shown), [])
  assert.equal(evaluated?.project.name, 'default')
  assert.deepEqual(
    evaluated?.project.units.map(({ name }) => name),
    ['core-unit', 'tool-unit'],
  )
})

const settings: Readonly<Record<string, readonly [fields: string, said: unknown]>> = {
  'no cache and no sources': ['', { cache: {}, sources: { mirrors: {} } }],
  'a cache': [
    'cache = cache(path = "/var/cache/yoe", retention_days = 90)',
    { cache: { path: '/var/cache/yoe', retentionDays: 90 }, sources: { mirrors: {} } },
  ],
  sources: [
    'sources = sources(go_proxy = "https://a.example,direct", npm_registry = "https://b.example/npm/", pip_index = "https://c.example/simple", mirrors = {"https://x.org/": "http://lan/x/"})',
    {
      cache: {},
      sources: {
        mirrors: { 'https://x.org/': 'http://lan/x/' },
        goProxy: 'https://a.example,direct',
        npmRegistry: 'https://b.example/npm/',
        pipIndex: 'https://c.example/simple',
      },
    },
  ],
  'a password in an address': [
    'sources = sources(pip_index = "https://me:secret@c.example/simple")',
    'sources(): pip_index must be an http or https address without a user or password; "https://me:secret@c.example/simple" is not',
  ],
  'an address that is none': [
    'sources = sources(mirrors = {"x.org": "http://lan/"})',
    'sources(): mirrors key must be an address such as "https://example.org/pool/" or "git@example.org:team/"; "x.org" is not',
  ],
  'a proxy that is an option': [
    'sources = sources(go_proxy = "off,-x")',
    'sources(): go_proxy must be an http or https address without a user or password, or several and "direct" with commas between; "off,-x" is not',
  ],
  'days that are none': [
    'cache = cache(retention_days = 0)',
    'cache(): retention_days must be between 1 and 36500, not 0',
  ],
  'a dict': ['cache = {"path": "x"}', 'project(): cache must be made with cache(…), not a dict'],
}

for (const [what, [fields, said]] of Object.entries(settings)) {
  test(`project(): ${what}`, async () => {
    const { evaluated, errors } = await evaluate({ 'PROJECT.star': `project(name = "demo", ${fields})\n` })
    if (typeof said === 'string')
      assert.deepEqual(
        errors.map(({ message }) => message),
        [said],
      )
    else assert.deepEqual({ cache: evaluated?.project.cache, sources: evaluated?.project.sources }, said)
  })
}
