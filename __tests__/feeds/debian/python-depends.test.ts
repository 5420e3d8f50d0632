import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renderRelation } from '../../../src/feeds/debian/names.ts'
import { pythonDepends } from '../../../src/feeds/debian/python-depends.ts'

const table: Readonly<Record<string, readonly [paths: readonly string[], depends: readonly string[]]>> = {
  'an environment': [
    ['opt/app/lib/python3.13/site-packages/a/b.py', 'opt/app/lib/python3.13/site-packages/c.py'],
    ['python3 (>= 3.13)', 'python3 (<< 3.14)'],
  ],
  'a compiled extension': [
    ['usr/lib/python3/dist-packages/x.cpython-312-x86_64-linux-gnu.so'],
    ['python3 (>= 3.12)', 'python3 (<< 3.13)'],
  ],
  'what every Python 3 loads': [
    ['usr/lib/python3/dist-packages/x.py', 'usr/lib/python3/dist-packages/y.abi3.so', 'usr/bin/python3.13'],
    [],
  ],
}

for (const [what, [paths, depends]] of Object.entries(table)) {
  test(`the Python that a package needs: ${what}`, () => {
    const entries = paths.map((path) => ({ path: Buffer.from(path), kind: 'file' as const, mode: 0o644, size: 0 }))
    assert.deepEqual(
      pythonDepends({ entries }).map((group) => group.map(renderRelation).join(' | ')),
      depends,
    )
  })
}
