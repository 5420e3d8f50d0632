import assert from 'node:assert/strict'
import { test } from 'node:test'
import { userErrors } from '#engine/errors.ts'
import type { LockEntry } from '#engine/modules/lock.ts'
import { entriesOf, formatLock, parseLock } from '#engine/modules/lock.ts'
import { shown } from '../project/evaluating.ts'

const [commit, digest] = ['0123456789'.repeat(4), '0123456789abcdef'.repeat(4)]
const entries: readonly LockEntry[] = [
  { kind: 'image', name: 'docker.io/library/golang', tag: '1.26', sha256: digest },
  {
    kind: 'feed',
    id: 'debian.main',
    arch: 'amd64',
    suite: 'trixie',
    date: '2026-01-10T10:00:00Z',
    path: 'main/binary-amd64/Packages.xz',
    size: 9,
    sha256: digest,
  },
  { kind: 'source', url: 'git@example.org:app', refKind: 'tag', ref: 'v1.0', commit },
  { kind: 'module', url: 'https://example.org/yoe', ref: 'main', path: 'modules/module-core', commit },
  { kind: 'module', url: 'https://example.org/hal', ref: 'v1.3.0', path: '', commit },
]
const text = `# What refs and feeds meant when they were last updated. Commit it; "yoe update" moves it.
yoe.lock 1
module url=https://example.org/hal ref=v1.3.0 commit=${commit}
module url=https://example.org/yoe ref=main path=modules/module-core commit=${commit}
source url=git@example.org:app tag=v1.0 commit=${commit}
feed id=debian.main arch=amd64 suite=trixie date=2026-01-10T10:00:00Z path=main/binary-amd64/Packages.xz size=9 sha256=${digest}
image name=docker.io/library/golang tag=1.26 sha256=${digest}
`

test('yoe.lock: one line for each entry, in one order, and read as it was written', () => {
  assert.equal(formatLock(entries), text)
  assert.equal(formatLock(entries.toReversed()), text)
  assert.equal(formatLock(entriesOf(parseLock(text))), text)
  assert.deepEqual(
    parseLock(text).modules.map(({ line }) => line),
    [3, 4],
  )
  // Editors of other systems.
  assert.equal(formatLock(entriesOf(parseLock(`\ufeff${text.trimEnd().replaceAll('\n', '\r\n')}`))), text)
})

const line = `module url=https://example.org/hal ref=v1 commit=${commit}`
const mend = 'yoe update writes it anew; git checkout yoe.lock brings the last one back'
const faults: Readonly<Record<string, readonly [text: string, want: readonly string[]]>> = {
  'a commit that was edited': [
    `yoe.lock 1\n${line.replace('0123', 'oops')}`,
    [`yoe.lock:2: LOCK_INVALID commit can't be "oops${commit.slice(4)}": a commit has 40 hexadecimal digits | ${mend}`],
  ],
  'a commit that lost a digit': [
    `yoe.lock 1\n${line.slice(0, -1)}`,
    [`yoe.lock:2: LOCK_INVALID commit can't be "${commit.slice(0, -1)}": a commit has 40 hexadecimal digits | ${mend}`],
  ],
  'another version': [
    'yoe.lock 2\nwhatever',
    [
      'yoe.lock:1: LOCK_INVALID it has version 2, and this yoe reads version 1 | use the yoe that the project is built with, or run yoe update',
    ],
  ],
  'no version': [line, [`yoe.lock:1: LOCK_INVALID its first line must be "yoe.lock 1" | ${mend}`]],
  'a merge that is not finished': [
    `yoe.lock 1\n<<<<<<< HEAD\n${line}\n=======\n${line.replace('ref=v1', 'ref=v2')}\n>>>>>>> other\n`,
    [
      'yoe.lock:2: LOCK_INVALID two versions of yoe.lock were merged, and this conflict is left | keep the lines of both sides, or take one side and run yoe update',
    ],
  ],
  'an entry twice': [
    `yoe.lock 1\n${line}\n${line.replace('commit=0', 'commit=1')}`,
    ['yoe.lock:3: LOCK_INVALID it says a second time what line 2 says | remove line 2 or 3'],
  ],
  'every line that is wrong': [
    `yoe.lock 1\nmodul url=x\n${line}\nmodule url=x ref=v1\nmodule url=x rev=v1 commit=${commit}\nfeed id=a arch=b`,
    [
      `yoe.lock:2: LOCK_INVALID a line begins with module, source, feed or image, not "modul" | ${mend}`,
      `yoe.lock:4: LOCK_INVALID commit is missing | ${mend}`,
      `yoe.lock:5: LOCK_INVALID a module has no field "rev=v1" | ${mend}`,
      `yoe.lock:6: LOCK_INVALID suite, date, size, sha256 are missing | ${mend}`,
    ],
  ],
  'an option as a ref': [
    `yoe.lock 1\nmodule url=x ref=--upload-pack=x commit=${commit}`,
    [`yoe.lock:2: LOCK_INVALID ref can't be "--upload-pack=x" | ${mend}`],
  ],
  'a folder that leads out': [
    `yoe.lock 1\nmodule url=x ref=v1 path=a/../../b commit=${commit}`,
    [`yoe.lock:2: LOCK_INVALID path can't be "a/../../b" | ${mend}`],
  ],
  'a name of JavaScript’s own': [
    `yoe.lock 1\nmodule constructor=x url=x ref=v1 commit=${commit}`,
    [`yoe.lock:2: LOCK_INVALID a module has no field "constructor=x" | ${mend}`],
  ],
  'a source of both kinds': [
    `yoe.lock 1\nsource url=x tag=a branch=b commit=${commit}`,
    [`yoe.lock:2: LOCK_INVALID a source has either a tag or a branch | ${mend}`],
  ],
}
for (const [name, [broken, want]] of Object.entries(faults)) {
  test(`yoe.lock: ${name} is told at its line`, () => {
    assert.throws(
      () => parseLock(broken),
      (failure) => {
        assert.deepEqual(userErrors(failure)?.map(shown), want)
        return true
      },
    )
  })
}
