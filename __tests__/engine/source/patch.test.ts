import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { removeTree } from '../../../src/engine/build/tree.ts'
import { applyPatches } from '../../../src/engine/source/patch.ts'
import { Scratch } from '../store/fixture.ts'
import { skip, worker } from './unpacking.ts'

const source = 'one\ntwo\nthree\nfour\nfive\n'
const diff = (from: string, to: string, file = 'f'): string =>
  `--- a/${file}\n+++ b/${file}\n@@ -1,3 +1,3 @@\n one\n-${from}\n+${to}\n three\n`
const patches: readonly { name: string; patches: readonly string[]; want?: string; fails?: RegExp }[] = [
  { name: 'one', patches: [diff('two', 'TWO')], want: source.replace('two', 'TWO') },
  { name: 'two, in order', patches: [diff('two', 'TWO'), diff('TWO', '2')], want: source.replace('two', '2') },
  {
    name: 'two, out of order',
    patches: [diff('TWO', '2'), diff('two', 'TWO')],
    fails: /patch 0\.patch does not apply\n {2}f: Hunk #1 FAILED at 1/,
  },
  {
    name: 'a reversed one',
    patches: [diff('two', 'TWO'), diff('two', 'TWO')],
    fails: /1\.patch does not apply\n.*Reversed/,
  },
  {
    name: 'for a file that is not there',
    patches: [diff('two', 'x', 'gone')],
    fails: /0\.patch does not apply\n.*\n {2}wanted: b\/gone/,
  },
  { name: 'that is none', patches: ['hello'], fails: /0\.patch does not apply\n.*garbage/ },
  { name: 'that leaves the folder', patches: [diff('two', 'x', '../../etc/passwd')], fails: /does not apply/ },
  {
    name: 'with a new program by git',
    patches: [
      'diff --git a/n b/n\nnew file mode 100755\nindex 0000000..ce01362\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+hello\n',
    ],
    want: source,
  },
]
for (const { name, patches: texts, want, fails } of patches) {
  test(`patch: ${name}`, { skip }, async () => {
    await using scratch = new Scratch()
    chmodSync(scratch.path, 0o755)
    const dest = join(scratch.path, 'dest')
    mkdirSync(dest)
    writeFileSync(join(dest, 'f'), source)
    const files = texts.map((text, index) => {
      const path = join(scratch.path, `${index}.patch`)
      writeFileSync(path, text)
      return { path, label: `${index}.patch` }
    })
    const work = applyPatches({ worker, root: 'host', patches: files, dest, log: () => {} })
    if (fails === undefined) {
      await work
      assert.equal(readFileSync(join(dest, 'f'), 'utf8'), want)
      assert.deepEqual(
        readdirSync(dest).filter((entry) => entry !== 'n'),
        ['f'],
        'nothing is left beside',
      )
    } else await assert.rejects(work, { code: 'TASK_FAILED', message: fails })
    await removeTree(dest)
  })
}
