import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silent } from '../../../src/engine/events.ts'
import { configure } from '../../../src/engine/image/configuration.ts'
import type { Partition } from '../../../src/engine/project/model.ts'
import { imageUnit } from '../../support/units.ts'

const at = { file: 'images/thing.star', line: 3, column: 1 }
const image = imageUnit({ name: 'thing', at })
const partition = (label: string, type: Partition['type'], root = false): Partition => ({
  ...{ label, type, root, size: 'fill', contents: [], at },
})

const rows: readonly (readonly [what: string, tools: readonly string[], passes: string])[] = [
  ['what can be checked is checked at boot, the root first', ['sbin/fsck.ext4', 'usr/sbin/fsck.vfat'], '1 2 2'],
  ['without a program for it, a file system is not', ['usr/sbin/fsck.ext4'], '1 2 0'],
  ['an image without any boots as well', [], '0 0 0'],
]
for (const [what, tools, passes] of rows)
  test(what, () => {
    const root = {
      entries: new Map(tools.map((path) => [path, { type: 'file', link: '' } as const])),
      contents: new Map(),
    }
    const partitions = [partition('rootfs', 'ext4', true), partition('data', 'ext4'), partition('boot', 'vfat')]
    const additions = configure(
      {
        ...{ image, hostname: 'thing', partitions, accounts: [], extraFiles: [], overlaid: new Set() },
        ...{ sourceDateEpoch: 1_700_000_000, report: silent },
      },
      root,
    )
    const fstab = additions.find(({ path }) => path === 'etc/fstab')?.content
    assert.ok(Buffer.isBuffer(fstab))
    const lines = fstab.toString().trim().split('\n')
    assert.equal(lines.map((line) => line.split('\t').at(-1)).join(' '), passes)
    assert.deepEqual(
      lines.map((line) => line.split('\t')[0]),
      ['LABEL=rootfs', 'LABEL=data', 'LABEL=BOOT'],
    )
  })
