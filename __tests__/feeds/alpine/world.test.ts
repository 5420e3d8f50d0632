import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PackageRecord } from '../../../src/engine/catalog/package.ts'
import { askedFor, neededBy } from '../../../src/feeds/alpine/world.ts'

/** `name: dependencies; what it provides`. */
function records(rows: readonly string[]): readonly PackageRecord[] {
  return rows.map((row) => {
    const [, name = '', depends = '', provides = ''] = /^(\S+):([^;]*);?(.*)$/.exec(row) ?? []
    const words = (text: string): readonly string[] => text.split(' ').filter((word) => word !== '')
    return {
      ...{ name, version: '1-r0', arch: 'x86_64', conflicts: [], essential: false, priority: '' },
      depends: words(depends).map((each) => [{ name: each }]),
      provides: words(provides).map((each) => ({ name: each })),
      origin: { kind: 'feed', feed: 'alpine.main', path: '', sha256: '', size: 1 },
    }
  })
}

const rows = [
  { name: 'what nobody needs', packages: ['app: lib', 'lib:', 'tool:'], want: 'app tool' },
  { name: 'needed by what it provides', packages: ['app: so:lib.so.1', 'lib:; so:lib.so.1'], want: 'app' },
  { name: 'a name that nobody has', packages: ['app: /bin/sh'], want: 'app' },
  { name: 'what needs itself', packages: ['app: app'], want: 'app' },
  { name: 'a ring, and what it needs', packages: ['b: a', 'a: b c', 'c:'], want: 'a' },
  { name: 'a ring that is needed', packages: ['z: b', 'b: a', 'a: b'], want: 'z' },
  { name: 'a package over what another provides', packages: ['app: x', 'x:', 'y:; x'], want: 'app y' },
] as const
for (const { name, packages, want } of rows)
  test(`world: ${name}`, () => {
    assert.equal(askedFor(records(packages)).join(' '), want)
    assert.equal(askedFor(records(packages.toReversed())).join(' '), want)
  })

test('what packages need by name', () => {
  assert.deepEqual(neededBy(records(['b: lib so:x.so', 'a: lib'])), ['lib', 'so:x.so'])
})
