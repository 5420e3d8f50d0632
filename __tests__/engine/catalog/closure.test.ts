import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Universe } from '../../../src/engine/catalog/candidates.ts'
import { type Closure, type ClosureInput, resolveClosure } from '../../../src/engine/catalog/closure.ts'
import type { Dependency, Feed, PackageRecord, Relation } from '../../../src/engine/catalog/package.ts'
import { universe } from '../../../src/engine/catalog/universe.ts'
import { userErrors } from '../../../src/engine/errors.ts'

// A small language for package lists. One package a line:
//   name version [!][#priority] [: a (>= 1) | b, c] [/ provides, p = 2] [- conflicts]
const line = /^(\S+) (\S+?)(!?)(?:#(\w+))?(?:\s*:\s*([^/-]*))?(?:\s*\/\s*([^-]*))?(?:\s*-\s*(.*))?$/

function dependency(text: string): Dependency {
  const [, name = '', relation, version] = /^(\S+)(?: (<<|<=|=|>=|>>) (\S+))?$/.exec(text.trim()) ?? []
  return relation === undefined || version === undefined
    ? { name }
    : { name, version: { relation: relation as Relation, version } }
}

const list = (text: string | undefined): string[] =>
  (text ?? '')
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')

function parse(text: string, origin: PackageRecord['origin']): PackageRecord[] {
  return text
    .split('\n')
    .map((one) => one.trim())
    .filter((one) => one !== '')
    .map((one) => {
      const [, name, version, essential, priority = 'optional', depends, provides, conflicts] = line.exec(one) ?? []
      assert.ok(name !== undefined && version !== undefined, one)
      return {
        name,
        version,
        arch: 'amd64',
        depends: list(depends).map((group) => group.split('|').map(dependency)),
        provides: list(provides)
          .map(dependency)
          .map((one) =>
            one.version === undefined ? { name: one.name } : { name: one.name, version: one.version.version },
          ),
        conflicts: list(conflicts).map(dependency),
        essential: essential === '!',
        priority,
        origin,
      }
    })
}

function feed(text: string, id = 'debian.main'): Feed {
  const records = parse(text, { kind: 'feed', feed: id, path: 'x', sha256: 'x', size: 1 })
  return {
    id,
    distro: 'debian',
    digest: id,
    lookup: (name) => records.filter((record) => record.name === name),
    providers: (name) => records.filter((record) => record.provides.some((one) => one.name === name)),
    essentials: () => [],
    names: () => records.map((record) => record.name),
  }
}

const units = (text: string): PackageRecord[] =>
  parse(text, { kind: 'unit', unit: 'x', at: { file: 'units/x.star', line: 1, column: 1 } })

// Whole numbers and dots order as numbers: enough for these tables.
const versions: ClosureInput['versions'] = {
  compare: (a, b) => a.localeCompare(b, 'en', { numeric: true }),
}

const roots = (text: string): ClosureInput['roots'] =>
  list(text).map((group) => ({ dependency: group.split('|').map(dependency), by: 'image base' }))

const resolve = (source: Universe, asked: string, exclude: readonly string[] = []): Closure =>
  resolveClosure({ ...source, versions, arch: 'amd64', roots: roots(asked), exclude })

function outcome(text: string, asked: string, exclude: readonly string[] = []): string {
  try {
    return resolve(universe([feed(text)], []), asked, exclude)
      .packages.map((one) => (one.version === '1' ? one.name : `${one.name}=${one.version}`))
      .join(' ')
  } catch (failure) {
    const errors = userErrors(failure)
    if (errors === undefined) throw failure
    return errors.map((error) => `${error.code} ${error.message}`).join('\n')
  }
}

const rows: readonly (readonly [title: string, packages: string, roots: string, want: string])[] = [
  ['dependencies come first', 'a 1 : b, c\nb 1 : c\nc 1', 'a', 'c b a'],
  ['nothing asked, nothing there', 'a 1', '', ''],
  ['a cycle is no trouble', 'a 1 : b\nb 1 : c\nc 1 : a', 'a', 'c b a'],
  ['a package may need itself', 'a 1 : a', 'a', 'a'],
  ['the newest version of a name counts', 'a 1\na 3\na 2', 'a', 'a=3'],
  [
    'and no other does',
    'a 1 : b = 1\nb 1\nb 2',
    'a',
    'UNSATISFIABLE image base wants a; a needs b (= 1); debian.main has b 2',
  ],
  ['the first alternative is taken', 'a 1 : b | c\nb 1\nc 1', 'a', 'b a'],
  ['unless it is not to be had', 'a 1 : b | c\nc 1', 'a', 'c a'],
  ['unless its version is wrong', 'a 1 : b >= 2 | c\nb 1\nc 1', 'a', 'c a'],
  ['unless its own needs are not met', 'a 1 : b | c\nb 1 : missing\nc 1', 'a', 'c a'],
  ['what is there already is taken', 'a 1 : b | c\nb 1\nc 1', 'a, c', 'c a'],
  ['a later root counts as there', 'a 1 : b | c\nb 1\nc 1', 'c, a', 'c a'],
  ['a virtual name', 'a 1 : mta\npostfix 1 / mta', 'a', 'postfix a'],
  ['a real package of the name outranks providers', 'a 1 : mta\npostfix 1!#required / mta\nmta 1', 'a', 'mta a'],
  ['an essential provider comes first', 'a 1 : v\nx 1#required / v\ny 1!#extra / v', 'a', 'y a'],
  ['then priority decides', 'a 1 : v\nx 1#extra / v\ny 1#standard / v', 'a', 'y a'],
  ['then the order of the feed', 'a 1 : v\nx 1 / v\ny 1 / v', 'a', 'x a'],
  ['the provider of an outdated version is none', 'a 1 : v\nx 1 / v\nx 2\ny 1 / v', 'a', 'y a'],
  [
    'an unversioned Provides meets no version',
    'a 1 : v >= 1\nx 1 / v',
    'a',
    'UNSATISFIABLE image base wants a; a needs v (>= 1); debian.main has it only as provided by x',
  ],
  ['a versioned one does', 'a 1 : v >= 2\nx 1 / v = 1\ny 1 / v = 3', 'a', 'y a'],
  ['a virtual root', 'x 1 / v\ny 1#required / v', 'v', 'y'],
  ['a root with alternatives', 'x 1\ny 1', 'nope | y | x', 'y'],
  ['a root with alternatives is met by another root', 'x 1\ny 1', 'y | x, x', 'x'],
  ['conflicts steer the choice', 'a 1 : b | c\nb 1 - d\nc 1\nd 1', 'a, d', 'c a d'],
  ['conflicts declared by the other side do too', 'a 1 : b | c\nb 1\nc 1\nd 1 - b', 'a, d', 'c a d'],
  ['even when the choice comes first', 'a 1 : b | c\nb 1\nc 1\nd 1 : e\ne 1 - b', 'a, d', 'c a e d'],
  ['a versioned conflict with another version is none', 'a 1 : b | c\nb 2 - d << 1\nc 1\nd 1', 'a, d', 'b=2 a d'],
  ['a conflict with what it provides itself is none', 'a 1 / v - v\nb 1', 'a, b', 'a b'],
  ['but another provider is in the way', 'x 1 / v - v\ny 1 / v - v\na 1 : x | z\nb 1 : y\nz 1', 'a, b', 'z a y b'],
  ['two choices that conflict are chosen again', 'a 1 : x | y\nb 1 : p | q\nx 1 - p\ny 1\np 1\nq 1', 'a, b', 'y a p b'],
  ['a conflict deep down turns a choice over', 'a 1 : x | y\nx 1 : x1\nx1 1 : x2\nx2 1 - z\ny 1\nz 1', 'a, z', 'y a z'],
  [
    'roots that conflict',
    'a 1 - b\nb 1',
    'a, b',
    'UNSATISFIABLE image base wants a; a conflicts with b, but image base wants b',
  ],
  [
    'what roots force conflicts',
    'a 1 : x\nb 1 : y\nx 1 - y\ny 1',
    'a, b',
    'UNSATISFIABLE image base wants a; a needs x; x conflicts with y, but image base wants b; b needs y',
  ],
  [
    'a missing name says who asks',
    'a 1 : b\nb 1 : c',
    'a',
    'UNIT_NOT_FOUND image base wants a; a needs b; b needs c; no unit or feed has c',
  ],
  [
    'a version that is not there',
    'a 1 : b >= 2\nb 1.9',
    'a',
    'UNSATISFIABLE image base wants a; a needs b (>= 2); debian.main has b 1.9',
  ],
  [
    'several failures are told together',
    'a 1 : x\nb 1',
    'a, b, c',
    'UNIT_NOT_FOUND image base wants a; a needs x; no unit or feed has x\nUNIT_NOT_FOUND image base wants c; no unit or feed has c',
  ],
  [
    'leftovers of a choice that came to nothing are not installed',
    'a 1 : b | c\nb 1 : d, missing\nc 1\nd 1',
    'a',
    'c a',
  ],
]

describe('resolveClosure', () => {
  for (const [title, packages, asked, want] of rows) {
    test(title, () => {
      const got = outcome(packages, asked)
      if (want.startsWith('UNSATISFIABLE')) assert.ok(got.startsWith(want), got)
      else assert.equal(got, want)
      assert.equal(outcome(packages, asked), got, 'the same again')
    })
  }

  test('other architectures are not there', () => {
    const [record] = parse('a 1', { kind: 'feed', feed: 'f', path: '', sha256: '', size: 0 })
    assert.ok(record !== undefined)
    const with_ = (arch: string): Universe => ({
      lookup: (name) => (name === 'a' ? [{ ...record, arch }] : []),
      providers: () => [],
      names: () => ['a'],
    })
    for (const arch of ['amd64', 'all', 'noarch']) assert.equal(resolve(with_(arch), 'a').packages.length, 1)
    assert.throws(() => resolve(with_('arm64'), 'a'), /debian|f has a 1/)
  })

  test('what is excluded is not there, and the error says so', () => {
    assert.equal(outcome('a 1 : b | c\nb 1\nc 1', 'a', ['b']), 'c a')
    assert.equal(outcome('a 1 : b\nb 1', 'a', ['b']), 'UNSATISFIABLE image base wants a; a needs b; b is excluded')
  })

  test('a near name is suggested', () => {
    assert.throws(
      () => resolve(universe([feed('openssh-server 1\nopenssl 1')], []), 'opensh-server'),
      (failure) => userErrors(failure)?.[0]?.hint === 'did you mean "openssh-server"?',
    )
  })

  test('who brought a package is known on a shortest way', () => {
    const { why } = resolve(universe([feed('a 1 : b\nb 1 : c\nc 1 : d\nd 1\ne 1 : d')], []), 'a, e')
    const askers = [...why].map(([name, asker]) => [name, 'by' in asker ? asker.by : asker.package])
    assert.deepEqual(Object.fromEntries(askers), { a: 'image base', b: 'a', c: 'b', d: 'e', e: 'image base' })
  })
})

describe('universe', () => {
  const names = (closure: Closure): string =>
    closure.packages
      .map(({ name, version, origin }) => `${name}=${version}@${origin.kind === 'feed' ? origin.feed : 'unit'}`)
      .join(' ')

  test('a unit outranks feeds, whatever the versions', () => {
    const all = universe([feed('zlib 9\napp 1 : zlib')], units('zlib 1'))
    assert.equal(names(resolve(all, 'app')), 'zlib=1@unit app=1@debian.main')
  })

  test('a package that a unit replaces provides nothing', () => {
    const all = universe([feed('exim 9 / mta\nmua 1 : mta\npostfix 1 / mta')], units('exim 1'))
    assert.equal(names(resolve(all, 'mua')), 'postfix=1@debian.main mua=1@debian.main')
  })

  test('what units provide comes before what feeds provide', () => {
    const all = universe([feed('mua 1 : mta\npostfix 1 / mta')], units('mymta 1 / mta'))
    assert.equal(names(resolve(all, 'mua')), 'mymta=1@unit mua=1@debian.main')
  })

  test('between feeds the newest wins, then the first', () => {
    const all = universe([feed('a 1\nb 2'), feed('a 2\nb 2', 'debian.security')], [])
    assert.equal(names(resolve(all, 'a, b')), 'a=2@debian.security b=2@debian.main')
  })
})

describe('hostile graphs end', () => {
  /** A universe of records made on demand, indexed as a feed is. */
  function many(records: readonly Partial<PackageRecord>[]): Universe {
    const byName = new Map<string, PackageRecord[]>()
    const byProvided = new Map<string, PackageRecord[]>()
    for (const some of records) {
      const record: PackageRecord = {
        name: '',
        version: '1',
        arch: 'all',
        depends: [],
        provides: [],
        conflicts: [],
        essential: false,
        priority: '',
        origin: { kind: 'feed', feed: 'evil', path: '', sha256: '', size: 0 },
        ...some,
      }
      byName.set(record.name, [...(byName.get(record.name) ?? []), record])
      for (const { name } of record.provides) {
        const list = byProvided.get(name)
        if (list === undefined) byProvided.set(name, [record])
        else list.push(record)
      }
    }
    return {
      lookup: (name) => byName.get(name) ?? [],
      providers: (name) => byProvided.get(name) ?? [],
      names: () => byName.keys(),
    }
  }
  const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i)
  const needs = (...names: string[]): PackageRecord['depends'] => names.map((name) => [{ name }])

  const graphs: readonly (readonly [string, () => Partial<PackageRecord>[], string, number | 'fails'])[] = [
    [
      'a chain of 100,000',
      () => range(100_000).map((i) => ({ name: `p${i}`, depends: i === 99_999 ? [] : needs(`p${i + 1}`) })),
      'p0',
      100_000,
    ],
    [
      'a chain of 100,000 that ends nowhere',
      () => range(100_000).map((i) => ({ name: `p${i}`, depends: needs(`p${i + 1}`) })),
      'p0',
      'fails',
    ],
    [
      'a ring of 100,000',
      () => range(100_000).map((i) => ({ name: `p${i}`, depends: needs(`p${(i + 1) % 100_000}`) })),
      'p0',
      100_000,
    ],
    [
      '100,000 providers',
      () => [
        { name: 'a', depends: needs('v') },
        ...range(100_000).map((i) => ({ name: `p${i}`, provides: [{ name: 'v' }] })),
      ],
      'a',
      2,
    ],
    [
      '100,000 providers, none of which works',
      () => [
        { name: 'a', depends: needs('v') },
        ...range(100_000).map((i) => ({ name: `p${i}`, provides: [{ name: 'v' }], depends: needs('missing') })),
      ],
      'a',
      'fails',
    ],
    [
      '100,000 providers that exclude each other',
      () => [
        { name: 'a', depends: needs('v') },
        ...range(100_000).map((i) => ({ name: `p${i}`, provides: [{ name: 'v' }], conflicts: [{ name: 'v' }] })),
      ],
      'a',
      2,
    ],
    [
      '2,000 askers of 2,000 providers',
      () => [
        ...range(2000).map((i) => ({ name: `a${i}`, depends: needs('v', `a${i + 1}`) })),
        { name: 'a2000' },
        ...range(2000).map((i) => ({ name: `p${i}`, provides: [{ name: 'v' }], conflicts: [{ name: 'v' }] })),
      ],
      'a0',
      2002,
    ],
    [
      'everything needs everything',
      () => range(1000).map((i) => ({ name: `p${i}`, depends: needs(...range(1000).map((j) => `p${j}`)) })),
      'p0',
      1000,
    ],
    // Pigeons and holes: no search gets through this; it has to give up.
    [
      '20 pigeons, 19 holes',
      () => [
        { name: 'a', depends: needs(...range(20).map((i) => `pigeon${i}`)) },
        ...range(20).map((i) => ({ name: `pigeon${i}`, depends: [range(19).map((j) => ({ name: `in${i}-${j}` }))] })),
        ...range(20).flatMap((i) =>
          range(19).map((j) => ({
            name: `in${i}-${j}`,
            provides: [{ name: `hole${j}` }],
            conflicts: [{ name: `hole${j}` }],
          })),
        ),
      ],
      'a',
      'fails',
    ],
    [
      'versions of a megabyte',
      () => [
        ...range(20).map((i) => ({ name: 'a', version: `1.${'0'.repeat(1_000_000)}${i}` })),
        {
          name: 'b',
          depends: [[{ name: 'a', version: { relation: '>=' as const, version: `2.${'1'.repeat(1_000_000)}` } }]],
        },
      ],
      'b',
      'fails',
    ],
  ]

  for (const [title, make, root, want] of graphs) {
    test(title, () => {
      const source = many(make())
      const start = performance.now()
      try {
        assert.equal(resolve(source, root).packages.length, want)
      } catch (failure) {
        const errors = userErrors(failure)
        if (errors === undefined) throw failure
        assert.equal(want, 'fails', errors[0]?.message)
        assert.ok((errors[0]?.message.length ?? 0) < 3000)
      }
      const seconds = (performance.now() - start) / 1000
      assert.ok(seconds < 10, `took ${seconds} s`)
    })
  }
})
