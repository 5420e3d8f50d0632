import assert from 'node:assert/strict'
import { test } from 'node:test'
import { whyChanged } from '#engine/plan/why.ts'
import type { Json } from '#engine/project/model.ts'

const before = {
  engine: 1,
  project: 'demo',
  unit: { version: '1', source: { kind: 'path', content: 'a' }, tasks: ['x'], extra: { port: 1 }, patches: ['p'] },
  toolchain: 't',
  deps: { lib: 'l' },
  packages: { bash: '5 digest', make: '4 digest' },
  cmdline: 'quiet',
}

const cases: readonly (readonly [change: Json, said: string])[] = [
  [{ ...before }, 'its result is no longer in the cache'],
  [{ ...before, engine: 2 }, 'yoe itself changed'],
  [{ ...before, toolchain: 'u' }, 'the toolchain changed'],
  [{ ...before, unit: { ...before.unit, version: '2' } }, 'version 1 → 2'],
  [{ ...before, unit: { ...before.unit, tasks: ['y'] } }, 'its tasks changed'],
  [{ ...before, unit: { ...before.unit, patches: [] } }, 'its patches changed'],
  [{ ...before, unit: { ...before.unit, source: { kind: 'path', content: 'b' } } }, 'its source changed'],
  [{ ...before, unit: { ...before.unit, extra: { port: 2 } } }, 'port changed'],
  [{ ...before, deps: { lib: 'm' } }, 'lib changed'],
  [{ ...before, deps: {} }, 'lib was removed'],
  [{ ...before, deps: { lib: 'l', more: 'n' } }, 'more was added'],
  [{ ...before, packages: { bash: '6 digest', make: '4 digest' } }, 'package bash 5 → 6'],
  [{ ...before, packages: { bash: '5 other', make: '4 digest' } }, 'package bash changed'],
  [{ ...before, packages: { make: '4 digest' } }, 'package bash was removed'],
  [{ ...before, cmdline: 'debug' }, "the kernel's command line changed"],
  [{ ...before, project: 'other' }, 'the project is called other, not demo'],
  [
    { ...before, toolchain: 'u', packages: {}, deps: {}, cmdline: '' },
    'the toolchain changed, lib was removed, package bash was removed, and 2 more',
  ],
]

for (const [after, said] of cases) {
  test(`says: ${said}`, () => assert.equal(whyChanged(before, after), said))
}

test('what was never built here says so', () => assert.equal(whyChanged(undefined, before), 'not built here before'))

test('damaged memory of the last build is no failure', () => {
  for (const damaged of [null, 1, [], 'x', {}, { unit: null }, { unit: 3, deps: [] }])
    assert.equal(typeof whyChanged(damaged, before), 'string')
})
