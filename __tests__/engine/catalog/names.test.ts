import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Diagnostic } from '#engine/catalog/diagnostics.ts'
import { Names } from '#engine/catalog/names.ts'
import { View } from '#engine/catalog/view.ts'
import type { FeedDeclaration, Machine, ModulePin, PackageUnit } from '#engine/project/model.ts'
import { emptyProject, machineOf, packageUnit } from '../../support/units.ts'
import { fakeFeed } from '../plan/fake-world.ts'

const at = { file: 'PROJECT.star', line: 7, column: 1 }

const feedDeclaration = (id: string): FeedDeclaration => ({
  id,
  module: 'module-x',
  at,
  format: 'debian',
  distro: 'debian',
  options: {},
})

/** Names of units `of` on two feeds of made-up packages. */
function names(
  of: readonly Partial<PackageUnit>[],
  { pins = {}, machine = {} }: { pins?: Readonly<Record<string, string>>; machine?: Partial<Machine> } = {},
): Names {
  const project = emptyProject({
    units: of.map((fields) => packageUnit(fields)),
    feeds: ['x.main', 'x.extra'].map(feedDeclaration),
    pins: Object.entries(pins).map(([name, module]): ModulePin => ({ name, module, at })),
  })
  const main = fakeFeed(['bash 5', 'linux-image 6', 'exim 4 | mta', 'busybox 1'])
  const extra = fakeFeed(['bash 6', 'extra 1'])
  const view = new View(project, machineOf(machine), 'debian')
  return new Names(view, [
    { ...main, id: 'x.main' },
    { ...extra, id: 'x.extra' },
  ])
}

const meaning = (seen: Names, name: string): string => {
  const found = seen.find(name)
  if (found === undefined) return 'nothing'
  if (found.kind === 'feed') return `feed ${found.name}`
  return `unit ${found.name}${found.as === undefined ? '' : ` as ${found.as.name} ${found.as.version ?? ''}`.trimEnd()}`
}

const told = (one: Diagnostic): string =>
  one.kind === 'shadow'
    ? `${one.name}: ${one.winner.from}/${one.winner.name} over ${one.loser.from}/${one.loser.name} by ${one.why}`
    : one.kind

const cases: readonly (readonly [what: string, seen: Names, name: string, means: string])[] = [
  ['a unit outranks a package of its name', names([{ name: 'bash' }]), 'bash', 'unit bash'],
  ['a package is what is called so', names([]), 'bash', 'feed bash'],
  [
    'a real package outranks a unit that provides the name',
    names([{ name: 'toybox', provides: [{ name: 'busybox' }] }]),
    'busybox',
    'feed busybox',
  ],
  [
    'a unit that provides outranks a package that provides',
    names([{ name: 'postfix', provides: [{ name: 'mta', version: '3' }] }]),
    'mta',
    'unit postfix as mta 3',
  ],
  ['a package provides', names([]), 'mta', 'feed mta'],
  ['nothing', names([]), 'nope', 'nothing'],
  [
    'a virtual name that no package has',
    names([{ name: 'base-debian', provides: [{ name: 'base' }] }]),
    'base',
    'unit base-debian as base',
  ],
  ['a subpackage', names([{ name: 'zlib', subpackages: ['dev'] }]), 'zlib-dev', 'unit zlib-dev'],
  [
    'a kernel of a feed, by its virtual name',
    names([], { machine: { kernel: { unit: 'linux-image', provides: 'linux', cmdline: '', deviceTrees: [] } } }),
    'linux',
    'feed linux-image',
  ],
  [
    'a kernel outranks what provides the name',
    names([{ name: 'linux-aa', provides: [{ name: 'linux' }] }, { name: 'linux-bb' }], {
      machine: { kernel: { unit: 'linux-bb', provides: 'linux', cmdline: '', deviceTrees: [] } },
    }),
    'linux',
    'unit linux-bb',
  ],
  ['a pin to a feed', names([{ name: 'bash' }], { pins: { bash: 'x.main' } }), 'bash', 'feed bash'],
]

for (const [what, seen, name, means] of cases) test(what, () => assert.equal(meaning(seen, name), means))

test('a pin to a feed that has no such package is an error that says who has it', () => {
  const [first, ...rest] = names([], { pins: { extra: 'x.main', bash: 'x.main', exmi: 'x.main' } }).pinErrors()
  assert.deepEqual(
    rest.map(({ message, hint }) => `${message} | ${hint}`),
    ['prefer_modules takes "exmi" from "x.main", which has no such package | did you mean "exim"?'],
  )
  assert.equal(first?.message, 'prefer_modules takes "extra" from "x.main", which has no such package')
  assert.deepEqual([first?.code, first?.at, first?.hint], ['UNIT_NOT_FOUND', at, 'it is in x.extra'])
})

test('what feeds lose to units, and units to feeds, is told', () => {
  const seen = names([
    { name: 'bash', module: '' },
    { name: 'toybox', provides: [{ name: 'busybox' }] },
    { name: 'other' },
  ])
  assert.deepEqual(seen.diagnostics().map(told), [
    'bash: /bash over x.main/bash by module order',
    'bash: /bash over x.extra/bash by module order',
    'busybox: x.main/busybox over /toybox by real name',
  ])
})
