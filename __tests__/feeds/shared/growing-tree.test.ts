import assert from 'node:assert/strict'
import { appendFileSync, writeFileSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { packApk } from '../../../src/feeds/alpine/pack.ts'
import { packDeb } from '../../../src/feeds/debian/pack.ts'
import { GrowingTree } from '../../../src/feeds/shared/growing-tree.ts'
import { errorsOf, install, packInput, run, scratch, unitOf } from '../../support/making.ts'

/** As many as are listed in several goes, in the order of a tree. */
const names = Array.from({ length: 1500 }, (_, n) => `usr/share/many/${String(n).padStart(4, '0')}`)
const many = (content: string): Record<string, string> => Object.fromEntries(names.map((name) => [name, content]))

test('packing begins before all is listed, and nothing is lost or changes its place', async (t) => {
  const folder = await scratch(t)
  await install(folder, many('x'))
  const growing = new GrowingTree({ destdir: folder, unit: unitOf() })
  const batches: string[][] = []
  const begun = (await growing.begun).entries.length
  for await (const batch of growing.batches()) batches.push(batch.map(({ path }) => path.toString()))
  const { entries, close } = await growing.whole
  close()
  assert.ok(begun < entries.length && batches.length > 1, `${begun} of ${entries.length}, ${batches.length} batches`)
  assert.deepEqual(batches.flat(), ['', 'usr', 'usr/share', 'usr/share/many', ...names])
})

const formats = [
  ['debian', packDeb],
  ['alpine', packApk],
] as const

for (const [distro, pack] of formats) {
  describe(`of a large tree, ${distro}`, () => {
    test('the package holds all', async (t) => {
      const folder = await scratch(t)
      await install(join(folder, 'dest'), many('x'))
      const [packed] = await pack(packInput(join(folder, 'dest'), join(folder, 'out'), { distro }))
      const list = distro === 'debian' ? 'dpkg-deb --fsys-tarfile "$0" | tar -t' : 'tar -tzf "$0"'
      const ran = await run('sh', ['-c', list, packed?.path ?? ''])
      assert.deepEqual(
        ran.stdout.split('\n').flatMap((line) => (/many\/\d/.test(line) ? [line.replace('./', '')] : [])),
        names,
      )
    })

    test('what can not be packed is told together, wherever packing stopped, and no package is left', async (t) => {
      const folder = await scratch(t)
      const [dest, out] = [join(folder, 'dest'), join(folder, 'out')]
      // What is large is opened again to be packed.
      await install(dest, { ...many('x'), 'usr/0': 'x'.repeat(100_000) })
      for (const name of ['usr/share/many/0001', 'zz']) {
        await rm(join(dest, name), { force: true })
        await run('mkfifo', [join(dest, name)])
      }
      const failed = errorsOf(pack(packInput(dest, out, { distro })))
      appendFileSync(join(dest, 'usr/0'), 'changed')
      assert.deepEqual(
        (await failed).map(({ code, message }) => `${code} ${message}`),
        ['usr/share/many/0001', 'zz'].map((name) => `PACKAGE_INVALID app: /${name} is a named pipe`),
      )
      assert.deepEqual(await readdir(out).catch(() => []), [])
    })

    test('a file that changes while the rest is listed fails it, and no package is left', async (t) => {
      const folder = await scratch(t)
      const [dest, out] = [join(folder, 'dest'), join(folder, 'out')]
      await install(dest, { ...many('x'), 'usr/0': 'x'.repeat(100_000) })
      const failed = errorsOf(pack(packInput(dest, out, { distro })))
      // The first few hundred entries are listed by now.
      writeFileSync(join(dest, 'usr/0'), 'changed')
      assert.deepEqual(
        (await failed).map(({ code }) => code),
        ['PACKAGE_INVALID'],
      )
      assert.deepEqual(await readdir(out).catch(() => []), [])
    })
  })
}
