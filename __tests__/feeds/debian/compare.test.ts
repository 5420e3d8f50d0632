import assert from 'node:assert/strict'
import { chmod, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { compareDebs } from '#feeds/debian/compare.ts'
import { packDeb } from '#feeds/debian/pack.ts'
import { install, packInput, run, scratch } from '../../support/making.ts'

const program = (stamp: string): Buffer => Buffer.from(`\x7fELF\0\0\0made on ${stamp}, for all\0\0`)

const files = { 'usr/bin/app': program('Monday'), 'usr/share/app/notes': 'one\ntwo\nthree\n', 'etc/app.conf': 'a=1\n' }

/** How the second package comes to differ, and what is said of it. */
const changes: Readonly<Record<string, readonly [change: (root: string) => Promise<void>, said: readonly string[]]>> = {
  nothing: [async () => {}, []],
  'a line': [
    (root) => writeFile(join(root, 'usr/share/app/notes'), 'one\n2\nthree\n'),
    ['/usr/share/app/notes content: line 2: "two" and "2"'],
  ],
  'a longer file': [
    (root) => writeFile(join(root, 'usr/share/app/notes'), 'one\ntwo\nthree\nfour\n'),
    ["/usr/share/app/notes content: 14 bytes and 19 bytes, the same up to the shorter one's end"],
  ],
  'bytes of a program': [
    (root) => writeFile(join(root, 'usr/bin/app'), program('Sunday')),
    ['/usr/bin/app content: byte 15: "made on Monday, for all" and "made on Sunday, for all"'],
  ],
  'a mode': [(root) => chmod(join(root, 'usr/bin/app'), 0o700), ['/usr/bin/app mode: 755 and 700']],
  'a name': [
    (root) => rename(join(root, 'etc/app.conf'), join(root, 'etc/app.cfg')),
    ['/etc/app.conf only in the first', '/etc/app.cfg only in the second'],
  ],
  'a kind': [
    async (root) => {
      await rm(join(root, 'etc/app.conf'))
      await symlink('other', join(root, 'etc/app.conf'))
    },
    ['/etc/app.conf kind: file and symlink', '/etc/app.conf target:  and other'],
  ],
}

for (const [name, [change, said]] of Object.entries(changes)) {
  test(`two packages that differ by ${name}`, async (t) => {
    const folder = await scratch(t)
    const packed: string[] = []
    for (const which of ['first', 'second']) {
      const root = join(folder, which, 'dest')
      await install(root, files)
      await chmod(join(root, 'usr/bin/app'), 0o755)
      if (which === 'second') await change(root)
      const [made] = await packDeb(
        packInput(root, join(folder, which, 'out'), { unit: { scope: 'noarch', qaSkip: { dangling: '' } } }),
      )
      packed.push(made?.path ?? '')
    }
    const [first = '', second = ''] = packed
    // The naive comparison, which says that they differ and no more.
    assert.equal((await run('cmp', ['--silent', first, second])).code === 0, said.length === 0)
    const found = await compareDebs(first, second)
    const shown = found.map(({ path, what }) => `${path} ${what}`)
    for (const line of said) assert.ok(shown.includes(line), `${line}\nis not in\n${shown.join('\n')}`)
    if (said.length === 0) assert.deepEqual(shown, [])
  })
}
