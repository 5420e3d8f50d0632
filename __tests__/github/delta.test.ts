import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contentsOf, deltaOf } from '#github/delta.ts'
import type { CellReport } from '#github/engine-port.ts'

const report = (outcome: 'built' | 'restored', size: number, packages: CellReport['packages'] = []): CellReport => ({
  ...{ cell: 'box/base', machine: 'box', image: 'base', distro: 'debian', arch: 'x86_64', packages },
  units: [{ name: 'base', outcome, why: '', ms: 1 }],
  disk: { path: '/x', sha256: 'x', size },
})
const contents = (...args: Parameters<typeof report>) => contentsOf(report(...args)) ?? assert.fail('no contents')
const one = (name: string, version: string, size: number) => ({ name, version, size })

test('packages that are new, gone or another version, by name; what is the same is left out', () => {
  const before = contents('built', 100, [one('a', '1', 10), one('b', '1', 20), one('same', '1', 5)])
  const after = contents('built', 130, [one('b', '2', 15), one('c', '1', 7), one('same', '1', 5)])
  assert.deepEqual(deltaOf(before, after), {
    packages: [
      { name: 'a', before: '1', bytes: -10 },
      { name: 'b', before: '1', after: '2', bytes: -5 },
      { name: 'c', after: '1', bytes: 7 },
    ],
    packageBytes: -8,
    imageBytes: 30,
  })
})

test('the sizes of images are compared when both were built: what is restored has holes instead of zeros', () => {
  for (const [before, after] of [
    ['built', 'restored'],
    ['restored', 'built'],
  ] as const)
    assert.equal(deltaOf(contents(before, 100), contents(after, 60)).imageBytes, undefined)
})
